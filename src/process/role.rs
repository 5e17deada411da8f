//! Role: a process that is a worker of another process's pool.
//!
//! It has two connections. One carries jobs and their results: a thread reads the jobs and runs them in the main
//! interpreter, one after the other. The other carries the pool's requests while a job runs: the process's first thread
//! reads it and never waits for a GIL. When that connection ends, as it does however the pool's process ends, this
//! thread ends the process at once.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use owngil_ffi::{MainThread, Runtime, STACK_SIZE, leave};
use rustix::process::{Signal, getppid, set_parent_process_death_signal};

use super::frame::{
    Ask, Ended, JobHead, News, Request, Setup, Shape, TimingRecord, Word, path_of, why,
};
use super::host_calls::RemoteResponder;
use super::link::{self, Read, Reader, Writer, malformed};
use super::relay;
use super::turn::{Diary, Turn};
use super::values::{self, Sent};
use crate::children;
use crate::error::{Error, Result};
use crate::function::{Function, Location};
use crate::inherited::{Directory, Inherited};
use crate::interpreter::{HostSide, Interpreter};
use crate::monitor::{Answer, EarlyOutcomes, JobMonitor, Ran};
use crate::output::{
    Capture, Forward, Output, OutputPolicy, OutputStream, Readers, catch_c_output,
};
use crate::runtime;
use crate::task::{Batch, ElsewhereJob, Job, Promise, Recipient, Results};
use crate::wire::{Failure, StackRecord};

/// The only argument of a worker process.
pub(super) const ARGUMENT: &str = "--owngil-worker";

/// Both sides must have the same version, as the messages between them may change with each.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// How long the pool may take to send the settings.
const SETUP: Duration = Duration::from_secs(30);

/// How many requests may wait while C code holds the GIL. Later ones are dropped: they would have the same answer.
const N_WAITING: usize = 16;

static IS_WORKER: AtomicBool = AtomicBool::new(false);

/// Makes this process a worker if a pool of another process started it as one. Otherwise returns at once.
///
/// A pool of [`Backend::Process`](crate::Backend::Process) starts its workers by running this program again. Call this
/// in the first line of `main`: any code before it runs in each worker too. A program that cannot do so, such as a test
/// harness, names another program with [`PoolBuilder::worker_program`](crate::PoolBuilder::worker_program); the command
/// `owngil` is one.
///
/// ``` // First of all that `main` does: owngil::become_worker_if_asked(); ```
pub fn become_worker_if_asked() {
    if !is_asked() {
        return;
    }
    IS_WORKER.store(true, Ordering::Relaxed);
    match Role::take_up() {
        Ok((role, asked)) => role.live(asked),
        Err(error) => {
            eprintln!("error: {ARGUMENT} is for processes that owngil starts by itself ({error})");
            process::exit(2);
        }
    }
}

/// Makes this process, in which a host's Python runs, a worker of the pool that started it. Calls `serve` with a
/// function that the main thread calls when it is ready to run jobs.
///
/// # Errors
///
/// If no pool started this process.
pub(crate) fn become_worker_of_host(serve: impl FnOnce(Box<dyn FnOnce() + Send>)) -> Result<()> {
    let (role, asked) = Role::take_up().map_err(|error| {
        Error::config(format!(
            "this process was not started by a pool to be its worker: {error}"
        ))
    })?;
    serve(Box::new(move || {
        let life = thread::Builder::new().name("owngil-listener".to_owned());
        if let Err(error) = life.spawn(|| role.live(asked)) {
            eprintln!("error: the system gave no thread for a worker: {error}");
            leave(1);
        }
    }));
    Ok(())
}

/// Whether this process was started as a worker but did not become one: its `main` lacks the call.
pub(crate) fn has_forgotten() -> bool {
    is_asked() && !IS_WORKER.load(Ordering::Relaxed)
}

fn is_asked() -> bool {
    let mut arguments = std::env::args_os().skip(1);
    arguments.next().is_some_and(|first| first == ARGUMENT)
}

