//! Version tags: the numbers that identify types in CPython's caches, and that no two types may share.
//!
//! Immutable types (those of `_io`, `re` and `collections`, and numpy's) take theirs from one counter for the whole
//! process, which has no lock before 3.14 (gh-116909, gh-129824). Each interpreter has its own such types, so two
//! that count at once can hand out one number twice, and one type then finds the methods of another: `BytesIO` had
//! those of `BufferedWriter`. So the numbers are used up before there is a second interpreter. CPython's own static
//! types have theirs by then; the others do without the caches.
//!
//! This is for 3.13 alone: 3.12 specializes code for a type without a number, and then takes any other such type for
//! that one (`type_get_version` in Python/specialize.c is new in 3.13).

use std::ffi::{c_int, c_uint};

use crate::object::{Object, PyResult};
use crate::raw;
use crate::thread::Attached;

/// How many numbers there are (`_Py_MAX_GLOBAL_TYPE_VERSION_TAG`, Include/internal/pycore_typeobject.h).
const N_TAGS: usize = (2 << 16) - 1;

/// How many of them one type uses before CPython gives it no more (3.13, Objects/typeobject.c).
const N_PER_TYPE: usize = 1000;

/// Uses up the numbers that interpreters would share.
///
/// # Errors
///
/// `MemoryError`.
pub(crate) fn use_up(attached: Attached<'_>) -> PyResult<'_, ()> {
    // Classes of the main interpreter that have no number yet keep their caches: `thread` is a backend as well.
    let globals = attached.dict()?;
    let assign_one = attached.callback(|attached, arguments| {
        arguments.first().map(|class| assign(class));
        Ok(attached.none())
    })?;
    globals.insert(&attached.str("assign")?, &assign_one)?;
    attached.exec(include_str!("version_tag.py"), "<owngil types>", &globals)?;
    for _ in 0..N_TAGS.div_ceil(N_PER_TYPE) + 1 {
        let class = make_class(attached)?;
        if !assign(&class) {
            break;
        }
        for _ in 1..N_PER_TYPE {
            // SAFETY: attached; a live type, which no other code knows.
            unsafe { raw::PyType_Modified(class.as_ptr().cast()) };
            if !assign(&class) {
                break;
            }
        }
    }
    Ok(())
}

/// Gives a type its number. Whether there was one.
fn assign(class: &Object<'_>) -> bool {
    // SAFETY: attached; a living type: version_tag.py and `use_up` pass nothing else.
    let status: c_int = unsafe { raw::PyUnstable_Type_AssignVersionTag(class.as_ptr().cast()) };
    status != 0
}

/// A type that cannot be changed.
fn make_class(_attached: Attached<'_>) -> PyResult<'_, Object<'_>> {
    let mut slots = [raw::PyType_Slot::default()];
    let mut spec = raw::PyType_Spec {
        name: c"owngil.Unchanging".as_ptr(),
        basicsize: 0,
        itemsize: 0,
        flags: (raw::Py_TPFLAGS_DEFAULT | raw::Py_TPFLAGS_IMMUTABLETYPE) as c_uint,
        slots: slots.as_mut_ptr(),
    };
    // SAFETY: attached; a name, and slots that end with a zero, which are good until the call returns.
    let class = unsafe { raw::PyType_FromSpec(&mut spec) };
    // SAFETY: attached; the call returned a new reference, or null with an exception.
    unsafe { Object::from_new(class) }
}
