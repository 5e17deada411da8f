//! Interpreter: one CPython interpreter with its own GIL, on the OS thread that created it.
//!
//! It is created, used and ended on one thread: a thread state's identity and, from 3.14 on, the bounds of its C
//! stack are fixed at creation, and 3.12 deadlocks when another thread ends it. The type is not `Send`, so the
//! compiler enforces the rule; a run-time check catches code that gets past the compiler with its own `unsafe`.

use std::cell::Cell;
use std::ffi::c_int;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
#[cfg(not(Py_3_13))]
use std::sync::{Mutex, PoisonError};
use std::thread::{self, ThreadId};

use crate::error::StartError;
use crate::hosted;
use crate::memory::{Memory, Owner};
use crate::object::{Loans, Object, Program, PyResult, program};
use crate::raw;
use crate::runtime::{FINALIZE, MainThread, Runtime, preimport, site, start};
use crate::thread::STACK_SIZE;
use crate::thread::attach::{self, Attached, Guard, Home};
use crate::visit::visits::{self, Visits};

static LAST_CODE: Program = program!("end", "threads.py");

/// A CPython interpreter, owned by this thread.
///
/// # Invariant
///
/// `home` holds the thread state, unless a guard has taken it out. The state was created on
/// thread `thread` and is attached nowhere else; nothing else ends it.
#[derive(Debug)]
pub struct Interpreter {
    home: Rc<Home>,
    id: i64,
    kind: Kind,
    loans: Loans,
    visits: Visits,
    memory: Option<Memory>,
    thread: ThreadId,
    not_send: PhantomData<*mut ()>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A sub-interpreter with its own GIL, ended with this value.
    OwnGil,
    /// One more thread of the main interpreter.
    MainThread,
    /// Python's main thread, whose state is lent.
    Lent,
}

/// How an interpreter ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Ended {
    /// It is gone. Its memory was returned, as far as this version of CPython does so.
    Ended,
    /// Threads that it started still run, and ending it would make CPython abort or crash. It stays as it is for the
    /// rest of the process.
    LeftRunning {
        /// The number of these threads.
        n_threads: usize,
    },
    /// Memory of its objects is lent. It stays as it is for the rest of the process.
    StillLent {
        /// The number of these objects.
        n_objects: usize,
    },
}

/// Set when creation failed on 3.12: its error path leaves a thread state attached without its GIL.
static POISONED: AtomicBool = AtomicBool::new(false);

/// How many interpreters were left since threads of theirs were running.
static N_LEFT: AtomicU64 = AtomicU64::new(0);

/// 3.12 crashed when two threads created interpreters at once (pybind11#5779).
#[cfg(not(Py_3_13))]
static CREATING: Mutex<()> = Mutex::new(());

impl Interpreter {
    /// Creates an interpreter with its own GIL on this thread, and detaches from it.
    ///
    /// This takes about 8 ms. Several threads may create interpreters at the same time. The thread should have a stack
    /// of [`STACK_SIZE`], as Python before 3.14 overflows a smaller one. The minimum is 6 MiB, since a process's main
    /// thread has 8.
    ///
    /// # Errors
    ///
    /// [`StartError::Failed`] with CPython's reason, and where the stack is too small; [`StartError::FreeThreaded`] on a free-threaded build.
    ///
    /// # Panics
    ///
    /// On a thread that is attached already.
    pub fn new(runtime: &'static Runtime) -> Result<Interpreter, StartError> {
        Interpreter::make(runtime, None)
    }

    /// Like [`new`](Interpreter::new), and counts the memory that the interpreter has in use: see [`Memory`].
    ///
    /// The limit covers everything that the interpreter has, including itself, which is about 3 MB at first. It applies
    /// only while [`Memory::enforce`] is on.
    ///
    /// # Errors
    ///
    /// As [`new`](Interpreter::new), and where memory cannot be counted: on other systems than Linux,
    /// and with Python's own settings for debugging memory.
    ///
    /// # Panics
    ///
    /// As [`new`](Interpreter::new).
    pub fn new_accounted(
        runtime: &'static Runtime,
        limit: Option<usize>,
    ) -> Result<Interpreter, StartError> {
        Interpreter::make(runtime, Some(Memory::open(limit)?))
    }

