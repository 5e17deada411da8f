//! Pickle: the one pickle of the objects in a value that have no encoding of their own, its leaves.
//!
//! `pickle` hands what is large, and buffers that are out of band, over as objects. Those are not
//! copied into the pickle: they become buffers beside the value's bytes, and the unpickler reads them
//! straight into the new objects.
//!
//! ```text
//! 0x80 …   a pickle and nothing else: it starts with its opcode PROTO
//! 0x00     the number of its first buffer in 4 bytes,
//!          varint n, n varints: where in the pickle each of the first n buffers belongs,
//!          varint m, m bytes: for each buffer out of band, whether it is to be writable,
//!          the rest of the pickle
//! ```

use std::cell::OnceCell;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use owngil_ffi::{Attached, Borrowed, Kept, Kind, Loans, Object, Program, PyResult, Raised};

use super::buffer::{self, Buffer};
use super::encoding::Encoding;
use super::error::{Crossing, CrossingError};
use super::format::{self, Reader, tag};
use super::zero_copy::{LENT_FROM, Lending, lend};

/// The first byte of a table that has buffers.
const WITH_BUFFERS: u8 = 0;

/// A table of leaves on its own, which many can share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Leaves {
    /// As it stands in a value, but that its first buffer has the number 0.
    table: Arc<[u8]>,
    buffers: Arc<[Buffer]>,
}

impl Leaves {
    /// The table that stands in a value with those buffers.
    ///
    /// # Errors
    /// When it refers to a buffer that is not there.
    pub(crate) fn of(table: &[u8], theirs: &[Buffer]) -> Crossing<Leaves> {
        let buffers = Table::read(table, theirs)?.map_or(&[][..], |table| table.buffers);
        Ok(Leaves {
            table: numbered(table, 0).into(),
            buffers: match buffers {
                [] => Arc::default(),
                _ => buffers.into(),
            },
        })
    }

    /// An encoding of the table alone, which a body is to follow.
    pub(crate) fn to_encoding(&self) -> Encoding {
        let mut out = Encoding::default();
        let inserted = self.insert(&mut out, 0);
        inserted.expect("there is room for as many buffers as another encoding had");
        out
    }

    /// Puts the table before the body that `out` holds from `start` on.
    pub(crate) fn insert(&self, out: &mut Encoding, start: usize) -> Crossing<()> {
        insert(&self.table, &self.buffers, out, start)
    }
}

/// Puts a table that is in a value with those buffers before the body of another.
pub(super) fn insert(
    table: &[u8],
    theirs: &[Buffer],
    out: &mut Encoding,
    start: usize,
) -> Crossing<()> {
    let Some(parts) = Table::read(table, theirs)? else {
        format::insert_leaves(out, start, table);
        return Ok(());
    };
    let mut first = 0;
    for (index, buffer) in parts.buffers.iter().enumerate() {
        let number = out.add(buffer.clone())?;
        first = if index == 0 { number } else { first };
    }
    format::insert_leaves(out, start, &numbered(table, first));
    Ok(())
}

/// The table with another number for its first buffer.
fn numbered(table: &[u8], first: u32) -> Vec<u8> {
    let mut table = table.to_vec();
    if let [WITH_BUFFERS, number @ ..] = &mut *table
        && let Some(number) = number.first_chunk_mut()
    {
        *number = first.to_le_bytes();
    }
    table
}

/// The parts of a table that has buffers.
struct Table<'de> {
    /// The pickle without what is in buffers.
    pickle: &'de [u8],
    /// Where in the pickle each of the first buffers belongs, in order.
    places: Vec<usize>,
    /// For each of the others, whether it is to be writable.
    writable: &'de [u8],
    buffers: &'de [Buffer],
}

impl<'de> Table<'de> {
    /// `None` for a table without buffers.
    fn read(table: &'de [u8], theirs: &'de [Buffer]) -> Crossing<Option<Table<'de>>> {
        if table.first() != Some(&WITH_BUFFERS) {
            return Ok(None);
        }
        let mut reader = Reader::new(table);
        reader.u8()?;
        let first = u32::from_le_bytes(reader.array()?) as usize;
        let mut places = Vec::new();
        for _ in 0..reader.varint()? {
            places.push(usize::try_from(reader.varint()?).unwrap_or(usize::MAX));
        }
        let writable = reader.block()?;
        let pickle = reader.take(reader.remaining())?;
        let n = places.len() + writable.len();
        let buffers = theirs.get(first..).and_then(|theirs| theirs.get(..n));
        if !places.is_sorted() || places.last().is_some_and(|place| *place > pickle.len()) {
            return Err(CrossingError::malformed("a buffer beyond its pickle"));
        }
        Ok(Some(Table {
            pickle,
            places,
            writable,
            buffers: buffers.ok_or_else(buffer::missing)?,
        }))
    }

    /// The whole pickle, piece by piece.
    fn pieces(&self) -> VecDeque<Buffer> {
        let pickle = Buffer::from(self.pickle.to_vec());
        let mut pieces = VecDeque::new();
        let mut from = 0;
        for (place, large) in self.places.iter().zip(self.buffers) {
            pieces.push_back(pickle.slice(from..*place));
            pieces.push_back(large.clone());
            from = *place;
        }
        pieces.push_back(pickle.slice(from..pickle.len()));
        pieces
    }
}