struct Role {
    setup: Setup,
    turn: Arc<Turn>,
    diary: Option<Diary>,
    /// The reading ends of the pipes behind descriptors 1 and 2.
    readers: Option<Readers>,
    /// The connection for calls of host functions and items of streams.
    host: Option<OwnedFd>,
    /// What sends the items of streams.
    items: Option<Arc<RemoteResponder>>,
    jobs: Reader,
    news: Arc<Mutex<Writer>>,
    words: Arc<Mutex<Writer>>,
}

impl Role {
    /// Introduces itself to the pool, and receives its settings.
    fn take_up() -> io::Result<(Role, Reader)> {
        // The connection leaves descriptor 0: tasks find standard input empty, and programs that they start do not
        // inherit it.
        let control = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
        let (mut words, mut asked) = link::both(control);
        words.put(&Word::Hello(VERSION.to_owned()), &[], None)?;
        words.send_all()?;
        let nothing = std::fs::File::open("/dev/null")?;
        rustix::stdio::dup2_stdin(&nothing)?;
        let until = Instant::now() + SETUP;
        let cut_off = || malformed("the connection has ended");
        let (setup, _) = asked.take_by::<Setup>(until)?.ok_or_else(cut_off)?;
        asked.take_by::<Shape>(until)?.ok_or_else(cut_off)?;
        let (data, board) = (asked.take_file()?, asked.take_file()?);
        let turn = Arc::new(Turn::open(&board)?);
        let diary = Some(Diary::new(Turn::open(&board)?));
        let readers = match setup.has_pipes {
            true => Some(take_readers(&mut asked, until)?),
            false => None,
        };
        let host = Some(take_another_file(&mut asked, until)?);
        set_parent_process_death_signal(Some(Signal::KILL))?;
        let parent = getppid().map_or(0, |parent| parent.as_raw_nonzero().get());
        if parent as u32 != setup.parent {
            return Err(cut_off());
        }
        let (news, jobs) = link::both(data);
        let role = Role {
            setup,
            turn,
            diary,
            readers,
            host,
            items: None,
            jobs,
            news: Arc::new(Mutex::new(news)),
            words: Arc::new(Mutex::new(words)),
        };
        Ok((role, asked))
    }

    fn live(mut self, asked: Reader) -> ! {
        let capture = match self.setup.handover {
            None => Capture::new(OutputPolicy::Capture),
            Some(handover) => Capture::forwarding(handover, printer(&self.news)),
        };
        // Signals go to the thread that runs jobs, where Python's handlers run.
        owngil_ffi::block_signals();
        if let Some(readers) = self.readers.take() {
            // If this fails, output of C code arrives only when C's buffer is full.
            let _ = catch_c_output();
            if let Err(error) = capture.read_process(readers) {
                eprintln!("error: what programs print cannot be read: {error}");
                leave(1);
            }
        }
        let early_outcomes = Arc::new(EarlyOutcomes::default());
        let monitor = JobMonitor::new(self.setup.worker as usize, capture, &early_outcomes);
        let turn = Arc::clone(&self.turn);
        monitor.note_loads(move |job, is_begin| turn.note_load(job, is_begin));
        let (requests, received) = bounded(N_WAITING);
        let (visited, words) = (Arc::clone(&monitor), Arc::clone(&self.words));
        let visitor = thread::Builder::new().name("owngil-visitor".to_owned());
        let worker = thread::Builder::new().name(format!("owngil-{}", self.setup.worker));
        let worker = worker.stack_size(STACK_SIZE);
        let started = visitor
            .spawn(move || visit(&visited, &received, &words))
            .and_then(|_| worker.spawn(move || self.work(&monitor)));
        if let Err(error) = started {
            eprintln!("error: the system gave no thread for a worker: {error}");
            leave(1);
        }
        listen(asked, &requests)
    }

