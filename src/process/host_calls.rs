//! Host calls: calls of host functions from a worker process, over a connection of their own.
//!
//! The functions are in the pool's process. Threads there wait for calls and run them: always one more than run a
//! function, so that one that blocks keeps no other from being answered. They are no part of the pool: a function that
//! does not return holds up its own thread, and the code that called it.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::frame::{Called, HostAnswer, HostCall};
use super::link::{self, Read, Reader, Writer, malformed};
use super::values::{self, Sent};
use crate::bytes::Bytes;
use crate::children;
use crate::host::{CallerPlace, HostFailure, HostFunctions, RemoteCall, Responder};
use crate::monitor::JobMonitor;
use crate::payload::{Encoding, memfd};

/// How many threads may wait for the next call of one worker process.
const N_WAITING: usize = 2;

/// The pool's side: what answers the calls of one worker process.
struct Answering {
    functions: HostFunctions,
    monitor: Weak<JobMonitor>,
    reader: Mutex<Reader>,
    writer: Mutex<Writer>,
    /// How many threads wait for a call.
    n_waiting: AtomicUsize,
}

/// A call that has arrived.
struct Arrived {
    call: HostCall,
    arguments: Bytes,
}

/// Answers calls that arrive there, until the connection ends.
pub(super) fn answer(
    socket: OwnedFd,
    functions: &HostFunctions,
    monitor: Weak<JobMonitor>,
) -> io::Result<()> {
    let (writer, reader) = link::both(socket);
    let answering = Answering {
        functions: functions.clone(),
        monitor,
        reader: Mutex::new(reader),
        writer: Mutex::new(writer),
        n_waiting: AtomicUsize::new(0),
    };
    Arc::new(answering).start_thread()
}

impl Answering {
    fn start_thread(self: &Arc<Self>) -> io::Result<()> {
        let own = Arc::clone(self);
        own.n_waiting.fetch_add(1, Ordering::SeqCst);
        let started = thread::Builder::new()
            .name("owngil-host".to_owned())
            .spawn(move || own.run());
        started.map(drop).inspect_err(|_| {
            self.n_waiting.fetch_sub(1, Ordering::SeqCst);
        })
    }

    /// Answers calls, on a thread that counts as waiting.
    fn run(self: Arc<Self>) {
        loop {
            // An error means that the process has gone, or sends what no worker sends; it then gets no answer.
            let Ok(Some(arrived)) = self.next() else {
                return;
            };
            if self.n_waiting.fetch_sub(1, Ordering::SeqCst) == 1
                && let Err(error) = self.start_thread()
            {
                tracing::error!(%error, "no thread for calls of host functions");
            }
            if self.answer(arrived).is_err() {
                return;
            }
            if self.n_waiting.fetch_add(1, Ordering::SeqCst) >= N_WAITING {
                self.n_waiting.fetch_sub(1, Ordering::SeqCst);
                return;
            }
        }
    }

    /// Waits for the next call. Returns `None` at the end of the connection.
    fn next(&self) -> io::Result<Option<Arrived>> {
        let mut reader = lock(&self.reader);
        loop {
            if let Some((call, mut body)) = reader.take::<HostCall>()? {
                let arguments = values::receive(&call.arguments, &mut body, &mut reader)?;
                return Ok(Some(Arrived { call, arguments }));
            }
            if reader.read_waiting()? == Read::End {
                return Ok(None);
            }
        }
    }

    /// Puts items of a stream where they go, and waits for room there.
    fn take_items(
        &self,
        caller: Option<RemoteCall>,
        items: &Bytes,
        n: u32,
    ) -> Result<(), HostFailure> {
        let monitor = self.monitor.upgrade();
        let buffer = monitor.as_ref().zip(caller);
        let buffer = buffer.and_then(|(monitor, call)| monitor.items_of_job(call.job));
        let mut values = Encoding::of(items.to_vec(), items.buffers().to_vec());
        match (monitor, buffer) {
            (Some(monitor), Some(buffer)) if monitor.put_items(&buffer, &mut values, n) => Ok(()),
            _ => Err(HostFailure::Unreachable(
                "the items of the stream are no longer wanted".to_owned(),
            )),
        }
    }

    fn answer(&self, arrived: Arrived) -> io::Result<()> {
        let Arrived { call, arguments } = arrived;
        let caller = CallerPlace {
            monitor: Weak::clone(&self.monitor),
            remote: call.caller,
        };
        let mut value = Encoding::default();
        let answered = memfd::preferred(true, || {
            let reader = arguments.reader();
            match call.called {
                Called::Function(number) => {
                    self.functions
                        .answer(number as usize, &caller, reader, &mut value)
                }
                Called::Items(n) => self.take_items(caller.remote, &arguments, n),
            }
        });
        let value = match answered {
            Ok(()) => Bytes::take_from(&mut value),
            Err(_) => Bytes::default(),
        };
        let Sent {
            shape,
            inline,
            file,
        } = values::send(&value)?;
        let answer = HostAnswer {
            id: call.id,
            outcome: answered.map(|()| shape),
        };
        let mut body: Vec<&[u8]> = vec![&value];
        body.extend(inline);
        let mut writer = lock(&self.writer);
        writer.put(&answer, &body, file)?;
        writer.send_all()
    }
}