    fn make(runtime: &'static Runtime, memory: Option<Memory>) -> Result<Interpreter, StartError> {
        if Runtime::IS_FREE_THREADED {
            return Err(StartError::FreeThreaded);
        }
        crate::thread::stack_limit::check()?;
        let _owner = Owner::new(memory.as_ref());
        preimport::finish(|finish| {
            let mut main = Interpreter::on_main(runtime)?;
            let finished = main.attach(finish);
            let _ = main.end();
            finished
        })?;
        let entrance = Interpreter::on_main(runtime)?;
        let state = create(entrance).map_err(|error| match error {
            StartError::Failed { message, .. } => StartError::Failed {
                doing: "creating an interpreter",
                message,
            },
            other => other,
        })?;
        // SAFETY: `create` left `state` attached on this thread.
        let interpreter = unsafe { raw::PyInterpreterState_Get() };
        // SAFETY: the interpreter of the attached thread state.
        let id = unsafe { raw::PyInterpreterState_GetID(interpreter) };
        // SAFETY: attached, and no other code detaches it.
        let detached = unsafe { raw::PyEval_SaveThread() };
        debug_assert_eq!(detached, state.as_ptr());
        let kind = Kind::OwnGil;
        // SAFETY: `state` is of `interpreter`, whose id that is, and was made on this thread; both
        // end in `end_now` alone, after its visits.
        let visits = unsafe { Visits::new(id, not_null(interpreter), state, memory.clone()) };
        if let Some(memory) = &memory {
            memory.register(id);
        }
        let mut made = Interpreter::of(state, id, kind, visits);
        made.memory = memory;
        made.prepare()?;
        Ok(made)
    }

    /// Creates a thread state for the main interpreter on this thread. All threads of the main interpreter share one
    /// GIL, or none on a free-threaded build.
    ///
    /// # Errors
    ///
    /// [`StartError::Failed`] without memory.
    pub fn on_main(_runtime: &'static Runtime) -> Result<Interpreter, StartError> {
        // SAFETY: CPython runs: `_runtime` exists.
        let main = unsafe { raw::PyInterpreterState_Main() };
        // SAFETY: the main interpreter lives as long as the process.
        let state = unsafe { visits::new_state(main) };
        let state = NonNull::new(state).ok_or_else(|| StartError::Failed {
            doing: "creating a thread state",
            message: "out of memory".to_owned(),
        })?;
        // SAFETY: `state` is of the main interpreter, whose id is 0, and was made on this thread; it
        // ends in `end_now`, after its visits, and in `create`, which hands out no visits.
        let visits = unsafe { Visits::new(0, not_null(main), state, None) };
        Ok(Interpreter::of(state, 0, Kind::MainThread, visits))
    }

    /// Returns the main interpreter, on its own thread. For a process whose main interpreter has one worker.
    ///
    /// # Errors
    ///
    /// [`StartError::Failed`] where another one is made of it already.
    pub fn lent(thread: &MainThread) -> Result<Interpreter, StartError> {
        Interpreter::make_lent(thread, None)
    }

    /// Like [`lent`](Interpreter::lent), and counts the memory that this thread, and threads that Python code starts
    /// from now on, have in use, in addition to what CPython took to start: see [`Memory`].
    ///
    /// # Errors
    ///
    /// As [`lent`](Interpreter::lent) and [`new_accounted`](Interpreter::new_accounted).
    pub fn lent_accounted(
        thread: &MainThread,
        limit: Option<usize>,
    ) -> Result<Interpreter, StartError> {
        Interpreter::make_lent(thread, Some(Memory::open_main(limit)?))
    }