    /// Starts Python, runs jobs, and ends the process.
    fn work(self, monitor: &Arc<JobMonitor>) {
        let words = Arc::clone(&self.words);
        let monitor = Arc::clone(monitor);
        // Jobs run on Python's main thread, as only that may handle signals.
        let ran = self.start_python().and_then(|runtime| {
            let ran = runtime.on_main_thread(move |thread| self.run_jobs(&thread, &monitor))?;
            ran.map(|()| runtime)
        });
        match ran {
            Ok(_) => runtime::exit(0),
            Err(error) => say(&words, &Word::Failed(Failure::from(&error)), &[]),
        }
    }

    fn run_jobs(mut self, thread: &MainThread, monitor: &Arc<JobMonitor>) -> Result<()> {
        owngil_ffi::unblock_signals();
        let mut interpreter = self.interpreter(thread, monitor)?;
        say(&self.words, &Word::Ready, &[]);
        if let Some(diary) = self.diary.take() {
            interpreter.set_progress(Box::new(diary));
        }
        let news = Arc::clone(&self.news);
        let mut runner = Runner {
            role: self,
            functions: HashMap::new(),
            is_broken: false,
        };
        runner.run(&mut interpreter, monitor);
        interpreter.wind_down_alone();
        // The last output belongs to no task, so it is always sent.
        if let Some(Output { stdout, stderr }) = monitor.capture().finish() {
            let print = printer(&news);
            print(0, OutputStream::Stdout, &stdout, true);
            print(0, OutputStream::Stderr, &stderr, true);
        }
        interpreter.retire();
        Ok(())
    }

    fn start_python(&self) -> Result<&'static Runtime> {
        runtime::share_hash_seed(self.setup.hash_seed);
        runtime::be_alone();
        if let Some(python) = &self.setup.python {
            runtime::use_python(path_of(python))?;
        }
        let runtime = runtime::start()?;
        if let Some(umask) = self.setup.umask {
            Directory::set_umask(umask);
        }
        Ok(runtime)
    }

    fn interpreter(
        &mut self,
        thread: &MainThread,
        monitor: &Arc<JobMonitor>,
    ) -> Result<Interpreter> {
        let inherited = Inherited::now(self.setup.umask.is_some());
        let inherited = inherited.map_err(|error| Error::config(error.to_string()))?;
        let memory = self.setup.memory();
        let mut interpreter =
            Interpreter::on_main_alone(thread, monitor, memory, &Arc::new(inherited))?;
        if self.setup.is_plain {
            interpreter.give_plain();
        }
        if self.setup.keeps_exceptions {
            interpreter.keep_exceptions();
        }
        if let Some(host) = self.host.take() {
            let responder = RemoteResponder::new(host, monitor);
            let responder = responder.map_err(|error| Error::config(error.to_string()))?;
            let responder = Arc::new(responder);
            self.items = Some(Arc::clone(&responder));
            if !self.setup.host_functions.is_empty() {
                interpreter.set_host_functions(HostSide {
                    names: Arc::new(self.setup.host_functions.clone()),
                    responder,
                    without_worker: None,
                    is_plain: self.setup.is_plain,
                })?;
            }
        }
        let capture = Arc::clone(monitor.capture());
        interpreter.stand_alone(move || {
            children::note_fork();
            capture.divert();
        })?;
        Ok(interpreter)
    }
}

/// Runs jobs as they come.
struct Runner {
    role: Role,
    /// Functions by their numbers in the pool's process.
    functions: HashMap<u32, Function>,
    /// The connection has ended.
    is_broken: bool,
}

impl Runner {
    fn run(&mut self, interpreter: &mut Interpreter, monitor: &JobMonitor) {
        let mut is_reported = false;
        while let Some(job) = self.next_waiting() {
            self.run_some(interpreter, monitor, job);
            if interpreter.is_exhausted() && !is_reported {
                is_reported = true;
                // Jobs that are on their way now go to another process.
                self.role.turn.take_back();
                put(&self.role.news, &News::Exhausted, &[]);
            }
            // Sends what did not fit into the socket.
            if lock(&self.role.news).send_all().is_err() {
                return;
            }
        }
    }

