//! Memory: how many bytes an interpreter has in use, and its limit.
//!
//! An interpreter with its own GIL has its own arenas, and everything else that Python allocates is allocated on a
//! thread that works for one interpreter. So each thread knows the *owner* of the memory it allocates, and CPython's
//! allocators count the memory there (see `allocator.rs`).

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicIsize, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::StartError;
use crate::raw;
use crate::version::IS_FREE_THREADED;

/// The memory that one interpreter has in use, and the limit to it. A clone refers to the same account, and any thread
/// can use it.
///
/// It counts what CPython's own allocators hand out while a thread works for the interpreter: its objects, and what
/// the interpreter itself consists of. It does not count C libraries that call `malloc` themselves (SQLite, OpenSSL,
/// `zlib`'s state), the stacks of threads, or mapped memory. Objects live in arenas of 1 MiB. An arena counts as a
/// whole, and may stay when its objects are gone.
#[derive(Clone)]
pub struct Memory(&'static Account);

/// One for each interpreter that is counted, and never freed: a thread may free what it has after its
/// interpreter is gone.
pub(crate) struct Account {
    /// Signed: what was allocated elsewhere may be freed here.
    in_use: AtomicIsize,
    peak: AtomicIsize,
    limit: usize,
    enforced: AtomicBool,
    n_refused: AtomicUsize,
}

/// Requests from this size on fail at the limit, smaller ones only [`RESERVE`] beyond it: code that
/// handles a `MemoryError`, or that was not written for one, asks for little.
const LARGE: usize = 32 << 10;

/// What small requests may take beyond the limit.
const RESERVE: usize = 1 << 20;

/// The owner of memory that is not counted.
static UNCOUNTED: Account = Account::new(usize::MAX);

/// What CPython takes while it starts, which is the main interpreter's.
static START: Account = Account::new(usize::MAX);

/// Whether there is any account; until then, no thread looks for its own.
static ANY: AtomicBool = AtomicBool::new(false);

/// The accounts of live interpreters, by id: for threads that Python code starts.
static ACCOUNTS: Mutex<Vec<(i64, &'static Account)>> = Mutex::new(Vec::new());

thread_local! {
    /// Whose memory it is that this thread allocates; `None` where that is not known yet.
    static OWNER: Cell<Option<&'static Account>> = const { Cell::new(None) };
    /// What this thread took and gave back before its owner was known.
    static UNKNOWN: Cell<isize> = const { Cell::new(0) };
    /// Nothing that this thread asks for is refused.
    static EXEMPT: Cell<bool> = const { Cell::new(false) };
}

/// Whether CPython's allocators have been seen to count.
pub(crate) static COUNTING: AtomicBool = AtomicBool::new(false);

fn is_counting() -> bool {
    COUNTING.load(Ordering::Relaxed)
}

impl Memory {
    /// A new account, for an interpreter that is going to be made.
    pub(crate) fn open(limit: Option<usize>) -> Result<Memory, StartError> {
        if !is_counting() {
            return Err(StartError::Failed {
                doing: "counting an interpreter's memory",
                message: match IS_FREE_THREADED {
                    true => {
                        "a free-threaded Python allocates memory in ways that cannot be counted"
                    }
                    false => {
                        "Python's allocators cannot be counted: it is done on Linux, and not with \
                         PYTHONMALLOC or PYTHONDEVMODE"
                    }
                }
                .to_owned(),
            });
        }
        let account = Box::new(Account::new(limit.unwrap_or(usize::MAX)));
        ANY.store(true, Ordering::Relaxed);
        Ok(Memory(Box::leak(account)))
    }

    /// A new account, for the main interpreter, which has what CPython took to start: it frees part of that later.
    pub(crate) fn open_main(limit: Option<usize>) -> Result<Memory, StartError> {
        let memory = Memory::open(limit)?;
        memory.0.add(START.in_use.load(Ordering::Relaxed));
        memory.register(0);
        Ok(memory)
    }

    /// What [`open_main`](Memory::open_main) starts from.
    pub(crate) fn of_start() -> Memory {
        Memory(&START)
    }

    /// Lets threads that Python code starts in this interpreter find the account.
    pub(crate) fn register(&self, id: i64) {
        accounts().push((id, self.0));
    }

    /// The interpreter has ended.
    pub(crate) fn unregister(&self, id: i64) {
        accounts().retain(|(other, _)| *other != id);
    }

    /// The number of bytes in use.
    pub fn in_use(&self) -> usize {
        floor(self.0.in_use.load(Ordering::Relaxed))
    }

    /// The largest number of bytes that were in use.
    pub fn peak(&self) -> usize {
        floor(self.0.peak.load(Ordering::Relaxed))
    }

    /// The limit in bytes, if there is one.
    pub fn limit(&self) -> Option<usize> {
        (self.0.limit < usize::MAX).then_some(self.0.limit)
    }

    /// The number of requests that the limit has refused.
    pub fn n_refused(&self) -> usize {
        self.0.n_refused.load(Ordering::Relaxed)
    }

    /// Turns the limit on or off. It is off at first. A request beyond the limit fails, and Python raises
    /// `MemoryError`; small requests fail 1 MiB beyond it. Memory that is already in use stays.
    ///
    /// Turn it on while code that is not yours runs, and off while you copy out results and exceptions.
    pub fn enforce(&self, on: bool) {
        self.0.enforced.store(on, Ordering::Relaxed);
    }
}

fn floor(bytes: isize) -> usize {
    usize::try_from(bytes).unwrap_or(0)
}

fn accounts() -> MutexGuard<'static, Vec<(i64, &'static Account)>> {
    ACCOUNTS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Account {
    const fn new(limit: usize) -> Account {
        Account {
            in_use: AtomicIsize::new(0),
            peak: AtomicIsize::new(0),
            limit,
            enforced: AtomicBool::new(false),
            n_refused: AtomicUsize::new(0),
        }
    }

    fn allows(&self, size: usize, growth: usize) -> bool {
        if !self.enforced.load(Ordering::Relaxed) {
            return true;
        }
        let reserve = if size < LARGE { RESERVE } else { 0 };
        let after = floor(self.in_use.load(Ordering::Relaxed)).saturating_add(growth);
        if after <= self.limit.saturating_add(reserve) || EXEMPT.get() {
            return true;
        }
        self.n_refused.fetch_add(1, Ordering::Relaxed);
        false
    }

    fn add(&self, bytes: isize) {
        let in_use = self.in_use.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if in_use > self.peak.load(Ordering::Relaxed) {
            self.peak.fetch_max(in_use, Ordering::Relaxed);
        }
    }
}

/// Whose memory it is that a thread allocates or frees.
pub(crate) enum Whose {
    /// Of an interpreter that is counted.
    Counted(&'static Account),
    /// Not known yet: a thread that Python code started runs for a moment before it attaches.
    Unknown,
    /// Of an interpreter or a thread that is not counted.
    Uncounted,
}

/// Whose memory it is that this thread allocates or frees now.
#[inline]
pub(crate) fn whose() -> Whose {
    match OWNER.get() {
        Some(account) if ptr::eq(account, &UNCOUNTED) => Whose::Uncounted,
        Some(account) => Whose::Counted(account),
        None if ANY.load(Ordering::Relaxed) => find_owner(),
        None => Whose::Uncounted,
    }
}

impl Whose {
    /// Notes that the thread took this many bytes, or gave them back.
    #[inline]
    pub(crate) fn add(&self, bytes: isize) {
        match self {
            Whose::Counted(account) => account.add(bytes),
            Whose::Unknown => UNKNOWN.set(UNKNOWN.get() + bytes),
            Whose::Uncounted => {}
        }
    }

    /// Whether a request for `size` bytes, `growth` of them new, may be met.
    #[inline]
    pub(crate) fn allows(&self, size: usize, growth: usize) -> bool {
        match self {
            Whose::Counted(account) => account.allows(size, growth),
            Whose::Unknown | Whose::Uncounted => true,
        }
    }
}

/// How many bytes `work` takes in all, as far as they are counted.
pub(crate) fn counted_in(work: impl FnOnce()) -> usize {
    static PROBE: Account = Account::new(usize::MAX);
    let probe = Memory(&PROBE);
    let before = probe.in_use();
    let owner = Owner::new(Some(&probe));
    work();
    drop(owner);
    probe.in_use() - before
}

/// The account of the interpreter that this thread is attached to: a thread that Python code started
/// works for that one all its life.
#[cold]
fn find_owner() -> Whose {
    // SAFETY: may be called on any thread; null where nothing is attached.
    let state = unsafe { raw::PyThreadState_GetUnchecked() };
    if state.is_null() {
        return Whose::Unknown;
    }
    // SAFETY: the attached thread state of this thread.
    let interpreter = unsafe { raw::PyThreadState_GetInterpreter(state) };
    // SAFETY: the interpreter of the attached thread state; reads a field.
    let id = unsafe { raw::PyInterpreterState_GetID(interpreter) };
    let found = accounts().iter().find(|(other, _)| *other == id).copied();
    let Some((_, account)) = found else {
        OWNER.set(Some(&UNCOUNTED));
        return Whose::Uncounted;
    };
    OWNER.set(Some(account));
    account.add(UNKNOWN.take());
    Whose::Counted(account)
}

/// For as long as it lives, what this thread allocates is this interpreter's.
///
/// It belongs to one thread, and ends in reverse order of making.
#[derive(Debug)]
pub(crate) struct Owner {
    before: Option<&'static Account>,
    exempt_before: bool,
    not_send: PhantomData<*mut ()>,
}

impl Owner {
    /// Of an interpreter's own thread.
    #[inline]
    pub(crate) fn new(memory: Option<&Memory>) -> Owner {
        Owner {
            before: OWNER.replace(Some(memory.map_or(&UNCOUNTED, |memory| memory.0))),
            exempt_before: EXEMPT.get(),
            not_send: PhantomData,
        }
    }

    /// Of a visitor: one that comes because of the limit must not fail at it.
    pub(crate) fn visiting(memory: Option<&Memory>) -> Owner {
        let owner = Owner::new(memory);
        EXEMPT.set(true);
        owner
    }
}

impl Drop for Owner {
    #[inline]
    fn drop(&mut self) {
        OWNER.set(self.before);
        EXEMPT.set(self.exempt_before);
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("in_use", &self.in_use)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("in_use", &self.in_use())
            .field("peak", &self.peak())
            .field("limit", &self.limit())
            .finish()
    }
}
