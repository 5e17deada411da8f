//! Containers: lists, tuples, dicts and sets, built from their items and iterated.
//!
//! A list or tuple is filled in one step from items that already exist, so that no Python code (a finalizer,
//! `gc.get_objects`) ever sees one with empty places. The items come in a `Vec`: any other iterator may run Python
//! code, or yield fewer items than it claims.
//!
//! On a free-threaded build, other threads can change a container at any time. Each access is sound by itself: it
//! takes its own reference, through a call or under a lock of CPython's that keeps the container unchanged meanwhile.
//! To iterate over one consistent state, take a copy first ([`Object::steady`]).

use std::ptr::{self, NonNull};
use std::vec::Drain;

use super::reference::{Borrowed, Kind, Object, PyResult};
use crate::raw;
use crate::thread::Attached;

impl<'a> Attached<'a> {
    /// A `list` of the items.
    ///
    /// # Errors
    ///
    /// `MemoryError`.
    pub fn list<I: IntoIterator<Item = Object<'a>>>(self, items: I) -> PyResult<'a, Object<'a>> {
        let mut items: Vec<_> = items.into_iter().collect();
        self.list_of(items.drain(..))
    }

    /// As [`list`](Attached::list), of items that stand in a `Vec` already.
    ///
    /// # Errors
    ///
    /// `MemoryError`.
    pub fn list_of(self, items: Drain<'_, Object<'a>>) -> PyResult<'a, Object<'a>> {
        // SAFETY: attached: `self` exists.
        let list = unsafe { raw::PyList_New(items.len() as isize) };
        // SAFETY: attached; the call returned a new reference, or null with an exception.
        let list: Object<'a> = unsafe { Object::from_new(list) }?;
        for (place, item) in items.enumerate() {
            // SAFETY: attached; the list is new, and no Python code runs before its last place is
            // filled; `place` is inside it, and the call takes over the item's reference.
            let status =
                unsafe { raw::PyList_SetItem(list.as_ptr(), place as isize, item.into_ptr()) };
            list.done(status)?;
        }
        Ok(list)
    }

    /// A `tuple` of the items.
    ///
    /// # Errors
    ///
    /// `MemoryError`.
    pub fn tuple<I: IntoIterator<Item = Object<'a>>>(self, items: I) -> PyResult<'a, Object<'a>> {
        let mut items: Vec<_> = items.into_iter().collect();
        self.tuple_of(items.drain(..))
    }

    /// As [`tuple`](Attached::tuple), of items that stand in a `Vec` already.
    ///
    /// # Errors
    ///
    /// `MemoryError`.
    pub fn tuple_of(self, items: Drain<'_, Object<'a>>) -> PyResult<'a, Object<'a>> {
        // SAFETY: attached: `self` exists.
        let tuple = unsafe { raw::PyTuple_New(items.len() as isize) };
        // SAFETY: attached; the call returned a new reference, or null with an exception.
        let tuple: Object<'a> = unsafe { Object::from_new(tuple) }?;
        for (place, item) in items.enumerate() {
            // SAFETY: attached; the tuple is new and has one reference, and no Python code runs
            // before its last place is filled; `place` is inside it, and the call takes over the
            // item's reference.
            let status =
                unsafe { raw::PyTuple_SetItem(tuple.as_ptr(), place as isize, item.into_ptr()) };
            tuple.done(status)?;
        }
        Ok(tuple)
    }

    /// An empty `dict`.
    ///
    /// # Errors
    ///
    /// `MemoryError`.
    pub fn dict(self) -> PyResult<'a, Object<'a>> {
        // SAFETY: attached: `self` exists.
        let dict = unsafe { raw::PyDict_New() };
        // SAFETY: attached; the call returned a new reference, or null with an exception.
        unsafe { Object::from_new(dict) }
    }

    /// A `dict` of the keys in a tuple, in that order, and as many values.
    ///
    /// `like` is a dict of the same keys; this one is a copy of it with other values: a copy
    /// takes over the hash table, which inserting would fill key by key.
    ///
    /// # Errors
    ///
    /// `TypeError` for other types, `ValueError` for another number of values, `MemoryError`.
    #[inline]
    pub fn dict_like(
        self,
        like: &Object<'_>,
        keys: &Object<'_>,
        values: &[Object<'a>],
    ) -> PyResult<'a, Object<'a>> {
        if like.kind() != Kind::Dict || keys.kind() != Kind::Tuple {
            return Err(self.raise_type_error("dict_like takes a dict and a tuple of its keys"));
        }
        if keys.len() != values.len() {
            return Err(self.raise_value_error("dict_like takes one value for each key"));
        }
        // SAFETY: attached; an exact dict.
        let dict = unsafe { raw::PyDict_Copy(like.as_ptr()) };
        // SAFETY: attached; the call returned a new reference, or null with an exception.
        let dict: Object<'a> = unsafe { Object::from_new(dict) }?;
        for (place, value) in values.iter().enumerate() {
            // SAFETY: an exact tuple, which never changes and which `keys` keeps alive, and a place
            // inside it: there are as many values, checked above.
            let key = unsafe { raw::PyTuple_GET_ITEM(keys.as_ptr(), place as isize) };
            // SAFETY: attached; an exact dict, a key that its tuple keeps alive, and a value that
            // is alive.
            let status = unsafe { raw::PyDict_SetItem(dict.as_ptr(), key, value.as_ptr()) };
            dict.done(status)?;
        }
        Ok(dict)
    }

    /// A `set` of the items.
    ///
    /// # Errors
    ///
    /// `TypeError` for an item that is not hashable, `MemoryError`.
    pub fn set<I: IntoIterator<Item = Object<'a>>>(self, items: I) -> PyResult<'a, Object<'a>> {
        // SAFETY: attached; null asks for an empty set.
        let set = unsafe { raw::PySet_New(ptr::null_mut()) };
        // SAFETY: attached; the call returned a new reference, or null with an exception.
        let set: Object<'a> = unsafe { Object::from_new(set) }?;
        set.add_all(items)
    }

    /// A `frozenset` of the items.
    ///
    /// # Errors
    ///
    /// `TypeError` for an item that is not hashable, `MemoryError`.
    pub fn frozen_set<I>(self, items: I) -> PyResult<'a, Object<'a>>
    where
        I: IntoIterator<Item = Object<'a>>,
    {
        // SAFETY: attached; null asks for an empty frozenset, which is new since 3.10, and may be
        // filled for as long as it has one reference (PySet_Add's documentation).
        let set = unsafe { raw::PyFrozenSet_New(ptr::null_mut()) };
        // SAFETY: attached; the call returned a new reference, or null with an exception.
        let set: Object<'a> = unsafe { Object::from_new(set) }?;
        set.add_all(items)
    }
}

