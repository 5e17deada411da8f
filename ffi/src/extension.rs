//! Extension: what the file of an extension module says about itself, without loading it.
//!
//! An extension tells CPython how it is made by the functions that it calls, and those are in its
//! dynamic symbol table. Nothing of the file runs here, so a broken one is an error and no crash.

use std::collections::HashSet;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use elf::abi;
use elf::endian::NativeEndian;
use elf::{ElfStream, ParseError};

/// How an extension gives its module to CPython (PEP 489).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Initialization {
    /// In two steps: a definition first, of which each interpreter makes a module.
    MultiPhase,
    /// In one: its `PyInit_…` returns a module that is made.
    SinglePhase,
    /// The file does not show it: it calls neither `PyModuleDef_Init` nor `PyModule_Create2`. Such is
    /// one that has its module from another extension, as mypyc's are.
    Unknown,
}

/// What the file of an extension module says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension {
    path: PathBuf,
    initialization: Initialization,
    init_functions: Vec<String>,
    uses_gil_state: bool,
    has_static_tls: bool,
    libraries: Vec<Library>,
    layout: Layout,
}

/// Where in the file is what loading it takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Layout {
    /// What is loaded, as offsets. The rest of the file (debug information, the table of sections) is for
    /// other tools.
    pub(crate) segments: Vec<Range<u64>>,
    /// The offsets of the bytes that say "one for the whole process" of a symbol (`STB_GNU_UNIQUE`), as
    /// g++ does for statics of templates and of inline functions.
    pub(crate) unique_symbols: Vec<u64>,
    /// The offsets of the entries of the symbols that a private copy finds replaced.
    pub(crate) replaceable: Vec<(&'static str, u64)>,
    /// How much memory its variables take, in bytes.
    pub(crate) writable: u64,
}

impl Layout {
    /// Whether so many bytes from there on are loaded.
    fn holds(&self, start: u64, n: u64) -> bool {
        let end = start.saturating_add(n);
        let mut segments = self.segments.iter();
        segments.any(|segment| segment.start <= start && end <= segment.end)
    }
}

/// The largest file that is looked at. Code reaches two GiB of code and data, and the rest is for debuggers.
const LARGEST: u64 = 16 << 30;

/// A shared library that an extension needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Library {
    name: String,
    path: Option<PathBuf>,
    uses_python: bool,
}

