//! Allocator: CPython's two sources of memory, wrapped so that each owner's use is counted.
//!
//! Objects of up to 512 bytes live in arenas; everything else comes from the raw allocator, which is the system's
//! `malloc`. Both are replaced before there is any interpreter, by functions that forward each request. If the
//! thread's owner has an account, they count the bytes there and refuse requests beyond its limit. Blocks look the
//! same with and without them, so each version can free what the other allocated.

use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;

use super::account::{self, Whose};
use crate::raw;

type Malloc = extern "C" fn(*mut c_void, usize) -> *mut c_void;
type Calloc = extern "C" fn(*mut c_void, usize, usize) -> *mut c_void;
type Realloc = extern "C" fn(*mut c_void, *mut c_void, usize) -> *mut c_void;
type Free = extern "C" fn(*mut c_void, *mut c_void);
type FreeArena = extern "C" fn(*mut c_void, *mut c_void, usize);

/// CPython's own raw allocator, which needs no context.
static RAW: OnceLock<(Malloc, Calloc, Realloc, Free)> = OnceLock::new();

/// CPython's own arenas, which need no context.
static ARENAS: OnceLock<(Malloc, FreeArena)> = OnceLock::new();

/// Replaces both: after Python's settings for memory are read, before it starts.
///
/// One with a context, such as that of `PYTHONMALLOC=debug`, is left alone: what it gives is no block
/// of the system's.
pub(crate) fn replace() {
    replace_raw();
    replace_arenas();
}

fn replace_raw() {
    // A free-threaded build takes the memory of objects from the system without asking any allocator
    // that could be replaced.
    if cfg!(any(not(target_os = "linux"), Py_GIL_DISABLED)) {
        return;
    }
    let domain = raw::PyMemAllocatorDomain::PYMEM_DOMAIN_RAW;
    let mut found = MaybeUninit::<raw::PyMemAllocatorEx>::zeroed();
    // SAFETY: may be called before CPython starts; fills what it is given.
    unsafe { raw::PyMem_GetAllocator(domain, found.as_mut_ptr()) };
    // SAFETY: filled by the call above, and zeroes are valid too.
    let found = unsafe { found.assume_init() };
    let (Some(malloc), Some(calloc)) = (found.malloc, found.calloc) else {
        return;
    };
    let (Some(realloc), Some(free)) = (found.realloc, found.free) else {
        return;
    };
    if !found.ctx.is_null() || RAW.set((malloc, calloc, realloc, free)).is_err() {
        return;
    }
    let mut ours = raw::PyMemAllocatorEx {
        ctx: ptr::null_mut(),
        malloc: Some(raw_malloc),
        calloc: Some(raw_calloc),
        realloc: Some(raw_realloc),
        free: Some(raw_free),
    };
    // SAFETY: CPython has not started, so no other code allocates; the functions keep the contract of
    // those that they pass to, need nothing attached, and live for ever. The struct is copied.
    unsafe { raw::PyMem_SetAllocator(domain, &raw mut ours) };
}

fn replace_arenas() {
    if RAW.get().is_none() {
        return;
    }
    let mut found = MaybeUninit::<raw::PyObjectArenaAllocator>::zeroed();
    // SAFETY: fills what it is given.
    unsafe { raw::PyObject_GetArenaAllocator(found.as_mut_ptr()) };
    // SAFETY: filled by the call above, and zeroes are valid too.
    let found = unsafe { found.assume_init() };
    let (Some(alloc), Some(free)) = (found.alloc, found.free) else {
        return;
    };
    if !found.ctx.is_null() || ARENAS.set((alloc, free)).is_err() {
        return;
    }
    let mut ours = raw::PyObjectArenaAllocator {
        ctx: ptr::null_mut(),
        alloc: Some(arena_alloc),
        free: Some(arena_free),
    };
    // SAFETY: CPython has not started, so there is no arena yet; the functions live for ever. The struct is
    // copied.
    unsafe { raw::PyObject_SetArenaAllocator(&raw mut ours) };
}

/// Looks whether requests arrive: attached to the main interpreter, before there is any other.
pub(crate) fn check() {
    let arrive = ARENAS.get().is_some() && objects_are_counted();
    account::COUNTING.store(arrive, Ordering::Relaxed);
}