impl<'a> Object<'a> {
    /// The number of items of an exact list, tuple, dict, set or frozenset; 0 for other types.
    #[inline]
    pub fn len(&self) -> usize {
        let object = self.as_ptr();
        let length = match self.kind() {
            // SAFETY: attached; the object is an exact list, for which the call raises nothing.
            Kind::List => unsafe { raw::PyList_Size(object) },
            // SAFETY: attached; the object is an exact tuple, for which the call raises nothing.
            Kind::Tuple => unsafe { raw::PyTuple_Size(object) },
            // SAFETY: attached; the object is an exact dict, for which the call raises nothing.
            Kind::Dict => unsafe { raw::PyDict_Size(object) },
            // SAFETY: attached; the object is an exact set, for which the call raises nothing.
            Kind::Set | Kind::FrozenSet => unsafe { raw::PySet_Size(object) },
            _ => 0,
        };
        length as usize
    }

    /// Whether [`len`](Object::len) is 0.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Item `place` of an exact list or tuple; `None` beyond its end and for other types.
    #[inline]
    pub fn item(&self, place: usize) -> Option<Object<'a>> {
        #[cfg(Py_GIL_DISABLED)]
        if self.kind() == Kind::List {
            return self.list_item(place);
        }
        let item = self.place(place)?;
        // SAFETY: attached; the item is alive: the container refers to it, a tuple as long as it
        // lives, a list until this thread releases its GIL.
        Some(unsafe { Object::from_borrowed(item) })
    }

    /// The item, which is alive for as long as the container refers to it.
    #[inline]
    fn place(&self, place: usize) -> Option<NonNull<raw::PyObject>> {
        let item = match self.kind() {
            // SAFETY: attached; an exact tuple, which never changes, and a place inside it.
            Kind::Tuple if place < self.len() => unsafe {
                raw::PyTuple_GetItem(self.as_ptr(), place as isize)
            },
            // SAFETY: attached; an exact list and a place inside it: nothing that could shorten
            // the list runs between the check and the call on a build with a GIL.
            #[cfg(not(Py_GIL_DISABLED))]
            Kind::List if place < self.len() => unsafe {
                raw::PyList_GetItem(self.as_ptr(), place as isize)
            },
            _ => return None,
        };
        NonNull::new(item)
    }

    /// An item of an exact list, which other threads may change at any time.
    #[cfg(Py_GIL_DISABLED)]
    fn list_item(&self, place: usize) -> Option<Object<'a>> {
        let place = isize::try_from(place).ok()?;
        // SAFETY: attached; an exact list. The call takes a reference while the list cannot lose the
        // item, and looks itself whether the place is inside it.
        let item = unsafe { raw::PyList_GetItemRef(self.as_ptr(), place) };
        // SAFETY: attached; the call returned a new reference, or null with an exception.
        unsafe { Object::from_new(item) }.ok()
    }

    /// A copy of an exact list (as a tuple), dict or set as it is now, which no other thread knows,
    /// where other threads may change it; `None` where they cannot: on a build with a GIL, and for
    /// other types.
    ///
    /// # Errors
    ///
    /// `MemoryError`.
    #[inline]
    pub fn steady(&self) -> PyResult<'a, Option<Object<'a>>> {
        #[cfg(Py_GIL_DISABLED)]
        {
            let object = self.as_ptr();
            let copy = match self.kind() {
                // SAFETY: attached; an exact list, which the call locks while it copies.
                Kind::List => unsafe { raw::PyList_AsTuple(object) },
                // SAFETY: attached; an exact dict, which the call locks while it copies.
                Kind::Dict => unsafe { raw::PyDict_Copy(object) },
                // SAFETY: attached; an exact set, which the call locks while it copies.
                Kind::Set => unsafe { raw::PyFrozenSet_New(object) },
                _ => return Ok(None),
            };
            // SAFETY: attached; the call returned a new reference, or null with an exception.
            unsafe { Object::from_new(copy) }.map(Some)
        }
        #[cfg(not(Py_GIL_DISABLED))]
        Ok(None)
    }

    /// As [`item`](Object::item), without a reference to an object that can be copied out.
    #[inline]
    pub fn inside(&self, place: usize) -> Option<Inside<'a>> {
        #[cfg(Py_GIL_DISABLED)]
        if self.kind() == Kind::List {
            return self.list_item(place).map(Inside::from);
        }
        let item = self.place(place)?;
        // SAFETY: attached; the item is alive: the container refers to it.
        Some(unsafe { Inside::of(item) })
    }

    /// Walks the keys and values of an exact `dict`; nothing for other types.
    ///
    /// The dict may change meanwhile: an item can then be missed or seen twice.
    pub fn pairs(&self) -> Pairs<'_, 'a> {
        Pairs {
            dict: self,
            position: 0,
            is_dict: self.kind() == Kind::Dict,
        }
    }

    /// `iter(self)`, item by item.
    ///
    /// # Errors
    ///
    /// What Python raises, `TypeError` for what cannot be iterated over.
    pub fn items(&self) -> PyResult<'a, Items<'a>> {
        // SAFETY: attached, and the object is alive.
        let iterator = unsafe { raw::PyObject_GetIter(self.as_ptr()) };
        // SAFETY: attached; the call returned a new reference, or null with an exception.
        unsafe { Object::from_new(iterator) }.map(|iterator| Items { iterator })
    }

    /// `self[key] = value` for an exact `dict`.
    ///
    /// # Errors
    ///
    /// `TypeError` for a key that is not hashable, and for other types than dict.
    pub fn insert(&self, key: &Object<'_>, value: &Object<'_>) -> PyResult<'a, ()> {
        if self.kind() != Kind::Dict {
            return Err(self.attached().raise_type_error("not a dict"));
        }
        // SAFETY: attached; an exact dict, and two objects that are alive.
        let status = unsafe { raw::PyDict_SetItem(self.as_ptr(), key.as_ptr(), value.as_ptr()) };
        self.done(status)
    }

    /// `self.get(key)` for an exact `dict`; `None` for other types.
    ///
    /// # Errors
    ///
    /// `TypeError` for a key that is not hashable.
    pub fn lookup(&self, key: &Object<'_>) -> PyResult<'a, Option<Object<'a>>> {
        if self.kind() != Kind::Dict {
            return Ok(None);
        }
        let mut value = ptr::null_mut();
        // SAFETY: attached; an exact dict, a key that is alive, and a place for the value.
        let status = unsafe { raw::PyDict_GetItemRef(self.as_ptr(), key.as_ptr(), &raw mut value) };
        self.done(status)?;
        if status == 0 {
            return Ok(None);
        }
        // SAFETY: attached; the call found a value, and put a new reference to it there.
        unsafe { Object::from_new(value) }.map(Some)
    }

    fn add_all<I: IntoIterator<Item = Object<'a>>>(self, items: I) -> PyResult<'a, Object<'a>> {
        for item in items {
            // SAFETY: attached; `self` is a new set that no other code has seen, and the item is
            // alive.
            let status = unsafe { raw::PySet_Add(self.as_ptr(), item.as_ptr()) };
            self.done(status)?;
        }
        Ok(self)
    }
}

