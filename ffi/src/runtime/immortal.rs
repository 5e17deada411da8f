//! Immortal objects: keeps objects that all interpreters share from ever being freed.
//!
//! None, small integers, CPython's own texts and its types exist once per process. Before 3.14 their reference count
//! is 2^32 - 1, and code compiled for 3.12 or later leaves it alone. Extensions built against the stable ABI of an
//! older Python count them like any object (gh-118997, gh-121528). Under one GIL that does no harm. Under several it
//! happens without a lock: one thread counts 2^32 down to 2^32 - 1 while another writes 1 to the low half, as 3.12
//! and 3.13 do when they count up, and a count of 1 is left. The next release then frees a piece of libpython; in a
//! soak test it was the number 0.
//!
//! So the high half of these counts is set while there is only one interpreter. The low half alone says that an
//! object is immortal (Include/object.h, `_Py_IsImmortal` and `Py_INCREF`), and the whole count is compared only with
//! 0, which is out of reach: each race loses or wins at most one of 2^30.
//!
//! From 3.14 on, counts begin in the middle of the immortal range, 2^30 from both ends.

use std::ffi::{CStr, OsStr, c_int, c_void};
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::object::{Object, PyResult};
use crate::raw;
use crate::thread::Attached;

/// The count of an immortal object (`_Py_IMMORTAL_REFCNT`).
const IMMORTAL: u64 = u32::MAX as u64;

/// The middle of what a high half can be for a count that is no negative number.
const HIGH: u64 = 1 << 62;

/// The size of a word, and of what each object begins with (`PyObject`): its count and its type.
const WORD: usize = size_of::<u64>();
const HEAD: usize = 2 * WORD;

/// Sets the high half of the counts of all objects that are variables of libpython and of the standard library's
/// extensions, as far as these are loaded.
///
/// # Errors
///
/// `MemoryError`.
pub(crate) fn keep(attached: Attached<'_>) -> PyResult<'_, ()> {
    let variables = Variables::find();
    for place in variables.objects() {
        variables.word(place).fetch_or(HIGH, Ordering::Relaxed);
        if !variables.is_type(place) {
            continue;
        }
        let Some(class) = NonNull::new(place as *mut raw::PyObject) else {
            continue;
        };
        // SAFETY: attached; a static type, which lives as long as the process.
        let class = unsafe { Object::from_borrowed(class) };
        // They are made in the main interpreter, for all.
        for name in ["__mro__", "__bases__"] {
            set_high(&class.get_attribute(&attached.str(name)?)?);
        }
    }
    Ok(())
}

/// Sets the high half of an object's count, if it is immortal.
fn set_high(object: &Object<'_>) {
    let count = object.as_ptr().cast::<u64>();
    // SAFETY: an object begins with its count, which is as large as a word on the systems that this is for, and it is
    // alive. Others count under the GIL that this thread has.
    let count = unsafe { AtomicU64::from_ptr(count) };
    let _ = count.compare_exchange(
        IMMORTAL,
        HIGH | IMMORTAL,
        Ordering::Relaxed,
        Ordering::Relaxed,
    );
}

/// The memory in which libpython and the standard library's extensions have their variables.
///
/// # Invariant
///
/// Each range is mapped to be read and written as long as the process lives, and begins at a word.
struct Variables(Vec<Range<usize>>);

impl Variables {
    fn find() -> Variables {
        let mut variables = Variables(Vec::new());
        // SAFETY: the callback takes what is passed here.
        unsafe { libc::dl_iterate_phdr(Some(add), (&raw mut variables).cast()) };
        variables
    }

    fn holds(&self, place: usize) -> bool {
        let holds = |range: &Range<usize>| range.contains(&place) && range.end - place >= HEAD;
        place.is_multiple_of(WORD) && self.0.iter().any(holds)
    }

    /// The word at a place that is inside.
    fn word(&self, place: usize) -> &AtomicU64 {
        debug_assert!(self.0.iter().any(|range| range.contains(&place)));
        // SAFETY: a word within a range, by the invariant and by what the callers have looked at. Threads that do not
        // know Python may write to such variables, as atomically as the machine does with a word.
        unsafe { AtomicU64::from_ptr(place as *mut u64) }
    }

    fn read(&self, place: usize) -> u64 {
        self.word(place).load(Ordering::Relaxed)
    }

    /// Where there is an immortal object.
    fn objects(&self) -> impl Iterator<Item = usize> {
        // Those with room for what an object begins with: `holds` would search all ranges for each.
        let heads = |range: &Range<usize>| range.start..range.end.saturating_sub(HEAD - 1);
        let places = self
            .0
            .iter()
            .flat_map(move |range| heads(range).step_by(WORD));
        places.filter(|place| {
            self.read(*place) == IMMORTAL && self.is_type(self.read(*place + WORD) as usize)
        })
    }

    /// Whether there is a type, of the type of types.
    fn is_type(&self, place: usize) -> bool {
        self.holds(place)
            && self.read(place) & IMMORTAL == IMMORTAL
            && self.read(place + WORD) == type_of_types() as u64
    }
}

fn type_of_types() -> usize {
    (&raw const raw::PyType_Type).addr()
}

/// Adds what of a shared object can be written to, if it is libpython or an extension of the standard library.
unsafe extern "C" fn add(info: *mut libc::dl_phdr_info, _: usize, found: *mut c_void) -> c_int {
    // SAFETY: the loader passes on what `find` gave it, for the length of that call.
    let found = unsafe { &mut *found.cast::<Variables>() };
    // SAFETY: the loader describes an object to the callback.
    let info = unsafe { &*info };
    // SAFETY: the headers of that object, and their number.
    let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
    let memory = |header: &libc::Elf64_Phdr| {
        let begin = (info.dlpi_addr + header.p_vaddr) as usize;
        begin..begin + header.p_memsz as usize
    };
    let of_type = |kind: u32| headers.iter().filter(move |header| header.p_type == kind);
    let is_python = of_type(libc::PT_LOAD).any(|one| memory(one).contains(&type_of_types()));
    if !is_python && !is_of_standard_library(info) {
        return 0;
    }
    for variables in of_type(libc::PT_LOAD).filter(|one| one.p_flags & libc::PF_W != 0) {
        let Range { mut start, end } = memory(variables);
        // The first part of it may be read-only once the loader has filled it.
        for constant in of_type(libc::PT_GNU_RELRO).map(memory) {
            if constant.contains(&start) {
                start = constant.end;
            }
        }
        found.0.push(start.next_multiple_of(WORD)..end);
    }
    0
}

fn is_of_standard_library(info: &libc::dl_phdr_info) -> bool {
    if info.dlpi_name.is_null() {
        return false;
    }
    // SAFETY: a C string of the loader's, which holds its lock meanwhile.
    let path = unsafe { CStr::from_ptr(info.dlpi_name) };
    let folder = Path::new(OsStr::from_bytes(path.to_bytes())).parent();
    folder.is_some_and(|folder| folder.ends_with("lib-dynload"))
}