/// The worker process's side: sends calls, and waits for their answers.
pub(super) struct RemoteResponder {
    monitor: Arc<JobMonitor>,
    writer: Mutex<Writer>,
    next_id: AtomicU64,
    calls: Arc<Calls>,
}

type Answered = Result<Bytes, HostFailure>;

/// The calls that have no answer yet; `None` once the connection has ended.
type Calls = Mutex<Option<HashMap<u64, Sender<Answered>>>>;

impl RemoteResponder {
    pub(super) fn new(socket: OwnedFd, monitor: &Arc<JobMonitor>) -> io::Result<RemoteResponder> {
        let (writer, reader) = link::both(socket);
        let calls: Arc<Calls> = Arc::new(Mutex::new(Some(HashMap::new())));
        let waiting = Arc::clone(&calls);
        thread::Builder::new()
            .name("owngil-host".to_owned())
            .spawn(move || {
                // Python handles them on the thread that runs jobs.
                owngil_ffi::block_signals();
                // An error is the end of the connection, too.
                let _ = receive_answers(reader, &waiting);
                lock(&waiting).take();
            })?;
        Ok(RemoteResponder {
            monitor: Arc::clone(monitor),
            writer: Mutex::new(writer),
            next_id: AtomicU64::new(0),
            calls,
        })
    }

    /// Sends items of the job of that number, and waits until there was room for them.
    pub(super) fn send_items(&self, job: u64, items: &Bytes, n: u32) -> Result<(), HostFailure> {
        let caller = RemoteCall { job, index: None };
        self.exchange(Called::Items(n), Some(caller), items)?;
        Ok(())
    }

    fn exchange(&self, called: Called, caller: Option<RemoteCall>, arguments: &Bytes) -> Answered {
        let ended = || HostFailure::Unreachable("the pool's process has ended".to_owned());
        let answered = self.send(called, caller, arguments);
        let answered = answered.map_err(|_| ended())?;
        answered.recv().map_err(|_| ended())?
    }

    fn send(
        &self,
        called: Called,
        caller: Option<RemoteCall>,
        arguments: &Bytes,
    ) -> io::Result<Receiver<Answered>> {
        let Sent {
            shape,
            inline,
            file,
        } = values::send(arguments)?;
        let call = HostCall {
            id: self.next_id.fetch_add(1, Ordering::Relaxed),
            called,
            caller,
            arguments: shape,
        };
        let (answer, answered) = bounded(1);
        match &mut *lock(&self.calls) {
            Some(calls) => calls.insert(call.id, answer),
            None => return Err(io::ErrorKind::UnexpectedEof.into()),
        };
        let mut body: Vec<&[u8]> = vec![arguments];
        body.extend(inline);
        let mut writer = lock(&self.writer);
        writer.put(&call, &body, file)?;
        writer.send_all()?;
        Ok(answered)
    }
}

impl Responder for RemoteResponder {
    fn respond(
        &self,
        function: usize,
        arguments: &mut Encoding,
        value: &mut Encoding,
    ) -> Result<(), HostFailure> {
        if children::is_forked() {
            return Err(HostFailure::Unreachable(
                "a process that a task forked off cannot call host functions".to_owned(),
            ));
        }
        let arguments = Bytes::take_from(arguments);
        let caller = self.monitor.running_call().map(|call| RemoteCall {
            job: call.number,
            index: call.index,
        });
        let answer = self.exchange(Called::Function(function as u32), caller, &arguments)?;
        *value = Encoding::of(answer.to_vec(), answer.buffers().to_vec());
        Ok(())
    }
}

impl fmt::Debug for RemoteResponder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RemoteResponder")
    }
}

/// Hands answers to the threads that wait for them, until the connection ends.
fn receive_answers(mut reader: Reader, calls: &Calls) -> io::Result<()> {
    loop {
        while let Some((answer, mut body)) = reader.take::<HostAnswer>()? {
            let answered = match answer.outcome {
                Ok(shape) => Ok(values::receive(&shape, &mut body, &mut reader)?),
                Err(failure) => Err(failure),
            };
            let waiting = lock(calls)
                .as_mut()
                .and_then(|calls| calls.remove(&answer.id));
            let waiting = waiting.ok_or_else(|| malformed("an answer without a call"))?;
            // The thread waits, unless its process is ending.
            let _ = waiting.send(answered);
        }
        if reader.read_waiting()? == Read::End {
            return Ok(());
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