/// What is inside a container at one place: a small value, copied out, or a reference.
///
/// A reference is taken and given up again for each place that is looked at; a copy needs none.
#[derive(Debug)]
pub enum Inside<'a> {
    /// `None`
    None,
    /// A `bool`.
    Bool(bool),
    /// An exact `int` of at most 64 bits.
    Int(i64),
    /// An exact `float`.
    Float(f64),
    /// Any other object.
    Object(Object<'a>),
}

impl<'a> Inside<'a> {
    /// # Safety
    ///
    /// This thread is attached for `'a`, and `pointer` is an object of that interpreter, alive until
    /// this returns.
    #[inline]
    unsafe fn of(pointer: NonNull<raw::PyObject>) -> Self {
        // SAFETY: attached and alive, by this function's contract; nothing below runs Python code or
        // releases what keeps the object alive, until a reference is taken.
        let object = unsafe { Borrowed::new(pointer) };
        Inside::copied(&object).unwrap_or_else(|| Inside::Object(object.clone()))
    }

    /// What is small enough to be copied out.
    #[inline]
    fn copied(object: &Object<'a>) -> Option<Self> {
        Some(match object.kind() {
            Kind::None => Inside::None,
            Kind::Bool => Inside::Bool(object.is_true_constant()),
            Kind::Float => Inside::Float(object.as_f64().unwrap_or_default()),
            Kind::Int => Inside::Int(object.as_i64()?),
            _ => return None,
        })
    }
}