/// Whether an object too large for an arena is counted: not with `PYTHONMALLOC=malloc`, and neither
/// where other code has replaced the allocators again.
fn objects_are_counted() -> bool {
    const SIZE: usize = 4096;
    let mut block = ptr::null_mut();
    let n_bytes = account::counted_in(|| {
        // SAFETY: attached, by the contract of `check`.
        block = unsafe { raw::PyObject_Malloc(SIZE) };
    });
    // SAFETY: attached; the block of the call above, or null.
    unsafe { raw::PyObject_Free(block) };
    n_bytes >= SIZE
}

/// The bytes of a block of the raw allocator, 0 for null.
#[cfg(target_os = "linux")]
fn size_of(block: *mut c_void) -> usize {
    // SAFETY: null, or a block of the system's `malloc` that is in use: CPython's own raw allocator,
    // which stands below ours, calls nothing else.
    unsafe { libc::malloc_usable_size(block) }
}

/// Never called: nothing is replaced here.
#[cfg(not(target_os = "linux"))]
fn size_of(_block: *mut c_void) -> usize {
    0
}

/// Meets a request for a new block, if its owner may have it.
#[inline]
fn allocated(size: usize, allocate: impl FnOnce() -> *mut c_void) -> *mut c_void {
    let owner = account::whose();
    if let Whose::Uncounted = owner {
        return allocate();
    }
    if !owner.allows(size, size) {
        return ptr::null_mut();
    }
    let block = allocate();
    owner.add(size_of(block) as isize);
    block
}

extern "C" fn raw_malloc(_ctx: *mut c_void, size: usize) -> *mut c_void {
    let Some((malloc, ..)) = RAW.get() else {
        return ptr::null_mut();
    };
    allocated(size, || malloc(ptr::null_mut(), size))
}

extern "C" fn raw_calloc(_ctx: *mut c_void, n: usize, size: usize) -> *mut c_void {
    let Some((_, calloc, ..)) = RAW.get() else {
        return ptr::null_mut();
    };
    allocated(n.saturating_mul(size), || calloc(ptr::null_mut(), n, size))
}

extern "C" fn raw_realloc(_ctx: *mut c_void, old: *mut c_void, size: usize) -> *mut c_void {
    let Some((_, _, realloc, _)) = RAW.get() else {
        return ptr::null_mut();
    };
    let owner = account::whose();
    if let Whose::Uncounted = owner {
        return realloc(ptr::null_mut(), old, size);
    }
    let before = size_of(old);
    if size > before && !owner.allows(size, size - before) {
        return ptr::null_mut();
    }
    let block = realloc(ptr::null_mut(), old, size);
    // One that fails leaves the old block as it was.
    if !block.is_null() {
        owner.add(size_of(block) as isize - before as isize);
    }
    block
}

extern "C" fn raw_free(_ctx: *mut c_void, block: *mut c_void) {
    // An object of another interpreter.
    #[cfg(not(Py_3_13))]
    if super::arenas::hold(block.addr()) {
        return;
    }
    let Some((.., free)) = RAW.get() else {
        return;
    };
    let owner = account::whose();
    if !matches!(owner, Whose::Uncounted) {
        owner.add(-(size_of(block) as isize));
    }
    free(ptr::null_mut(), block);
}

extern "C" fn arena_alloc(_ctx: *mut c_void, size: usize) -> *mut c_void {
    let Some((alloc, _)) = ARENAS.get() else {
        return ptr::null_mut();
    };
    let owner = account::whose();
    if !owner.allows(size, size) {
        return ptr::null_mut();
    }
    let arena = alloc(ptr::null_mut(), size);
    if !arena.is_null() {
        owner.add(size as isize);
        #[cfg(not(Py_3_13))]
        super::arenas::add(arena.addr(), size);
    }
    arena
}

extern "C" fn arena_free(_ctx: *mut c_void, arena: *mut c_void, size: usize) {
    let Some((_, free)) = ARENAS.get() else {
        return;
    };
    if !arena.is_null() {
        account::whose().add(-(size as isize));
        #[cfg(not(Py_3_13))]
        super::arenas::remove(arena.addr());
    }
    free(ptr::null_mut(), arena, size);
}
