//! List: CPython's list of the interpreters of the process, as far as a host must not see ours.
//!
//! CPython walks that list where it should not meet an interpreter of another thread: in a child that was forked off it
//! deletes all but the main one, and crashes; at its end it ends all others, and crashes or hangs; and a debugger takes
//! the first of the list for the main one (`sys.remote_exec`). So ours are taken out for a fork and for the end, and the
//! main interpreter stands first. Where the list is comes from what CPython tells debuggers (`_Py_DebugOffsets`, from
//! 3.13 on), or is looked for by value; where it is not found, the list stays as it is.
//!
//! CPython changes the list under a lock of its own, which no other code can take, when an interpreter is made and when one
//! is deleted. Those of this crate do that under [`LIST`], and so does the surgery here.

use std::cell::RefCell;
use std::ptr::{self, NonNull};
use std::sync::{OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError};
use std::time::Duration;

use super::module::is_loaded;
use crate::raw;

/// Held for reading while CPython itself changes the list, for writing while it is changed here. It is taken before any
/// GIL, and no GIL is waited for by who has it for writing.
static LIST: RwLock<()> = RwLock::new(());

/// Held while an interpreter is made. Nothing in a process that is not a host's.
pub(crate) fn creating() -> Option<RwLockReadGuard<'static, ()>> {
    is_loaded().then(|| LIST.read().unwrap_or_else(PoisonError::into_inner))
}

/// Held while an interpreter is deleted.
pub(crate) fn ending() -> Option<RwLockReadGuard<'static, ()>> {
    creating()
}

/// Where the pointers of the list are.
#[derive(Clone, Copy, Debug)]
struct Layout {
    /// Of the first interpreter, in `_PyRuntime`.
    head: usize,
    /// Of the next one, in an interpreter.
    next: usize,
}

type Interpreter = *mut raw::PyInterpreterState;

impl Layout {
    /// Where they are, once there are two interpreters to tell by.
    fn find() -> Option<Layout> {
        static FOUND: OnceLock<Layout> = OnceLock::new();
        if let Some(found) = FOUND.get() {
            return Some(*found);
        }
        let (first, main) = (head(), main());
        if first == main || next(first).is_null() {
            return None;
        }
        let head = word_offset(runtime(), N_RUNTIME_WORDS, |word, _| word == first as usize)?;
        // SAFETY: an interpreter of the list, which is held.
        let id = unsafe { raw::PyInterpreterState_GetID(first) } as usize;
        let following = next(first) as usize;
        // Its number stands beside it, on one side or the other.
        let next = word_offset(first.cast(), N_INTERPRETER_WORDS, |word, around| {
            word == following && around.contains(&id)
        })?;
        Some(*FOUND.get_or_init(|| Layout { head, next }))
    }

    fn set_head(self, interpreter: Interpreter) {
        let place = runtime()
            .wrapping_add(self.head)
            .cast_mut()
            .cast::<Interpreter>();
        // SAFETY: the variable of CPython's that holds the first interpreter, as `find` has seen; the list is held.
        unsafe { ptr::write_volatile(place, interpreter) };
    }

    fn set_next(self, of: Interpreter, interpreter: Interpreter) {
        let place = of
            .cast::<usize>()
            .wrapping_add(self.next)
            .cast::<Interpreter>();
        // SAFETY: the field of a living interpreter that holds the next one, as `find` has seen; the list is held.
        unsafe { ptr::write_volatile(place, interpreter) };
    }
}

/// How far into `_PyRuntime`, and into an interpreter, the pointers are looked for. Both are larger than that.
const N_RUNTIME_WORDS: usize = 512;
const N_INTERPRETER_WORDS: usize = 1024;

/// The place of the only word that is meant; it is also shown the words beside it.
fn word_offset(
    begin: *const usize,
    n_words: usize,
    is_meant: impl Fn(usize, [usize; 2]) -> bool,
) -> Option<usize> {
    // SAFETY: what is read begins there and is larger, as said where the number is.
    let word = |place: usize| unsafe { ptr::read_volatile(begin.wrapping_add(place)) };
    let before = |place: usize| place.checked_sub(1).map_or(0, word);
    let mut found =
        (0..n_words - 1).filter(|place| is_meant(word(*place), [before(*place), word(place + 1)]));
    let only = found.next()?;
    found.next().is_none().then_some(only)
}