/// Why a file tells nothing.
#[derive(Debug)]
#[non_exhaustive]
pub enum ExtensionError {
    /// It could not be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// It is no ELF file: empty, cut off, of another system.
    NotElf {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// It is for another machine than this one.
    OtherMachine {
        /// The file.
        path: PathBuf,
        /// The number of that machine in ELF's list.
        machine: u16,
    },
    /// It is no extension module: nothing in it is called `PyInit_…`.
    NoInitFunction {
        /// The file.
        path: PathBuf,
    },
    /// It is an extension module for Python 3.15 or later: it has a `PyModExport_…` alone (PEP 793).
    NewerPython {
        /// The file.
        path: PathBuf,
    },
}

impl Extension {
    /// Reads what a file says about itself, and finds the libraries that came with it.
    ///
    /// # Errors
    ///
    /// [`ExtensionError`]: what cannot be an extension module of this machine.
    pub fn read(path: &Path) -> Result<Extension, ExtensionError> {
        let file = SharedObject::read(path)?;
        let is_init = |name: &String| name.starts_with("PyInit_") || name.starts_with("PyInitU_");
        let exports = file.exports.iter();
        let (slots, others): (Vec<_>, Vec<_>) = exports.partition(|name| gives_slots(name));
        let slots = slots.into_iter();
        let init_functions: Vec<String> = slots
            .clone()
            .filter(|_| cfg!(Py_3_15))
            .chain(others.into_iter().filter(|name| is_init(name)))
            .cloned()
            .collect();
        if init_functions.is_empty() {
            let path = path.to_owned();
            return Err(match slots.len() {
                0 => ExtensionError::NoInitFunction { path },
                _ => ExtensionError::NewerPython { path },
            });
        }
        let initialization = if gives_slots(&init_functions[0]) || file.imports("PyModuleDef_Init")
        {
            Initialization::MultiPhase
        } else if file.imports("PyModule_Create2") {
            Initialization::SinglePhase
        } else {
            Initialization::Unknown
        };
        let mut libraries = Vec::new();
        add_libraries(&file, &mut libraries);
        Ok(Extension {
            path: path.to_owned(),
            initialization,
            init_functions,
            uses_gil_state: file.imports("PyGILState_Ensure"),
            has_static_tls: file.has_static_tls,
            libraries,
            layout: file.layout,
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How it gives its module.
    pub fn initialization(&self) -> Initialization {
        self.initialization
    }

    /// The functions by which this version of Python can import it: `PyInit_name`, or `PyInitU_` and punycode;
    /// before them from 3.15 on `PyModExport_name` and `PyModExportU_` (PEP 793).
    ///
    /// There are several where one file holds several modules.
    pub fn init_functions(&self) -> &[String] {
        &self.init_functions
    }

    /// Whether it calls `PyGILState_Ensure`, which attaches a thread that Python does not know to the
    /// main interpreter, whichever was meant.
    ///
    /// Many extensions have such a call and never make it on a thread of their own.
    pub fn uses_gil_state(&self) -> bool {
        self.uses_gil_state
    }

    /// Whether each loaded copy takes room from the small reserve for thread-local data that all threads
    /// have from their start (`DF_STATIC_TLS`).
    pub fn has_static_tls(&self) -> bool {
        self.has_static_tls
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The shared libraries that it needs; of those that came with the package, what they need as well.
    pub fn libraries(&self) -> &[Library] {
        &self.libraries
    }
}

impl Library {
    /// The name by which it is asked for: `libopenblas.so.0`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it is, if it came with the package; `None` leaves it to the system's loader.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Whether it calls Python's C API itself, so that it may keep Python objects.
    ///
    /// Known of those alone that have a [`path`](Library::path).
    pub fn uses_python(&self) -> bool {
        self.uses_python
    }
}

/// Whether a function of that name gives the slots of a module (PEP 793).
pub(crate) fn gives_slots(function: &str) -> bool {
    function.starts_with("PyModExport_") || function.starts_with("PyModExportU_")
}

/// Functions of CPython's that a private copy may have to find others in place of.
const REPLACEABLE: [&str; 6] = [
    "PyGILState_Check",
    "PyGILState_Ensure",
    "PyGILState_GetThisThreadState",
    "PyGILState_Release",
    "PyModule_FromDefAndSpec2",
    "PyModule_FromSlotsAndSpec",
];

/// What is read of any shared object.
struct SharedObject {
    path: PathBuf,
    imports: HashSet<String>,
    exports: Vec<String>,
    needed: Vec<String>,
    /// Where it has its libraries looked for: `DT_RUNPATH`, or else `DT_RPATH`.
    run_path: String,
    has_static_tls: bool,
    layout: Layout,
}

impl SharedObject {
    fn read(path: &Path) -> Result<SharedObject, ExtensionError> {
        let unreadable = |error| ExtensionError::Unreadable {
            path: path.to_owned(),
            error,
        };
        // Opening a named pipe waits for who writes to it.
        let metadata = fs::metadata(path).map_err(unreadable)?;
        if metadata.is_dir() {
            return Err(unreadable(io::ErrorKind::IsADirectory.into()));
        }
        let not_elf = |reason: String| ExtensionError::NotElf {
            path: path.to_owned(),
            reason,
        };
        if !metadata.is_file() || metadata.len() > LARGEST {
            return Err(not_elf("it is no file of code".to_owned()));
        }
        let file = File::open(path).map_err(unreadable)?;
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
            return Err(not_elf("it is no shared object".to_owned()));
        }
        let object = SharedObject::parse(&mut elf, path, metadata.len());
        object.map_err(|error| not_elf(error.to_string()))
    }

    fn parse(
        elf: &mut ElfStream<NativeEndian, File>,
        path: &Path,
        length: u64,
    ) -> Result<SharedObject, ParseError> {
        let mut object = SharedObject {
            path: path.to_owned(),
            imports: HashSet::new(),
            exports: Vec::new(),
            needed: Vec::new(),
            run_path: String::new(),
            has_static_tls: false,
            layout: Layout::default(),
        };
        for segment in elf
            .segments()
            .iter()
            .filter(|one| one.p_type == abi::PT_LOAD)
        {
            let end = segment.p_offset.saturating_add(segment.p_filesz);
            if end > length {
                return Err(ParseError::BadOffset(end));
            }
            object.layout.segments.push(segment.p_offset..end);
            if segment.p_flags & abi::PF_W != 0 {
                let writable = &mut object.layout.writable;
                *writable = writable.saturating_add(segment.p_memsz);
            }
        }
        let table = elf
            .section_headers()
            .iter()
            .find(|one| one.sh_type == abi::SHT_DYNSYM);
        let (start, size, address) = table.map_or((0, 0, 0), |table| {
            (table.sh_offset, table.sh_entsize, table.sh_addr)
        });
        let entries: Vec<(i64, u64)> = match elf.dynamic()? {
            Some(table) => table
                .iter()
                .map(|entry| (entry.d_tag, entry.d_val()))
                .collect(),
            None => Vec::new(),
        };
        let Some((symbols, names)) = elf.dynamic_symbol_table()? else {
            return Ok(object);
        };
        for (number, symbol) in symbols.iter().enumerate() {
            let name = names.get(symbol.st_name as usize)?;
            if symbol.is_undefined() {
                object.imports.insert(name.to_owned());
            } else if symbol.st_bind() != abi::STB_LOCAL {
                object.exports.push(name.to_owned());
            }
            // The crate has found the table within the file, and its entries to have the right size.
            let entry = start + size * number as u64;
            if let Some(name) = REPLACEABLE.iter().find(|known| **known == name) {
                object.layout.replaceable.push((name, entry));
            }
            if symbol.st_bind() == abi::STB_GNU_UNIQUE {
                // Elf64_Sym starts with four bytes for the name, then comes this one.
                object.layout.unique_symbols.push(entry + 4);
            }
        }
        // The loader goes by addresses, and what it reads must be what was read here.
        let is_this = |&(tag, value): &(i64, u64)| tag == abi::DT_SYMTAB && value == address;
        if !entries.iter().any(is_this) || !object.layout.holds(start, size * symbols.len() as u64)
        {
            return Err(ParseError::BadOffset(start));
        }
        object.exports.sort_unstable();
        object.exports.dedup();
        let mut old_run_path = "";
        for (tag, value) in entries {
            let text = || names.get(value as usize);
            match tag {
                abi::DT_NEEDED => object.needed.push(text()?.to_owned()),
                abi::DT_RUNPATH => object.run_path = text()?.to_owned(),
                abi::DT_RPATH => old_run_path = text()?,
                abi::DT_FLAGS => object.has_static_tls = value as i64 & abi::DF_STATIC_TLS != 0,
                _ => {}
            }
        }
        if object.run_path.is_empty() {
            object.run_path = old_run_path.to_owned();
        }
        Ok(object)
    }

    fn imports(&self, name: &str) -> bool {
        self.imports.contains(name)
    }

    fn imports_python(&self) -> bool {
        let is_python = |name: &String| {
            let name = name.strip_prefix('_').unwrap_or(name);
            let after = name.strip_prefix("Py");
            after.is_some_and(|after| {
                after.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
            })
        };
        self.imports.iter().any(is_python)
    }

    /// The file of that name which came with this one.
    ///
    /// What `LD_LIBRARY_PATH` names is left to the system's loader, and so are its own folders.
    fn find(&self, name: &str) -> Option<PathBuf> {
        let folder = self.path.parent()?;
        let origin = folder.to_str()?;
        let named = self.run_path.split(':').filter(|path| !path.is_empty());
        let named = named.map(|path| {
            let path = path
                .replace("${ORIGIN}", "$ORIGIN")
                .replace("$ORIGIN", origin);
            PathBuf::from(path)
        });
        // A package may also load what lies there by itself, and name no path: `numpy.libs` is beside
        // `numpy`, and `.libs` was inside of it once.
        let beside = folder.ancestors().take(5).flat_map(|folder| {
            let name = folder.file_name().map(|name| {
                let mut name = name.to_owned();
                name.push(".libs");
                folder.with_file_name(name)
            });
            name.into_iter().chain([folder.join(".libs")])
        });
        let found = named.chain(beside).map(|folder| folder.join(name));
        found
            .filter(|path| path.is_file())
            .find_map(|path| path.canonicalize().ok())
    }
}

/// Adds what the object needs, and what that needs in turn where it came with the package.
fn add_libraries(object: &SharedObject, found: &mut Vec<Library>) {
    for name in &object.needed {
        if found.iter().any(|library| library.name == *name) {
            continue;
        }
        let path = object.find(name);
        // One that is broken is told by the loader, in its own words.
        let read = path
            .as_deref()
            .and_then(|path| SharedObject::read(path).ok());
        found.push(Library {
            name: name.clone(),
            path,
            uses_python: read.as_ref().is_some_and(SharedObject::imports_python),
        });
        if let Some(read) = read {
            add_libraries(&read, found);
        }
    }
}

/// This machine in ELF's list, where it is one of those that matter here.
const MACHINE: Option<u16> = if cfg!(target_arch = "x86_64") {
    Some(abi::EM_X86_64)
} else if cfg!(target_arch = "aarch64") {
    Some(abi::EM_AARCH64)
} else {
    None
};

impl fmt::Display for ExtensionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExtensionError::Unreadable { path, error } => {
                write!(f, "{} cannot be read: {error}", path.display())
            }
            ExtensionError::NotElf { path, reason } => {
                write!(f, "{} is no extension module: {reason}", path.display())
            }
            ExtensionError::OtherMachine { path, machine } => write!(
                f,
                "{} is for another machine (number {machine} of ELF's list)",
                path.display()
            ),
            ExtensionError::NoInitFunction { path } => write!(
                f,
                "{} is no extension module: it has no function PyInit_…",
                path.display()
            ),
            ExtensionError::NewerPython { path } => write!(
                f,
                "{} is for Python 3.15 or later: it has a function PyModExport_… and no PyInit_…",
                path.display()
            ),
        }
    }
}

impl std::error::Error for ExtensionError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ExtensionError::Unreadable { error, .. } => Some(error),
            _ => None,
        }
    }
}