    fn make_lent(thread: &MainThread, memory: Option<Memory>) -> Result<Interpreter, StartError> {
        let home = &thread.0;
        let state = match Rc::strong_count(home) {
            // The thread's own, and the one that was given to it.
            2 => home.get(),
            _ => None,
        };
        let state = state.ok_or_else(|| StartError::Failed {
            doing: "lending Python's main thread",
            message: "it is lent already".to_owned(),
        })?;
        // SAFETY: CPython runs: its main thread does.
        let main = not_null(unsafe { raw::PyInterpreterState_Main() });
        // SAFETY: `state` is of the main interpreter and of this thread, where a `MainThread` stays; both live on.
        let visits = unsafe { Visits::new(0, main, state, memory.clone()) };
        let mut made = Interpreter::of(state, 0, Kind::Lent, visits);
        made.home = Rc::clone(home);
        made.memory = memory;
        Ok(made)
    }

    fn of(state: NonNull<raw::PyThreadState>, id: i64, kind: Kind, visits: Visits) -> Interpreter {
        Interpreter {
            home: Rc::new(Cell::new(Some(state))),
            id,
            kind,
            loans: Loans::new(id),
            visits,
            memory: None,
            thread: thread::current().id(),
            not_send: PhantomData,
        }
    }

    /// Threads that Python code starts here need the same stack as ours; each version needs more.
    fn prepare(&mut self) -> Result<(), StartError> {
        self.attach(|attached| {
            // SAFETY: attached. What it makes itself is not ours to prepare.
            unsafe { site::give_to_new(true) };
            let prepared = || {
                attached.interpreter_dict()?;
                #[cfg(not(Py_3_13))]
                super::isolate::isolate(attached)?;
                #[cfg(Py_3_13)]
                crate::runtime::siblings::keep_apart(attached)?;
                let size = attached.int(STACK_SIZE as i64)?;
                attached.import(c"_thread")?.invoke("stack_size", &[size])
            };
            prepared().map(drop).map_err(|raised| StartError::Raised {
                doing: "preparing an interpreter",
                exception: Box::new(raised.describe()),
            })
        })
    }

    /// The number of interpreters of this process that were [left](Ended::LeftRunning) because their threads still ran.
    pub fn n_left_running() -> u64 {
        N_LEFT.load(Ordering::Relaxed)
    }

    /// The interpreter's id. 0 is the main interpreter. Ids are never reused.
    pub fn id(&self) -> i64 {
        self.id
    }

    /// Returns whether the interpreter has its own GIL.
    pub fn has_own_gil(&self) -> bool {
        self.kind == Kind::OwnGil
    }

    /// Attaches this thread while `work` runs. Waits for the GIL first.
    ///
    /// # Panics
    ///
    /// On a thread that is attached already, and on another thread than the one that created it.
    pub fn attach<R>(&mut self, work: impl FnOnce(Attached<'_>) -> R) -> R {
        let guard = self.guard();
        work(guard.attached())
    }

    fn guard(&mut self) -> Guard<'_> {
        assert_eq!(
            self.thread,
            thread::current().id(),
            "an interpreter belongs to one thread"
        );
        // SAFETY: the state in `home` is alive until `end`, belongs to this interpreter and, as
        // checked above, to this thread; only `&mut self` reaches it.
        let guard = unsafe { Guard::attach(&self.home, self.id, self.memory.as_ref()) };
        guard.expect("a guard puts the state back")
    }

    /// What this interpreter has lent. It does not end while anything is lent: see [`Lent`](crate::Lent).
    ///
    /// The main interpreter never ends, so one of its threads may end while something is lent. Anything returned
    /// after that stays in memory.
    pub fn loans(&self) -> &Loans {
        &self.loans
    }

    /// The entry point for other threads. It closes when the interpreter ends or is left as it is.
    ///
    /// For a thread of the main interpreter, visits interrupt that thread.
    pub fn visits(&self) -> &Visits {
        &self.visits
    }