/// Finds the function of that name in a namespace.
type Find = for<'a> fn(Attached<'a>, &Object<'a>, &str) -> PyResult<'a, Object<'a>>;

/// The [`Pickling`] of one interpreter, which few need: it is made when it is asked for.
#[derive(Debug)]
pub(crate) struct LazyPickling {
    program: &'static Program,
    find: Find,
    namespace: Kept,
    loans: Option<Loans>,
    made: OnceCell<Pickling>,
}

impl LazyPickling {
    /// By the functions of the program pickling.py, which runs in that namespace. Where there are no `loans`, what is
    /// large is copied.
    pub(crate) fn new(
        program: &'static Program,
        find: Find,
        namespace: &Object<'_>,
        loans: Option<Loans>,
    ) -> LazyPickling {
        LazyPickling {
            program,
            find,
            namespace: namespace.keep(),
            loans,
            made: OnceCell::new(),
        }
    }

    pub(super) fn get<'a>(&self, attached: Attached<'a>) -> PyResult<'a, &Pickling> {
        if let Some(made) = self.made.get() {
            return Ok(made);
        }
        let namespace = self.namespace.get(attached);
        self.program.run(attached, &namespace)?;
        let function = |name: &str| (self.find)(attached, &namespace, name);
        let made = Pickling::new(attached, &function, self.loans.clone())?;
        Ok(self.made.get_or_init(|| made))
    }
}

/// Pickles and unpickles tables of leaves in one interpreter.
#[derive(Debug)]
pub(super) struct Pickling {
    /// Pickles a list to `written`; gives the buffers that are out of band.
    dump: Kept,
    /// The list in a bytes object.
    loads: Kept,
    /// The list in `unread`, given the buffers.
    load: Kept,
    /// Gives an exception in a pickle, or None.
    exception: Kept,
    written: Arc<Mutex<Unfinished>>,
    unread: Arc<Mutex<Unread>>,
}

/// A pickle while it is written, with its large parts apart.
#[derive(Debug, Default)]
struct Unfinished {
    pickle: Vec<u8>,
    places: Vec<usize>,
    large: Vec<Buffer>,
}

/// What is left of a pickle while it is read.
#[derive(Debug, Default)]
struct Unread(VecDeque<Buffer>);

impl Pickling {
    fn new<'a>(
        attached: Attached<'a>,
        function: &dyn Fn(&str) -> PyResult<'a, Object<'a>>,
        loans: Option<Loans>,
    ) -> PyResult<'a, Pickling> {
        let written = Arc::new(Mutex::new(Unfinished::default()));
        let unread = Arc::new(Mutex::new(Unread::default()));
        let out = Arc::clone(&written);
        let write = attached.callback(move |attached, arguments| {
            write(attached, arguments, loans.as_ref(), &out)
        })?;
        let rest = Arc::clone(&unread);
        let read =
            attached.callback(move |attached, arguments| read(attached, arguments, &rest))?;
        let rest = Arc::clone(&unread);
        let read_into =
            attached.callback(move |attached, arguments| read_into(attached, arguments, &rest))?;
        Ok(Pickling {
            dump: function("pickler")?.call(&[write])?.keep(),
            loads: function("loads")?.keep(),
            load: function("unpickler")?.call(&[read, read_into])?.keep(),
            exception: function("pickle_exception")?.keep(),
            written,
            unread,
        })
    }

    /// Pickles the leaves of a value into a table.
    pub(super) fn dump<'a>(
        &self,
        attached: Attached<'a>,
        lending: &Lending,
        leaves: &[Object<'a>],
    ) -> Result<(Vec<u8>, Vec<Buffer>), Raised<'a>> {
        *lock(&self.written) = Unfinished::default();
        let list = attached.list(leaves.to_vec());
        let dumped = list.and_then(|list| self.dump.get(attached).call(&[list]));
        let written = std::mem::take(&mut *lock(&self.written));
        let out_of_band = dumped?;
        if written.large.is_empty() && out_of_band.is_empty() {
            return Ok((written.pickle, Vec::new()));
        }
        let mut buffers = written.large;
        let mut writable = Vec::new();
        let mut index = 0;
        while let Some(buffer) = out_of_band.item(index) {
            let view = buffer.invoke("raw", &[])?;
            let is_writable = !view.get("readonly")?.is_true()?;
            writable.push(u8::from(is_writable));
            buffers.push(lending.contents(&view)?);
            index += 1;
        }
        let mut table = vec![WITH_BUFFERS, 0, 0, 0, 0];
        format::write_varint(&mut table, written.places.len() as u64);
        for place in written.places {
            format::write_varint(&mut table, place as u64);
        }
        format::write_varint(&mut table, writable.len() as u64);
        table.extend_from_slice(&writable);
        table.extend_from_slice(&written.pickle);
        Ok((table, buffers))
    }

    /// The exception in a pickle, if it can be pickled.
    pub(super) fn exception(&self, attached: Attached<'_>, raised: &Raised<'_>) -> Option<Vec<u8>> {
        let pickle = self.exception.get(attached);
        let pickled = pickle.call(std::slice::from_ref(raised.value())).ok()?;
        pickled.as_bytes().map(<[u8]>::to_vec)
    }

    /// Makes the list of leaves again.
    pub(super) fn load<'a>(
        &self,
        attached: Attached<'a>,
        lending: &Lending,
        table: &[u8],
        theirs: &[Buffer],
    ) -> Crossing<PyResult<'a, Object<'a>>> {
        Ok(match Table::read(table, theirs)? {
            None => attached
                .bytes(table)
                .and_then(|pickle| self.loads.get(attached).call(&[pickle])),
            Some(table) => {
                let out_of_band = table.buffers[table.places.len()..].iter();
                let out_of_band = out_of_band.zip(table.writable);
                // What was writable is again, and has one owner.
                let buffers: PyResult<'a, Vec<_>> = out_of_band
                    .map(|(buffer, writable)| match writable {
                        0 => lending.make(attached, tag::MEMORYVIEW, buffer),
                        _ => lending.make(attached, tag::BYTEARRAY, buffer),
                    })
                    .collect();
                *lock(&self.unread) = Unread(table.pieces());
                let buffers = buffers.and_then(|buffers| attached.list(buffers));
                let loaded = buffers.and_then(|buffers| self.load.get(attached).call(&[buffers]));
                *lock(&self.unread) = Unread::default();
                loaded
            }
        })
    }
}