    /// Runs a job, and the jobs after it that have arrived.
    fn run_some(&mut self, interpreter: &mut Interpreter, monitor: &JobMonitor, job: Job) {
        let news = Arc::clone(&self.role.news);
        let counts = self.role.setup.counts_memory;
        let memory = interpreter.memory();
        let runner = std::cell::RefCell::new(self);
        interpreter.run_reporting(
            job,
            monitor,
            &|_| (),
            &mut || runner.borrow_mut().next_at_hand(),
            |promise, results, ran| {
                if let (true, Some(memory)) = (counts, &memory) {
                    runner.borrow().role.turn.note_memory(memory.in_use());
                }
                if tell(&news, &promise, &results, ran).is_err() {
                    runner.borrow_mut().is_broken = true;
                }
            },
        );
    }

    /// The next job, if one has arrived and all reports are sent.
    fn next_at_hand(&mut self) -> Option<Job> {
        if self.is_broken || !lock(&self.role.news).is_empty() {
            return None;
        }
        loop {
            match self.take() {
                Ok(Some(job)) => return Some(job),
                Ok(None) => {}
                Err(_) => break,
            }
            match self.role.jobs.read() {
                Ok(Read::Some) => {}
                Ok(Read::Nothing) => return None,
                Ok(Read::End) | Err(_) => break,
            }
        }
        self.is_broken = true;
        None
    }

    /// Waits for the next job. Returns `None` at the end of the connection.
    fn next_waiting(&mut self) -> Option<Job> {
        while !self.is_broken {
            if let Some(job) = self.take().ok()? {
                return Some(job);
            }
            match self.role.jobs.read_waiting() {
                Ok(Read::Some | Read::Nothing) => {}
                Ok(Read::End) | Err(_) => return None,
            }
        }
        None
    }

    /// Begins the next job that has arrived completely and was not taken back.
    fn take(&mut self) -> io::Result<Option<Job>> {
        let role = &mut self.role;
        while let Some((head, mut body)) = role.jobs.take::<JobHead>()? {
            let calls = values::receive(&head.arguments, &mut body, &mut role.jobs)?;
            if let Some(place) = head.place {
                let function = Function::of_location(Location::from(place));
                self.functions.insert(head.function, function);
            }
            let function = self.functions.get(&head.function);
            let function = function.ok_or_else(|| malformed("a function that was not named"))?;
            if !role.turn.begin(head.number, head.revision) {
                continue;
            }
            let cancelled = (head.n_calls > 1).then(Arc::default);
            let batch = Batch::of_encoded(function, calls, head.n_calls, cancelled);
            let batch = batch.with_limit(head.limit).timed(head.is_timed);
            let batch = batch.streaming(head.stream.is_some());
            let items = match (head.stream, &role.items) {
                (Some(capacity), Some(sending)) => {
                    Some(relay::start(capacity, head.number, sending)?)
                }
                _ => None,
            };
            let recipient = Recipient::Elsewhere(Box::new(ElsewhereJob {
                number: head.number,
                first: head.first,
                items,
            }));
            return Ok(Some(Job::new(batch, recipient)));
        }
        Ok(None)
    }
}

/// Reports the results of a job.
fn tell(news: &Mutex<Writer>, promise: &Promise, results: &Results, ran: Ran) -> io::Result<()> {
    let Sent {
        shape,
        inline,
        file,
    } = values::send(results.bytes())?;
    let outputs = results.outputs().iter().map(|(call, output)| {
        let (n_stdout, n_stderr) = (output.stdout.len(), output.stderr.len());
        (*call, n_stdout as u64, n_stderr as u64)
    });
    let timings = results.timings().iter();
    let timings = timings.map(|(call, timing)| TimingRecord::new(*call, timing));
    let ended = Ended {
        number: promise.number(),
        n: results.len(),
        n_failed: ran.n_failed,
        nanoseconds: results.elapsed().as_nanos() as u64,
        crossing_nanoseconds: ran.crossing.as_nanos() as u64,
        outputs: outputs.collect(),
        timings: timings.collect(),
        values: shape,
    };
    let mut body: Vec<&[u8]> = vec![results.bytes()];
    body.extend(inline);
    for (_, output) in results.outputs() {
        body.extend([&output.stdout[..], &output.stderr[..]]);
    }
    let mut news = lock(news);
    news.put(&News::Ended(ended), &body, file)?;
    news.send().map(drop)
}