    /// The memory that the interpreter has in use, if it was made [to be counted](Interpreter::new_accounted).
    pub fn memory(&self) -> Option<&Memory> {
        self.memory.as_ref()
    }

    /// Runs the part of [`end`](Interpreter::end) that is Python code: joins the threads that Python code started,
    /// without a time limit (CPython has none), and runs its exit functions.
    ///
    /// # Panics
    ///
    /// As [`attach`](Interpreter::attach).
    pub fn wind_down(&mut self) {
        self.lift_limit();
        if self.kind == Kind::OwnGil {
            self.attach(run_last_code);
        }
    }

    /// Like [`wind_down`](Interpreter::wind_down), for the only thread of the main interpreter that a process uses.
    ///
    /// # Panics
    ///
    /// As [`attach`](Interpreter::attach).
    pub fn wind_down_main(&mut self) {
        self.lift_limit();
        self.attach(run_last_code);
    }

    /// Nothing that ends is written for a want of memory.
    fn lift_limit(&self) {
        if let Some(memory) = &self.memory {
            memory.enforce(false);
        }
    }

    /// Ends the interpreter. Joins the threads that it started, without a time limit (CPython has none), runs its exit
    /// functions, and flushes and closes its files. If a daemon thread still runs, the interpreter is left as it is.
    ///
    /// `threading` sees this thread as one that it did not start, so threads that Python code starts on it are daemons
    /// by default.
    ///
    /// For a thread of the main interpreter, only the thread state ends.
    ///
    /// It waits until all visitors have left: see [`Visits`].
    ///
    /// # Panics
    ///
    /// As [`attach`](Interpreter::attach).
    pub fn end(self) -> Ended {
        ManuallyDrop::new(self).end_now()
    }

    fn end_now(&mut self) -> Ended {
        let (kind, loans, visits) = (self.kind, self.loans.clone(), self.visits.clone());
        let (id, memory) = (self.id, self.memory.clone());
        self.lift_limit();
        // What goes after the guard is given back to the interpreter's account as well.
        let _owner = Owner::new(memory.as_ref());
        let guard = self.guard();
        let n_daemons = match kind {
            Kind::OwnGil => run_last_code(guard.attached()),
            Kind::MainThread | Kind::Lent => 0,
        };
        // While Python code runs it may be looked at and interrupted. What comes now takes the thread
        // states away, and relies on no thread adding another.
        guard.attached().detach(|| visits.close());
        if kind == Kind::OwnGil {
            let n_threads = threads_in_the_way(guard.attached(), n_daemons);
            if n_threads > 0 {
                N_LEFT.fetch_add(1, Ordering::Relaxed);
                return Ended::LeftRunning { n_threads };
            }
            // Python code may have lent more up to here; what still runs can lend nothing.
            let n_objects = loans.close(guard.attached());
            if n_objects > 0 {
                return Ended::StillLent { n_objects };
            }
        }
        if kind == Kind::Lent {
            // The guard gives the state back to its thread.
            if let Some(memory) = &memory {
                memory.unregister(id);
            }
            return Ended::Ended;
        }
        let state = guard.into_state();
        match kind {
            Kind::Lent => {}
            Kind::OwnGil => {
                let _ending = hosted::ending();
                // SAFETY: `state` is attached on this thread, which created it, with no Python
                // frame on it: a guard is never made inside a callback of its own interpreter,
                // since that is attached already. No other thread state is left: counted above,
                // after all Python code that could start one, and with no visitor let in.
                unsafe { raw::Py_EndInterpreter(state) };
                hosted::forget_thread();
                if let Some(memory) = &memory {
                    memory.unregister(id);
                }
            }
            Kind::MainThread => {
                #[cfg(Py_GIL_DISABLED)]
                let state_lock = crate::thread::StateLock::here();
                // SAFETY: attached: the guard gave its state away without detaching it.
                #[cfg(Py_GIL_DISABLED)]
                let _locked = state_lock.take(unsafe { Attached::assume(id) });
                // SAFETY: `state` is attached on this thread, and ours alone: no visitor is inside.
                unsafe { raw::PyThreadState_Clear(state) };
                // SAFETY: the attached state was cleared in the line above.
                unsafe { raw::PyThreadState_DeleteCurrent() };
                if let Some(memory) = &memory {
                    memory.unregister(id);
                }
            }
        }
        Ended::Ended
    }
}

