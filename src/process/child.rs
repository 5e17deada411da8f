//! Child: a worker process from the pool's side, from its start to its end.

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use owngil_ffi::Runtime;

use super::command;
use super::frame::{Ended, JobHead, LocationRecord, News, Setup, Shape, Word};
use super::host_calls;
use super::life::{Control, Life, ending};
use super::link::{self, Read, Reader, Writer, malformed};
use super::role::{ARGUMENT, VERSION};
use super::turn::{Remains, Turn};
use super::values::{self, Sent};
use crate::error::{Error, Result, WorkerLost};
use crate::host::HostFunctions;
use crate::inherited::{Directory, Inherited};
use crate::interpreter::MemorySetting;
use crate::monitor::{JobMonitor, Ran, RemoteWorker};
use crate::output::{Handover, Output, OutputStream, Readers};
use crate::runtime;
use crate::task::{Batch, ItemBuffer, Results};

/// How long a program may take to report that it is a worker, which is the first thing it does.
const HELLO: Duration = Duration::from_secs(10);

/// How long a worker may take to start Python.
const READY: Duration = Duration::from_secs(120);

/// How long to wait for a process to end after its connection has ended.
const DYING: Duration = Duration::from_millis(500);

/// The settings of a worker process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings<'s> {
    /// The program to start; this program by default.
    pub(crate) program: Option<&'s Path>,
    pub(crate) worker: usize,
    pub(crate) memory: MemorySetting,
    /// Whether a result whose class derives from a plain type arrives as the plain value.
    pub(crate) is_plain: bool,
    /// Whether the exceptions of calls are kept as objects.
    pub(crate) keeps_exceptions: bool,
    pub(crate) inherited: &'s Inherited,
    /// When to pass output on; `None` keeps it with its task.
    pub(crate) handover: Option<Handover>,
    /// Whether descriptors 1 and 2 of the process carry output of its tasks.
    pub(crate) catches_descriptors: bool,
    /// What Python code can call there.
    pub(crate) host_functions: &'s HostFunctions,
    /// The monitor of the worker.
    pub(crate) monitor: &'s JobMonitor,
}

/// A worker process.
#[derive(Debug)]
pub(crate) struct Child {
    life: Arc<Life>,
    turn: Turn,
    writer: Writer,
    reader: Reader,
    worker: usize,
    /// The pipes behind its descriptors, for output that was left in them when it ended.
    pipes: Option<Readers>,
    revision: u16,
    /// Whether the worker knows the function with that id.
    known: Vec<bool>,
}

/// What a worker process reports.
pub(crate) enum Event {
    /// A job has ended.
    Ended(u64, Ran, Results),
    /// Output of the call at that place in its batch. The flag marks the last piece.
    Printed(u32, OutputStream, Vec<u8>, bool),
    /// The process runs no more jobs.
    Exhausted,
}

impl Child {
    /// Starts a worker process, and waits until it is ready.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the program cannot be started or does not become a worker, and any error that Python's
    /// start reports there.
    pub(crate) fn start(settings: Settings<'_>) -> Result<Child> {
        let connected = Child::connect(settings);
        let child = connected.map_err(|error| {
            Error::config(format!(
                "the worker program {} could not be started: {error}",
                shown(settings.program)
            ))
        })?;
        child.await_ready(settings.program).inspect_err(|_| {
            child.life.kill();
            child.life.end(DYING);
            child.last_words(|_, text| {
                let _ = io::stderr().write_all(text);
            });
        })?;
        Ok(child)
    }

    fn connect(settings: Settings<'_>) -> io::Result<Child> {
        let (ours, theirs) = link::pair()?;
        let (control, their_control) = link::pair()?;
        let (turn, board) = Turn::create()?;
        let seen = Turn::open(&board)?;
        let mut command = command::of_worker(settings.program);
        // A group of its own: Ctrl-C in the terminal reaches only the pool's process, which then ends its workers.
        command.arg(ARGUMENT).process_group(0);
        // The environment of the pool's start: tasks of this process may have changed it since.
        command.env_clear();
        let variables = settings.inherited.variables();
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        if let Some(directory) = &settings.inherited.directory {
            command.current_dir(directory.path());
        }
        // Undo what this process's site hooks changed: the worker runs the same hooks.
        for change in Runtime::site_changes() {
            let known = variables.iter().find(|(name, _)| *name == change.name);
            if known.map(|(_, value)| value) == change.after.as_ref() {
                match &change.before {
                    Some(value) => command.env(&change.name, value),
                    None => command.env_remove(&change.name),
                };
            }
        }
        let pipes = match settings.catches_descriptors {
            true => Some(connect_output(&mut command)?),
            false => None,
        };
        let child = command.stdin(Stdio::from(their_control)).spawn()?;
        // Drops the writing ends here, so that only the worker process holds them.
        drop(command);
        let (writer, reader) = link::both(control);
        let control = Control::new(writer, reader);
        let (memory, limit) = match settings.memory {
            MemorySetting::NotCounted => (false, None),
            MemorySetting::Counted(limit) => (true, limit),
        };
        let life = Life::new(child, control, seen, memory)?;
        let python = Runtime::running().and_then(Runtime::python);
        let setup = Setup {
            parent: std::process::id(),
            worker: settings.worker as u32,
            python: python.map(|path| path.as_os_str().as_bytes().to_vec()),
            hash_seed: runtime::hash_seed(),
            counts_memory: memory,
            memory_limit: limit.map(|limit| limit as u64),
            is_plain: settings.is_plain,
            keeps_exceptions: settings.keeps_exceptions,
            handover: settings.handover,
            has_pipes: pipes.is_some(),
            umask: settings.inherited.directory.as_ref().map(Directory::umask),
            host_functions: settings.host_functions.names().to_vec(),
        };
        let mut files = vec![theirs, board];
        if let Some(pipes) = &pipes {
            files.extend(pipes.try_clone()?);
        }
        let (host, their_host) = link::pair()?;
        host_calls::answer(host, settings.host_functions, settings.monitor.weak())?;
        files.push(their_host);
        life.control().send_setup(&setup, files)?;
        let (writer, reader) = link::both(ours);
        Ok(Child {
            life: Arc::new(life),
            turn,
            writer,
            reader,
            worker: settings.worker,
            pipes,
            revision: 0,
            known: Vec::new(),
        })
    }