impl<'a> From<Object<'a>> for Inside<'a> {
    #[inline]
    fn from(object: Object<'a>) -> Self {
        Inside::copied(&object).unwrap_or(Inside::Object(object))
    }
}

/// The items of a `dict`. See [`Object::pairs`].
#[derive(Debug)]
pub struct Pairs<'d, 'a> {
    dict: &'d Object<'a>,
    position: raw::Py_ssize_t,
    is_dict: bool,
}

impl<'a> Iterator for Pairs<'_, 'a> {
    type Item = (Object<'a>, Inside<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if !self.is_dict {
            return None;
        }
        let (mut key, mut value) = (ptr::null_mut(), ptr::null_mut());
        let (dict, position) = (self.dict, &mut self.position);
        undisturbed(dict, || {
            let dict = dict.as_ptr();
            // SAFETY: attached; an exact dict, which no other thread changes meanwhile; `position` is
            // what the last call left there.
            let found = unsafe { raw::PyDict_Next(dict, position, &mut key, &mut value) };
            if found == 0 {
                return None;
            }
            let (key, value) = (NonNull::new(key)?, NonNull::new(value)?);
            // SAFETY: attached; the key is alive: the dict refers to it, and cannot change here.
            let key = unsafe { Object::from_borrowed(key) };
            // SAFETY: attached; the value is alive for the same reason.
            let value = unsafe { Inside::of(value) };
            Some((key, value))
        })
    }
}

/// Runs `work` while no other thread changes the object, which is what the GIL sees to: `work` must not
/// run Python code.
#[cfg(not(Py_GIL_DISABLED))]
#[inline(always)]
pub(crate) fn undisturbed<R>(_object: &Object<'_>, work: impl FnOnce() -> R) -> R {
    work()
}

/// Runs `work` with the object's own lock held, under which CPython changes it: `work` must not run
/// Python code, which may release it.
#[cfg(Py_GIL_DISABLED)]
pub(crate) fn undisturbed<R>(object: &Object<'_>, work: impl FnOnce() -> R) -> R {
    struct Section(std::mem::MaybeUninit<raw::PyCriticalSection>);
    impl Drop for Section {
        fn drop(&mut self) {
            // SAFETY: attached: it lives only inside `undisturbed`, whose object is reached only while
            // attached; begun there, in this place, and the innermost, since `work` is over.
            unsafe { raw::PyCriticalSection_End(self.0.as_mut_ptr()) };
        }
    }
    let mut section = Section(std::mem::MaybeUninit::zeroed());
    // SAFETY: attached, and the object is alive. The call fills the section, which stays in its place
    // until it ends; it waits detached.
    unsafe { raw::PyCriticalSection_Begin(section.0.as_mut_ptr(), object.as_ptr()) };
    work()
}

/// What iterating over an object gives. See [`Object::items`].
#[derive(Debug)]
pub struct Items<'a> {
    iterator: Object<'a>,
}

impl<'a> Iterator for Items<'a> {
    type Item = PyResult<'a, Object<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        // SAFETY: attached; `iterator` is what PyObject_GetIter returned.
        let item = unsafe { raw::PyIter_Next(self.iterator.as_ptr()) };
        if item.is_null() {
            return self.iterator.attached().pending().map(Err);
        }
        // SAFETY: attached; the call returned a new reference.
        Some(unsafe { Object::from_new(item) })
    }
}