impl Drop for Interpreter {
    /// As [`end`](Interpreter::end). On another thread, and while the thread is attached, the
    /// interpreter is left as it is: ending it would not be sound.
    fn drop(&mut self) {
        let home = self.thread == thread::current().id();
        let detached = attach::current().is_none();
        if home && detached {
            let _ = self.end_now();
        } else if !thread::panicking() {
            panic!("an interpreter was dropped on another thread or while attached");
        }
    }
}

/// The settings of PEP 684 for an interpreter that shares nothing: what CPython calls
/// `_PyInterpreterConfig_INIT`, and daemon threads, since one that still has some is never ended.
const ISOLATED: raw::PyInterpreterConfig = raw::PyInterpreterConfig {
    use_main_obmalloc: 0,
    allow_fork: 0,
    allow_exec: 0,
    allow_threads: 1,
    allow_daemon_threads: 1,
    check_multi_interp_extensions: 1,
    gil: raw::PyInterpreterConfig_OWN_GIL as c_int,
};

/// Creates an interpreter, entering from the main one as the documentation asks, and leaves this
/// thread attached to the new one.
fn create(mut entrance: Interpreter) -> Result<NonNull<raw::PyThreadState>, StartError> {
    #[cfg(not(Py_3_13))]
    let _creating = CREATING.lock().unwrap_or_else(PoisonError::into_inner);
    if POISONED.load(Ordering::Relaxed) {
        return Err(StartError::Failed {
            doing: "creating an interpreter",
            message: "an earlier creation failed, which Python 3.12 does not recover from"
                .to_owned(),
        });
    }
    #[cfg(not(Py_3_13))]
    entrance.attach(|main| {
        super::isolate::look_at_main(main).map_err(|raised| StartError::Raised {
            doing: "creating an interpreter",
            exception: Box::new(raised.describe()),
        })
    })?;
    // Before the GIL, which is waited for by those that hold it.
    let creating = hosted::creating();
    let guard = entrance.guard();
    // SAFETY: attached to the main interpreter, by the guard; the next call copies its settings.
    unsafe { site::give_to_new(false) };
    let main = guard.into_state();
    let mut state = ptr::null_mut();
    // SAFETY: this thread is attached to the main interpreter by `main`; both pointers are good
    // for the length of the call.
    let status = unsafe { raw::Py_NewInterpreterFromConfig(&mut state, &ISOLATED) };
    let made = start::check(status).and_then(|()| {
        // Without memory, 3.12 says all is well and gives null.
        NonNull::new(state).ok_or_else(|| StartError::Failed {
            doing: "creating an interpreter",
            message: "out of memory".to_owned(),
        })
    });
    // The entrance's state ends here, one way or the other: its home is empty.
    let _entrance = ManuallyDrop::new(entrance);
    if made.is_err() && cfg!(not(Py_3_13)) {
        POISONED.store(true, Ordering::Relaxed);
        return made;
    }
    if made.is_ok() {
        // SAFETY: this thread is attached to the new interpreter, and `main` is a detached state
        // of this thread's; the call swaps the two, GILs included.
        unsafe { raw::PyThreadState_Swap(main) };
    }
    // SAFETY: attached to the main interpreter, by the swap or by the creation that failed.
    unsafe { site::give_to_new(true) };
    // SAFETY: `main` is attached (by the swap, or by the failed creation), and ours alone.
    unsafe { raw::PyThreadState_Clear(main) };
    // SAFETY: the attached state was cleared in the line above.
    unsafe { raw::PyThreadState_DeleteCurrent() };
    drop(creating);
    let state = made?;
    hosted::note_thread();
    hosted::put_main_first();
    // SAFETY: `state` was detached by the swap above; nothing is attached any more.
    unsafe { raw::PyEval_RestoreThread(state.as_ptr()) };
    Ok(state)
}