/// The reading ends of the pipes that this process's output goes into.
fn take_readers(asked: &mut Reader, until: Instant) -> io::Result<Readers> {
    let stdout = take_another_file(asked, until)?;
    Readers::of_descriptors(stdout, take_another_file(asked, until)?)
}

/// A file that comes with an empty frame.
fn take_another_file(asked: &mut Reader, until: Instant) -> io::Result<OwnedFd> {
    asked
        .take_by::<Shape>(until)?
        .ok_or_else(|| malformed("the connection has ended"))?;
    asked.take_file()
}

/// Sends the output of tasks to the pool's process, which passes it on.
fn printer(news: &Arc<Mutex<Writer>>) -> Forward {
    let news = Arc::clone(news);
    Box::new(move |call, stream, text, is_last| {
        let printed = News::Printed {
            call,
            is_stderr: stream == OutputStream::Stderr,
            is_last,
            n_bytes: text.len() as u64,
        };
        let mut news = lock(&news);
        // An error means that the pool has gone, and the output with it.
        let _ = news.put(&printed, &[text], None);
        let _ = news.send_all();
    })
}

/// Reads the pool's requests until the connection ends.
fn listen(mut asked: Reader, requests: &Sender<Request>) -> ! {
    loop {
        match asked.take::<Request>() {
            Ok(Some((request, _))) => match requests.try_send(request) {
                Ok(()) | Err(TrySendError::Full(_)) => continue,
                Err(TrySendError::Disconnected(_)) => break,
            },
            Ok(None) => {}
            Err(_) => break,
        }
        match asked.read_waiting() {
            Ok(Read::Some | Read::Nothing) => {}
            Ok(Read::End) | Err(_) => break,
        }
    }
    // Kills the whole group, since programs that the task started are no longer needed.
    let _ = rustix::process::kill_current_process_group(Signal::KILL);
    leave(1)
}

/// Answers requests, on a thread that may wait for the GIL.
fn visit(monitor: &JobMonitor, requests: &Receiver<Request>, words: &Mutex<Writer>) {
    for Request { id, ask } in requests {
        let answer = match ask {
            Ask::Interrupt {
                job,
                timed_out,
                takes_output,
            } => monitor.interrupt_here(job, why(timed_out), takes_output),
            Ask::Stacks => Answer {
                stacks: monitor.stacks_here(),
                ..Answer::default()
            },
        };
        let Answer {
            stacks,
            output,
            still_runs,
        } = answer;
        let word = Word::Answer {
            id,
            still_runs,
            stacks: stacks.iter().map(StackRecord::from).collect(),
            n_stdout: output.stdout.len() as u64,
            n_stderr: output.stderr.len() as u64,
        };
        say(words, &word, &[&output.stdout, &output.stderr]);
    }
}

/// Sends a word. Ignores errors: the process ends when the connection does.
fn say(words: &Mutex<Writer>, word: &Word, body: &[&[u8]]) {
    let mut words = lock(words);
    let _ = words.put(word, body, None);
    let _ = words.send_all();
}

fn put(news: &Mutex<Writer>, what: &News, body: &[&[u8]]) {
    let _ = lock(news).put(what, body, None);
}

fn lock(writer: &Mutex<Writer>) -> MutexGuard<'_, Writer> {
    writer.lock().unwrap_or_else(PoisonError::into_inner)
}
