//! SharedObject: what the file of a shared object says about itself, without loading it.
//!
//! No code of the file runs here, so a broken file is an error, not a crash.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use elf::abi;
use elf::endian::NativeEndian;
use elf::{ElfStream, ParseError};

use super::error::ExtensionError;

/// What is read of any shared object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SharedObject {
    pub(crate) path: PathBuf,
    /// The functions and variables that it takes from others, with the offset of each one's symbol.
    pub(crate) imports: HashMap<String, u64>,
    /// The functions and variables that it gives to others.
    pub(crate) exports: HashSet<String>,
    /// The libraries that it needs, in their order.
    pub(crate) needed: Vec<String>,
    /// The name by which others need it.
    pub(crate) soname: Option<String>,
    /// Where it has its libraries looked for.
    pub(crate) run_path: RunPath,
    pub(crate) has_static_tls: bool,
    /// Whether the loader looks for its symbols in another library, which it does not list among those that it needs.
    pub(crate) is_filter: bool,
    pub(crate) layout: Layout,
}

/// Where an object has its libraries looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RunPath {
    /// `DT_RUNPATH`: for its own libraries alone, and no `DT_RPATH` counts beside it.
    Own(String),
    /// `DT_RPATH`, empty where there is none: for its libraries and for what those need in turn.
    Inherited(String),
}

/// Where in the file is what loading it takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Layout {
    /// What is loaded. The rest of the file (debug information, the table of sections) is for other tools.
    pub(crate) segments: Vec<Segment>,
    /// The symbols of which a process has one (`STB_GNU_UNIQUE`).
    pub(crate) unique_symbols: Vec<UniqueSymbol>,
    /// The dynamic section, with the entries that end it.
    pub(crate) dynamic: Vec<DynamicEntry>,
    /// The names of libraries: of those that are needed, and its own.
    pub(crate) names: Vec<Name>,
    /// How much memory its variables take, in bytes.
    pub(crate) writable: u64,
    /// How many bytes of that are state: not written by the loader alone.
    pub(crate) state: u64,
}

/// A part of the file that is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) bytes: Range<u64>,
    /// Where the first byte is, relative to where the object is loaded.
    address: u64,
}

/// A symbol of which a process has one, whichever objects have it: g++ makes such of statics of templates and of
/// inline functions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UniqueSymbol {
    pub(crate) name: String,
    /// The offset of its entry.
    pub(crate) entry: u64,
    /// Its type: `STT_OBJECT`, for example.
    pub(crate) kind: u8,
}

/// The name of a library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) text: String,
    /// Its offset in the file.
    pub(crate) place: u64,
    /// Whether it begins there: it may also be how a longer one ends.
    pub(crate) is_whole: bool,
}

/// An entry of the dynamic section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DynamicEntry {
    /// Its offset in the file.
    pub(crate) place: u64,
    pub(crate) tag: i64,
    pub(crate) value: u64,
}

/// Sections that can be written to and hold no state: the loader fills them.
const FILLED_BY_LOADER: [&str; 10] = [
    ".got",
    ".got.plt",
    ".data.rel.ro",
    ".dynamic",
    ".init_array",
    ".fini_array",
    ".ctors",
    ".dtors",
    ".tm_clone_table",
    ".jcr",
];

/// The largest file that is looked at. Code reaches two GiB of code and data, and the rest is for debuggers.
const LARGEST: u64 = 16 << 30;

/// The size of an entry of a symbol table, `Elf64_Sym`.
const SYMBOL_SIZE: u64 = 24;
/// The size of an entry of the dynamic section, `Elf64_Dyn`.
const ENTRY_SIZE: u64 = 16;