    /// Waits until the worker is ready.
    fn await_ready(&self, program: Option<&Path>) -> Result<()> {
        let word = |limit| {
            let until = Instant::now() + limit;
            let word = self.life.control().reader.take_by::<Word>(until);
            word.ok().flatten().map(|(word, _)| word)
        };
        match word(HELLO) {
            Some(Word::Hello(version)) if version == VERSION => {}
            Some(Word::Hello(version)) => {
                return Err(Error::config(format!(
                    "the worker program {} has owngil {version}, and this one {VERSION}",
                    shown(program)
                )));
            }
            _ => return Err(self.is_no_worker(program)),
        }
        match word(READY) {
            Some(Word::Ready) => Ok(()),
            Some(Word::Failed(failure)) => Err(failure.into()),
            _ => {
                let reason = match self.life.wait(DYING) {
                    true => ending(self.process(), self.life.end(DYING)),
                    false => format!("it did not start Python in {} s", READY.as_secs()),
                };
                Err(Error::lost(reason))
            }
        }
    }

    fn is_no_worker(&self, program: Option<&Path>) -> Error {
        let what = match self.life.wait(DYING) {
            true => format!("({})", ending(self.process(), self.life.end(DYING))),
            false => format!("within {} s", HELLO.as_secs()),
        };
        Error::config(format!(
            "{} was started as a worker process and did not become one {what}: the first line of its main \
             must be owngil::become_worker_if_asked(), or name another program with \
             PoolBuilder::worker_program",
            shown(program)
        ))
    }

    /// A handle with which other threads inspect and end the process.
    pub(crate) fn remote(&self) -> Arc<dyn RemoteWorker> {
        Arc::clone(&self.life) as _
    }

    /// The process id.
    pub(crate) fn process(&self) -> u32 {
        self.life.process()
    }

    /// How far the last job got, once the process has ended.
    pub(crate) fn remains(&mut self) -> Remains {
        self.turn.remains()
    }

    /// The number of the job that began last; 0 for none.
    pub(crate) fn begun(&self) -> u64 {
        self.turn.begun()
    }

    /// Takes back all jobs that have not begun. Returns the number of the job that began last.
    pub(crate) fn take_back(&mut self) -> u64 {
        let (begun, revision) = self.turn.take_back();
        self.revision = revision;
        begun
    }

    /// Keeps the worker from making further calls of that job.
    pub(crate) fn stop(&self, job: u64) {
        self.turn.stop(job);
    }

    /// Queues a job for sending; `first` is the index of its first call, and `items` where the items of a stream go.
    pub(crate) fn put(
        &mut self,
        number: u64,
        first: u64,
        batch: &Batch,
        items: Option<&ItemBuffer>,
    ) -> io::Result<()> {
        let function = batch.function();
        let id = function.id();
        if self.known.len() <= id {
            self.known.resize(id + 1, false);
        }
        let place = match std::mem::replace(&mut self.known[id], true) {
            true => None,
            false => Some(LocationRecord::from(function.location())),
        };
        let Sent {
            shape,
            inline,
            file,
        } = values::send(batch.encoded())?;
        let head = JobHead {
            number,
            revision: self.revision,
            function: id as u32,
            place,
            n_calls: batch.len(),
            limit: batch.limit().or(items.and_then(ItemBuffer::item_limit)),
            first,
            is_timed: batch.is_timed(),
            stream: items.map(ItemBuffer::capacity),
            arguments: shape,
        };
        let mut body: Vec<&[u8]> = vec![batch.encoded()];
        body.extend(inline);
        self.writer.put(&head, &body, file)
    }

    /// Sends as much as the socket takes.
    pub(crate) fn send(&mut self) -> io::Result<()> {
        self.writer.send().map(drop)
    }