fn runtime() -> *const usize {
    (&raw const raw::_PyRuntime).cast()
}

fn main() -> Interpreter {
    // SAFETY: CPython runs.
    unsafe { raw::PyInterpreterState_Main() }
}

fn head() -> Interpreter {
    // SAFETY: CPython runs; the list is held.
    unsafe { raw::PyInterpreterState_Head() }
}

fn next(interpreter: Interpreter) -> Interpreter {
    // SAFETY: an interpreter of the list, which is held.
    unsafe { raw::PyInterpreterState_Next(interpreter) }
}

/// All interpreters, as the list has them.
fn all() -> Vec<Interpreter> {
    let first = (!head().is_null()).then(head);
    let following = |interpreter: &Interpreter| {
        let next = next(*interpreter);
        (!next.is_null()).then_some(next)
    };
    std::iter::successors(first, following).collect()
}

/// Makes the list consist of these, in this order.
fn set_all(layout: Layout, interpreters: &[Interpreter]) {
    for (place, interpreter) in interpreters.iter().enumerate() {
        let next = interpreters.get(place + 1).copied();
        layout.set_next(*interpreter, next.unwrap_or(ptr::null_mut()));
    }
    layout.set_head(interpreters.first().copied().unwrap_or(main()));
}

/// Puts the main interpreter first. For after an interpreter was made.
pub(crate) fn put_main_first() {
    if !is_loaded() {
        return;
    }
    let _held = LIST.write().unwrap_or_else(PoisonError::into_inner);
    if let Some(layout) = Layout::find() {
        let mut interpreters = all();
        interpreters.sort_by_key(|interpreter| *interpreter != main());
        set_all(layout, &interpreters);
    }
}

/// The interpreters that are not in the list meanwhile.
struct Hidden {
    interpreters: Vec<Interpreter>,
    _held: RwLockWriteGuard<'static, ()>,
}

thread_local! {
    /// Of the thread that forks.
    static HIDDEN: RefCell<Option<Hidden>> = const { RefCell::new(None) };
}

fn hide(held: RwLockWriteGuard<'static, ()>) -> Hidden {
    let interpreters = all();
    if let (Some(layout), true) = (Layout::find(), interpreters.len() > 1) {
        set_all(layout, &[main()]);
    }
    Hidden {
        interpreters,
        _held: held,
    }
}

/// Takes all interpreters but the main one out of the list, on a thread that is about to fork. Call it detached.
pub fn hide_before_fork() {
    let held = LIST.write().unwrap_or_else(PoisonError::into_inner);
    HIDDEN.set(Some(hide(held)));
}

/// Puts them back, on that thread; in a child that was forked off they stay out, since their threads are not there.
pub fn show_after_fork(is_child: bool) {
    let Some(hidden) = HIDDEN.take() else {
        return;
    };
    if let (Some(layout), false) = (Layout::find(), is_child) {
        set_all(layout, &hidden.interpreters);
    }
}

/// The list, for writing; `None` where that takes too long: one that ends may hang.
fn write_in_time() -> Option<RwLockWriteGuard<'static, ()>> {
    for _ in 0..100 {
        match LIST.try_write() {
            Ok(held) => return Some(held),
            Err(TryLockError::Poisoned(held)) => return Some(held.into_inner()),
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
    None
}

/// How many interpreters there are beside the main one. Call it detached.
///
/// One that ends is out of the list before all of it is gone, and CPython's own end must not come between.
pub(super) fn n_interpreters() -> usize {
    let is_complete = write_in_time().is_some();
    let _held = LIST.read().unwrap_or_else(PoisonError::into_inner);
    let n = all().len().saturating_sub(1);
    if is_complete { n } else { n.max(1) }
}

/// Takes all interpreters but the main one out of the list, forever: none is made or ended by this crate any more.
/// Gives those that were there; `None` where that cannot be done, or not in time.
pub(super) fn hide_for_ever() -> Option<Vec<NonNull<raw::PyInterpreterState>>> {
    let hidden = hide(write_in_time()?);
    let others = hidden
        .interpreters
        .iter()
        .copied()
        .filter(|one| *one != main());
    let others = others.filter_map(NonNull::new).collect();
    let is_done = all().len() == 1;
    std::mem::forget(hidden);
    is_done.then_some(others)
}