impl SharedObject {
    pub(crate) fn read(path: &Path) -> Result<SharedObject, ExtensionError> {
        let unreadable = |error| ExtensionError::Unreadable {
            path: path.to_owned(),
            error,
        };
        // Opening a named pipe waits for a writer.
        let metadata = fs::metadata(path).map_err(unreadable)?;
        if metadata.is_dir() {
            return Err(unreadable(io::ErrorKind::IsADirectory.into()));
        }
        let not_elf = |reason: String| ExtensionError::NotElf {
            path: path.to_owned(),
            reason,
        };
        if !metadata.is_file() || metadata.len() > LARGEST {
            return Err(not_elf("it is not a regular file, or too large".to_owned()));
        }
        let file = File::open(path).map_err(unreadable)?;
        let whole = file.try_clone().map_err(unreadable)?;
        let mut elf = match ElfStream::<NativeEndian, _>::open_stream(file) {
            Ok(elf) => elf,
            Err(ParseError::IOError(error)) if error.kind() != io::ErrorKind::UnexpectedEof => {
                return Err(unreadable(error));
            }
            Err(error) => return Err(not_elf(error.to_string())),
        };
        let machine = elf.ehdr.e_machine;
        if MACHINE.is_some_and(|own| own != machine) {
            let path = path.to_owned();
            return Err(ExtensionError::OtherMachine { path, machine });
        }
        if elf.ehdr.e_type != abi::ET_DYN {
            return Err(not_elf("it is not a shared object".to_owned()));
        }
        SharedObject::parse(&mut elf, &whole, path).map_err(|error| not_elf(error.to_string()))
    }

    fn parse(
        elf: &mut ElfStream<NativeEndian, File>,
        file: &File,
        path: &Path,
    ) -> Result<SharedObject, ParseError> {
        let mut object = SharedObject {
            path: path.to_owned(),
            imports: HashMap::new(),
            exports: HashSet::new(),
            needed: Vec::new(),
            soname: None,
            run_path: RunPath::Inherited(String::new()),
            has_static_tls: false,
            is_filter: false,
            layout: Layout::of(elf, file)?,
        };
        object.read_symbols(elf)?;
        object.read_dynamic(elf)?;
        object.layout.read_names(file)?;
        Ok(object)
    }

    fn read_symbols(&mut self, elf: &mut ElfStream<NativeEndian, File>) -> Result<(), ParseError> {
        let table = elf
            .section_headers()
            .iter()
            .find(|one| one.sh_type == abi::SHT_DYNSYM);
        let (table, address) = table.map_or((0, 0), |table| (table.sh_offset, table.sh_addr));
        let Some((symbols, names)) = elf.dynamic_symbol_table()? else {
            return Ok(());
        };
        // The loader goes by addresses, and what it reads must be what is read here.
        let n_bytes = SYMBOL_SIZE.saturating_mul(symbols.len() as u64);
        if self.layout.value(abi::DT_SYMTAB) != Some(address) || !self.layout.holds(table, n_bytes)
        {
            return Err(ParseError::BadOffset(table));
        }
        for (number, symbol) in symbols.iter().enumerate() {
            let name = names.get(symbol.st_name as usize)?;
            let entry = table + SYMBOL_SIZE * number as u64;
            if symbol.is_undefined() {
                // What belongs to each thread has no address of its own.
                if symbol.st_symtype() != abi::STT_TLS {
                    self.imports.insert(name.to_owned(), entry);
                }
            } else if symbol.st_bind() != abi::STB_LOCAL && symbol.st_symtype() != abi::STT_TLS {
                self.exports.insert(name.to_owned());
            }
            if symbol.st_bind() == abi::STB_GNU_UNIQUE {
                self.layout.unique_symbols.push(UniqueSymbol {
                    name: name.to_owned(),
                    entry,
                    kind: symbol.st_symtype(),
                });
            }
        }
        Ok(())
    }