    /// The next report, if one has arrived.
    pub(crate) fn event(&mut self) -> io::Result<Option<Event>> {
        let Some((news, body)) = self.reader.take::<News>()? else {
            return Ok(None);
        };
        Ok(Some(match news {
            News::Ended(ended) => self.ended(ended, body)?,
            News::Printed {
                call,
                is_stderr,
                is_last,
                ..
            } => {
                let stream = match is_stderr {
                    true => OutputStream::Stderr,
                    false => OutputStream::Stdout,
                };
                Event::Printed(call, stream, body, is_last)
            }
            News::Exhausted => Event::Exhausted,
        }))
    }

    fn ended(&mut self, ended: Ended, mut body: Vec<u8>) -> io::Result<Event> {
        let values = values::receive(&ended.values, &mut body, &mut self.reader)?;
        let mut rest = &body[..];
        let mut piece = |n: u64| {
            let n = usize::try_from(n).unwrap_or(usize::MAX);
            let (piece, after) = rest
                .split_at_checked(n)
                .ok_or_else(|| malformed("output"))?;
            rest = after;
            Ok::<_, io::Error>(piece.to_vec())
        };
        let mut outputs = Vec::new();
        for (call, n_stdout, n_stderr) in ended.outputs {
            let (stdout, stderr) = (piece(n_stdout)?, piece(n_stderr)?);
            outputs.push((call, Output { stdout, stderr }));
        }
        let timings = ended.timings.iter().map(|record| record.of(self.worker));
        let mut results = Results::of(values, ended.n, outputs, timings.collect());
        results.note_elapsed(Duration::from_nanos(ended.nanoseconds));
        let ran = Ran {
            n_calls: ended.n,
            n_failed: ended.n_failed,
            crossing: Duration::from_nanos(ended.crossing_nanoseconds),
        };
        Ok(Event::Ended(ended.number, ran, results))
    }

    /// Reads what has arrived.
    pub(crate) fn read(&mut self) -> io::Result<Read> {
        self.reader.read()
    }

    /// Waits up to `limit` for something to read, or for room to send what is left.
    pub(crate) fn wait(&mut self, limit: Duration) -> io::Result<bool> {
        self.reader.wait(!self.writer.is_empty(), limit)
    }

    /// Whether the process has ended, even if another process still holds its connection open.
    pub(crate) fn has_ended(&self) -> bool {
        self.life.wait(Duration::ZERO)
    }

    /// Describes how the process ended, after its connection has.
    pub(crate) fn obituary(&self) -> WorkerLost {
        let is_alive = !self.life.wait(DYING);
        if is_alive {
            self.life.kill();
        }
        let status = self.life.end(DYING);
        match is_alive {
            true => WorkerLost::new(format!(
                "its process {} has closed its connection",
                self.process()
            )),
            false => WorkerLost::new(ending(self.process(), status)).ended(status),
        }
    }

    /// The last output on its descriptors, such as why it ended. Only for a process that has ended.
    pub(crate) fn last_words(&self, mut take: impl FnMut(OutputStream, &[u8])) {
        if let Some(pipes) = &self.pipes {
            pipes.read(&mut take);
        }
    }

    /// Lets the process end by itself within `grace`, and passes on what it still prints.
    pub(crate) fn retire(mut self, grace: Duration, printed: impl Fn(OutputStream, &[u8])) {
        let until = Instant::now() + grace;
        let _ = self.writer.close();
        while let Ok(Some((news, body))) = self.reader.take_by::<News>(until) {
            if let News::Printed { is_stderr, .. } = news {
                let stream = match is_stderr {
                    true => OutputStream::Stderr,
                    false => OutputStream::Stdout,
                };
                printed(stream, &body);
            }
        }
        self.life
            .end(until.saturating_duration_since(Instant::now()));
        self.last_words(printed);
    }
}

/// Connects the program's output to pipes, and returns their reading ends.
fn connect_output(command: &mut Command) -> io::Result<Readers> {
    let (stdout, stdout_writer) = io::pipe()?;
    let (stderr, stderr_writer) = io::pipe()?;
    command.stdout(stdout_writer).stderr(stderr_writer);
    Readers::new(stdout, stderr)
}

impl Control {
    /// A frame carries one file, so each further file travels with an empty frame.
    fn send_setup(&mut self, setup: &Setup, files: Vec<OwnedFd>) -> io::Result<()> {
        let mut files = files.into_iter();
        self.writer.put(setup, &[], files.next())?;
        for file in files {
            self.writer.put(&Shape::default(), &[], Some(file))?;
        }
        // The frame is small, so the socket takes it. `await_ready` reports a program that has ended already.
        let _ = self.writer.send();
        Ok(())
    }
}

fn shown(program: Option<&Path>) -> String {
    let name = || std::env::current_exe().ok();
    let program = program.map(Path::to_owned).or_else(name);
    program.map_or_else(
        || "this program".to_owned(),
        |path| path.display().to_string(),
    )
}