/// How many threads keep this interpreter from being ended.
///
/// 3.12 and 3.13 abort the process when a thread state is left once `threading`'s threads are joined
/// and the exit functions have run. 3.14 and 3.15 cut such threads off, and crash when one has only
/// just begun and not attached yet. So all Python code that may start a thread has run before.
///
/// `n_daemons` of them are daemons, which may be about to end: they have a fifth of a second.
fn threads_in_the_way(attached: Attached<'_>, n_daemons: usize) -> usize {
    // A thread that is done may take a moment to take its state off the list.
    for n_tried in 0..200 {
        let n_threads = other_thread_states(attached);
        if n_threads == 0 || n_threads <= n_daemons && n_tried >= 40 {
            return n_threads;
        }
        attached.detach(|| thread::sleep(std::time::Duration::from_millis(5)));
    }
    other_thread_states(attached)
}

/// `pointer`, which CPython never gives as null.
fn not_null(pointer: *mut raw::PyInterpreterState) -> NonNull<raw::PyInterpreterState> {
    NonNull::new(pointer).expect("an interpreter that is there")
}

/// How many daemon threads run on after it.
fn run_last_code(attached: Attached<'_>) -> usize {
    let last_code = attached.dict().and_then(|globals| {
        LAST_CODE.run(attached, &globals)?;
        FINALIZE.run(attached, &globals)?;
        let n_daemons = globals.lookup(&attached.str("n_daemons")?)?;
        Ok(n_daemons.and_then(|n| n.as_i64()).unwrap_or(0))
    });
    // What it raises comes of a `threading` that is not CPython's; the count is right all the same.
    last_code.map_or(0, |n_daemons| usize::try_from(n_daemons).unwrap_or(0))
}

fn other_thread_states(_attached: Attached<'_>) -> usize {
    // SAFETY: attached: `_attached` exists.
    let interpreter = unsafe { raw::PyInterpreterState_Get() };
    // SAFETY: the interpreter of the attached thread state. Python code adds to its list and takes
    // from it under this GIL, which we hold. Visitors, which need no GIL to add, are no longer admitted,
    // and `on_main` adds to the main interpreter's list alone, which is never counted.
    let mut state = unsafe { raw::PyInterpreterState_ThreadHead(interpreter) };
    let mut count = 0_usize;
    while !state.is_null() {
        count += 1;
        // SAFETY: a state of the list, which does not change meanwhile.
        state = unsafe { raw::PyThreadState_Next(state) };
    }
    count.saturating_sub(1)
}

impl<'a> Attached<'a> {
    /// A `dict` of the interpreter's own, for what C code keeps per interpreter.
    ///
    /// CPython makes it at the first call in each interpreter, without a lock. So that is made while there
    /// is one thread in it: when CPython starts, and when an interpreter is made.
    pub(crate) fn interpreter_dict(self) -> PyResult<'a, Object<'a>> {
        // SAFETY: attached: `self` exists.
        let interpreter = unsafe { raw::PyInterpreterState_Get() };
        // SAFETY: the interpreter of the attached thread state.
        let dict = unsafe { raw::PyInterpreterState_GetDict(interpreter) };
        let Some(dict) = NonNull::new(dict) else {
            return Err(self.raise_runtime_error("the interpreter has no dict"));
        };
        // SAFETY: attached; the dict is alive as long as the interpreter.
        Ok(unsafe { Object::from_borrowed(dict) })
    }
}