    fn read_dynamic(&mut self, elf: &mut ElfStream<NativeEndian, File>) -> Result<(), ParseError> {
        let Some((_, names)) = elf.dynamic_symbol_table()? else {
            return Ok(());
        };
        let (mut run_path, mut old_run_path) = (None, String::new());
        for entry in self.layout.used_entries() {
            let text = || names.get(entry.value as usize).map(str::to_owned);
            match entry.tag {
                abi::DT_NEEDED => self.needed.push(text()?),
                abi::DT_SONAME => self.soname = Some(text()?),
                abi::DT_RUNPATH => run_path = Some(text()?),
                abi::DT_RPATH => old_run_path = text()?,
                DT_AUXILIARY | DT_FILTER => self.is_filter = true,
                abi::DT_FLAGS => self.has_static_tls = entry.value as i64 & abi::DF_STATIC_TLS != 0,
                _ => {}
            }
        }
        self.run_path = match run_path {
            Some(folders) => RunPath::Own(folders),
            None => RunPath::Inherited(old_run_path),
        };
        Ok(())
    }

    pub(crate) fn imports(&self, name: &str) -> bool {
        self.imports.contains_key(name)
    }

    /// Whether it calls Python's C API, so that it may keep Python objects.
    pub(crate) fn uses_python(&self) -> bool {
        let is_python = |name: &String| {
            let name = name.strip_prefix('_').unwrap_or(name);
            let after = name.strip_prefix("Py");
            after.is_some_and(|after| {
                after.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
            })
        };
        self.imports.keys().any(is_python)
    }

    /// Whether it is a libpython.
    pub(crate) fn is_python(&self) -> bool {
        self.exports.contains("Py_InitializeFromConfig")
    }
}

impl Layout {
    fn of(elf: &mut ElfStream<NativeEndian, File>, file: &File) -> Result<Layout, ParseError> {
        let mut layout = Layout::default();
        let mut dynamic = None;
        let n_bytes = file.metadata()?.len();
        for segment in elf.segments() {
            let end = segment.p_offset.saturating_add(segment.p_filesz);
            if end > n_bytes && segment.p_type == abi::PT_LOAD {
                return Err(ParseError::BadOffset(end));
            }
            match segment.p_type {
                abi::PT_LOAD => layout.segments.push(Segment {
                    bytes: segment.p_offset..end,
                    address: segment.p_vaddr,
                }),
                abi::PT_DYNAMIC => dynamic = Some(segment.p_offset..end),
                _ => continue,
            }
            if segment.p_type == abi::PT_LOAD && segment.p_flags & abi::PF_W != 0 {
                layout.writable = layout.writable.saturating_add(segment.p_memsz);
            }
        }
        layout.state = state(elf)?.unwrap_or(layout.writable);
        if let Some(dynamic) = dynamic.filter(|dynamic| dynamic.end <= n_bytes) {
            layout.read_entries(file, dynamic)?;
        }
        Ok(layout)
    }

    fn read_entries(&mut self, file: &File, dynamic: Range<u64>) -> Result<(), ParseError> {
        let mut bytes = vec![0; (dynamic.end - dynamic.start) as usize];
        file.read_exact_at(&mut bytes, dynamic.start)?;
        let (entries, _) = bytes.as_chunks::<16>();
        for (number, entry) in entries.iter().enumerate() {
            let (tag, value) = entry.split_at(8);
            self.dynamic.push(DynamicEntry {
                place: dynamic.start + ENTRY_SIZE * number as u64,
                tag: i64::from_ne_bytes(tag.try_into().unwrap_or_default()),
                value: u64::from_ne_bytes(value.try_into().unwrap_or_default()),
            });
        }
        Ok(())
    }

    /// Reads where names of libraries are: of those that are needed, its own, and those by which versions of
    /// symbols refer to libraries, which the loader compares with the former.
    fn read_names(&mut self, file: &File) -> Result<(), ParseError> {
        let Some(strings) = self.offset_of(abi::DT_STRTAB) else {
            return Ok(());
        };
        let is_name = |entry: &&DynamicEntry| matches!(entry.tag, abi::DT_NEEDED | abi::DT_SONAME);
        let names = self.used_entries().filter(is_name);
        let mut offsets: BTreeSet<u64> = names.map(|entry| entry.value).collect();
        self.add_version_names(file, &mut offsets)?;
        for offset in offsets {
            let place = strings.saturating_add(offset);
            self.names.push(Name {
                text: text_at(file, place)?,
                place,
                is_whole: offset > 0 && text_at(file, place - 1)?.is_empty(),
            });
        }
        Ok(())
    }