/// `write(data)` of the file that the pickler writes to.
fn write<'a>(
    attached: Attached<'a>,
    arguments: &[Borrowed<'a>],
    loans: Option<&Loans>,
    written: &Mutex<Unfinished>,
) -> PyResult<'a, Object<'a>> {
    let [data] = arguments else {
        return Err(attached.raise_type_error("write takes the data"));
    };
    let large = match data.as_bytes() {
        Some(bytes) if bytes.len() < LENT_FROM => {
            lock(written).pickle.extend_from_slice(bytes);
            return Ok(attached.none());
        }
        Some(bytes) => lend(loans, data).unwrap_or_else(|| bytes.to_vec().into()),
        // A bytearray; it may change before the pickle is complete.
        None => data.copy_exported()?.into(),
    };
    let mut written = lock(written);
    let place = written.pickle.len();
    written.places.push(place);
    written.large.push(large);
    Ok(attached.none())
}

/// `read(n)` of the file that the unpickler reads from.
fn read<'a>(
    attached: Attached<'a>,
    arguments: &[Borrowed<'a>],
    unread: &Mutex<Unread>,
) -> PyResult<'a, Object<'a>> {
    let n = arguments.first().and_then(|n| n.as_i64());
    let Some(n) = n.and_then(|n| usize::try_from(n).ok()) else {
        return Err(attached.raise_type_error("read takes a number of bytes"));
    };
    let piece = lock(unread).take(n);
    attached.bytes(&piece)
}

/// `readinto(view)` of the same.
fn read_into<'a>(
    attached: Attached<'a>,
    arguments: &[Borrowed<'a>],
    unread: &Mutex<Unread>,
) -> PyResult<'a, Object<'a>> {
    let [view] = arguments else {
        return Err(attached.raise_type_error("readinto takes a buffer"));
    };
    let n = match view.kind() {
        Kind::MemoryView => view.get("nbytes")?.as_i64(),
        _ => None,
    };
    let Some(n) = n.and_then(|n| usize::try_from(n).ok()) else {
        return Err(attached.raise_type_error("readinto takes a memoryview"));
    };
    let piece = lock(unread).take(n);
    view.fill_exported(&piece)?;
    attached.int(piece.len() as i64)
}

impl Unread {
    /// The next `n` bytes, or as many as there are; copied only where they are in several pieces.
    fn take(&mut self, n: usize) -> Buffer {
        while self.0.front().is_some_and(|piece| piece.is_empty()) {
            self.0.pop_front();
        }
        match self.0.front_mut() {
            Some(piece) if piece.len() >= n => {
                let taken = piece.slice(0..n);
                *piece = piece.slice(n..piece.len());
                taken
            }
            _ => self.gather(n),
        }
    }

    fn gather(&mut self, n: usize) -> Buffer {
        let mut gathered = Vec::new();
        while gathered.len() < n
            && let Some(piece) = self.0.pop_front()
        {
            let taken = piece.len().min(n - gathered.len());
            gathered.extend_from_slice(&piece[..taken]);
            if taken < piece.len() {
                self.0.push_front(piece.slice(taken..piece.len()));
            }
        }
        gathered.into()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