    fn add_version_names(
        &self,
        file: &File,
        offsets: &mut BTreeSet<u64>,
    ) -> Result<(), ParseError> {
        let Some(mut place) = self.offset_of(DT_VERNEED) else {
            return Ok(());
        };
        for _ in 0..self.value(DT_VERNEEDNUM).unwrap_or(0) {
            // Elf64_Verneed: two short fields, then the name, the first version and the way to the next one.
            let mut record = [0; 16];
            file.read_exact_at(&mut record, place)?;
            let field = |at: usize| {
                let bytes = record[at..at + 4].try_into().unwrap_or_default();
                u64::from(u32::from_ne_bytes(bytes))
            };
            offsets.insert(field(4));
            match field(12) {
                0 => break,
                next => place = place.saturating_add(next),
            }
        }
        Ok(())
    }

    /// Whether so many bytes from there on are loaded.
    fn holds(&self, start: u64, n_bytes: u64) -> bool {
        let end = start.saturating_add(n_bytes);
        let mut segments = self.segments.iter().map(|segment| &segment.bytes);
        segments.any(|bytes| bytes.start <= start && end <= bytes.end)
    }

    /// The entries of the dynamic section that count.
    fn used_entries(&self) -> impl Iterator<Item = &DynamicEntry> {
        let entries = self.dynamic.iter();
        entries.take_while(|one| one.tag != abi::DT_NULL)
    }

    /// The offset of what an entry has the address of.
    fn offset_of(&self, tag: i64) -> Option<u64> {
        let address = self.value(tag)?;
        let mut segments = self.segments.iter();
        segments.find_map(|segment| {
            let within = address.checked_sub(segment.address)?;
            let n_bytes = segment.bytes.end - segment.bytes.start;
            (within < n_bytes).then(|| segment.bytes.start + within)
        })
    }

    fn value(&self, tag: i64) -> Option<u64> {
        let mut entries = self.used_entries();
        entries.find(|one| one.tag == tag).map(|one| one.value)
    }
}

const DT_AUXILIARY: i64 = 0x7fff_fffd;
const DT_FILTER: i64 = 0x7fff_ffff;
const DT_VERNEED: i64 = 0x6fff_fffe;
const DT_VERNEEDNUM: i64 = 0x6fff_ffff;

/// The text at that offset, up to its zero.
fn text_at(file: &File, offset: u64) -> Result<String, ParseError> {
    let mut bytes = [0; 256];
    let n = file.read_at(&mut bytes, offset)?;
    let text = bytes[..n]
        .split(|byte| *byte == 0)
        .next()
        .unwrap_or_default();
    Ok(String::from_utf8_lossy(text).into_owned())
}

/// How many bytes of variables are state, by the table of sections; `None` if there is no such table.
fn state(elf: &mut ElfStream<NativeEndian, File>) -> Result<Option<u64>, ParseError> {
    let (sections, names) = elf.section_headers_with_strtab()?;
    let Some(names) = names else {
        return Ok(None);
    };
    let mut n_bytes = 0_u64;
    for section in sections {
        let flags = section.sh_flags as u32;
        let is_variable = flags & abi::SHF_WRITE != 0 && flags & abi::SHF_ALLOC != 0;
        // What belongs to a thread is not shared by interpreters, which have threads of their own.
        let is_of_thread = flags & abi::SHF_TLS != 0;
        let name = names.get(section.sh_name as usize)?;
        if is_variable && !is_of_thread && !FILLED_BY_LOADER.contains(&name) {
            n_bytes = n_bytes.saturating_add(section.sh_size);
        }
    }
    Ok(Some(n_bytes))
}

/// This machine in ELF's list, where it is one of those that matter here.
const MACHINE: Option<u16> = if cfg!(target_arch = "x86_64") {
    Some(abi::EM_X86_64)
} else if cfg!(target_arch = "aarch64") {
    Some(abi::EM_AARCH64)
} else {
    None
};
