//! What extension files say of themselves, on files that these tests make with the C compiler.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use owngil_ffi::{Extension, ExtensionError, Initialization};

/// An empty folder of that name, which the build throws away.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("extension")
        .join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Makes a shared object of a C text.
fn compile(path: &Path, source: &str, arguments: &[&str]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let text = path.with_extension("c");
    fs::write(&text, source).unwrap();
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-Wl,--no-as-needed", "-o"])
        .arg(path)
        .arg(&text);
    let done = cc.args(arguments).status().unwrap();
    assert!(done.success(), "{}", path.display());
}

#[test]
fn a_file_for_newer_pythons_alone_says_so() {
    let path = folder("newer").join("newer.so");
    let source =
        "void *PyModExport_newer(void) { return 0; } void *PyModExportU_x(void) { return 0; }";
    compile(&path, source, &[]);
    let read = Extension::read(&path);
    if cfg!(Py_3_15) {
        let read = read.unwrap();
        assert_eq!(read.initialization(), Initialization::MultiPhase);
        assert_eq!(
            read.init_functions(),
            ["PyModExportU_x", "PyModExport_newer"]
        );
    } else {
        assert!(matches!(read, Err(ExtensionError::NewerPython { .. })));
        assert!(
            read.unwrap_err()
                .to_string()
                .contains("Python 3.15 or later")
        );
    }
    // Who has both is asked for the newer one first.
    let both = format!("{source} {MULTI}");
    compile(&path, &both, &[]);
    let functions = Extension::read(&path).unwrap();
    let first = &functions.init_functions()[0];
    assert_eq!(first.starts_with("PyModExport"), cfg!(Py_3_15), "{first}");
}

const MULTI: &str = "void *PyModuleDef_Init(void *); void *PyModule_Create2(void *, int);
    void *PyInit_multi(void) { return PyModuleDef_Init(PyModule_Create2(0, 0)); }";
const SINGLE: &str = "void *PyModule_Create2(void *, int); int PyGILState_Ensure(void);
    __thread int local __attribute__((tls_model(\"initial-exec\")));
    void *PyInit_single(void) { local = PyGILState_Ensure(); return PyModule_Create2(0, 0); }
    void *PyInitU_xn__hxa(void) { return 0; }
    static void *PyInit_hidden(void) { return 0; }
    void *(*keep)(void) = PyInit_hidden;";

#[test]
fn the_symbol_table_tells_how_a_module_is_made() {
    let folder = folder("kinds");
    let path = folder.join("multi.so");
    compile(&path, MULTI, &[]);
    let multi = Extension::read(&path).unwrap();
    assert_eq!(multi.initialization(), Initialization::MultiPhase);
    assert_eq!(multi.init_functions(), ["PyInit_multi"]);
    assert!(!multi.uses_gil_state() && !multi.has_static_tls());

    let path = folder.join("single.so");
    compile(&path, SINGLE, &[]);
    let single = Extension::read(&path).unwrap();
    assert_eq!(single.initialization(), Initialization::SinglePhase);
    assert_eq!(
        single.init_functions(),
        ["PyInitU_xn__hxa", "PyInit_single"]
    );
    assert!(single.uses_gil_state() && single.has_static_tls());

    let path = folder.join("shim.so");
    compile(&path, "void *PyInit_shim(void) { return 0; }", &[]);
    let shim = Extension::read(&path).unwrap();
    assert_eq!(shim.initialization(), Initialization::Unknown);
}

#[test]
fn libraries_that_came_along_are_found_and_asked_whether_they_use_python() {
    let folder = folder("libraries");
    let (package, libs) = (folder.join("pack"), folder.join("pack.libs"));
    let plain = libs.join("libplain.so");
    compile(
        &plain,
        "int plain(void) { return 1; }",
        &["-Wl,-soname,libplain.so"],
    );
    let python = libs.join("libpython_user.so");
    let source = "void Py_IncRef(void *); void user(void) { Py_IncRef(0); }";
    let needs_plain = [
        "-Wl,-rpath,$ORIGIN",
        plain.to_str().unwrap(),
        "-Wl,-soname,libpython_user.so",
    ];
    compile(&python, source, &needs_plain);
    // Two modules of the package: one names the folder, the other counts on it.
    for (name, run_path) in [
        ("named", "-Wl,-rpath,$ORIGIN/../pack.libs"),
        ("unnamed", "-Wl,-rpath,"),
    ] {
        let path = package.join(name).with_extension("so");
        compile(&path, MULTI, &[run_path, python.to_str().unwrap()]);
        let extension = Extension::read(&path).unwrap();
        let libraries = extension.libraries();
        let found: Vec<_> = libraries
            .iter()
            .filter(|library| library.path().is_some())
            .map(|library| {
                (
                    library.name(),
                    library.path().unwrap(),
                    library.uses_python(),
                )
            })
            .collect();
        let (plain, python) = (
            plain.canonicalize().unwrap(),
            python.canonicalize().unwrap(),
        );
        let expected = [
            ("libpython_user.so", &*python, true),
            ("libplain.so", &*plain, false),
        ];
        assert_eq!(found, expected, "{name}");
        let of_the_system = libraries
            .iter()
            .find(|one| one.name().starts_with("libc.so"));
        assert!(of_the_system.is_some_and(|library| library.path().is_none()));
    }
}

#[test]
fn a_file_that_is_no_extension_is_an_error_that_says_why() {
    let folder = folder("errors");
    let missing = Extension::read(&folder.join("missing.so"));
    assert!(
        matches!(missing, Err(ExtensionError::Unreadable { .. })),
        "{missing:?}"
    );
    let itself = Extension::read(&folder);
    assert!(
        matches!(itself, Err(ExtensionError::Unreadable { .. })),
        "{itself:?}"
    );
    let path = folder.join("library.so");
    compile(&path, "int f(void) { return 1; }", &[]);
    let library = Extension::read(&path);
    assert!(
        matches!(library, Err(ExtensionError::NoInitFunction { .. })),
        "{library:?}"
    );
    // Opening a named pipe would wait for ever.
    let pipe = folder.join("pipe.so");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let read = Extension::read(&pipe);
    assert!(
        matches!(read, Err(ExtensionError::NotElf { .. })),
        "{read:?}"
    );
}

/// A folder, and the bytes of an extension that was compiled there.
fn whole_extension(name: &str) -> (PathBuf, Vec<u8>) {
    let folder = folder(name);
    let path = folder.join("whole.so");
    compile(&path, MULTI, &[]);
    let whole = fs::read(path).unwrap();
    (folder, whole)
}

fn n_headers(whole: &[u8]) -> usize {
    usize::from(u16::from_ne_bytes([whole[56], whole[57]]))
}

#[test]
fn a_file_that_is_not_elf_for_this_machine_is_an_error() {
    let (folder, whole) = whole_extension("not_elf");
    let text = folder.join("text.so");
    // A text, an empty file, one that is cut off at each of many places, and a program.
    let mut broken: Vec<Vec<u8>> = vec![b"import this\n".repeat(20), Vec::new()];
    broken.extend((1..40).map(|part| whole[..whole.len() * part / 40].to_vec()));
    broken.push(fs::read(std::env::current_exe().unwrap()).unwrap()[..100].to_vec());
    for bytes in broken {
        fs::write(&text, &bytes).unwrap();
        let read = Extension::read(&text);
        assert!(
            matches!(read, Err(ExtensionError::NotElf { .. })),
            "{} bytes: {read:?}",
            bytes.len()
        );
        assert!(read.unwrap_err().to_string().contains("text.so"));
    }
    // The machine is a number at a fixed place of the header.
    let mut other = whole.clone();
    other[18] = 0xf3;
    fs::write(&text, &other).unwrap();
    let read = Extension::read(&text);
    assert!(
        matches!(
            read,
            Err(ExtensionError::OtherMachine { machine: 0xf3, .. })
        ),
        "{read:?}"
    );
}

#[test]
fn headers_that_contradict_the_file_are_an_error() {
    let (folder, whole) = whole_extension("headers");
    let text = folder.join("text.so");
    // A part that is loaded and lies beyond the file's end: the lengths of the first four parts.
    let is_loaded = |header: &usize| whole[*header..*header + 4] == 1_u32.to_ne_bytes();
    let headers: Vec<usize> = (0..n_headers(&whole))
        .map(|n| 64 + 56 * n)
        .filter(is_loaded)
        .collect();
    assert!(headers.len() > 1);
    for at in headers.iter().map(|header| header + 32) {
        let mut huge = whole.clone();
        huge[at..at + 8].copy_from_slice(&(1_u64 << 44).to_ne_bytes());
        fs::write(&text, &huge).unwrap();
        let read = Extension::read(&text);
        assert!(
            matches!(read, Err(ExtensionError::NotElf { .. })),
            "{read:?}"
        );
    }
    // What is written to a copy must be what the loader reads: symbols that lie in no loaded part do not.
    let mut unloaded = whole.clone();
    for header in &headers {
        unloaded[*header..*header + 4].copy_from_slice(&4_u32.to_ne_bytes());
    }
    fs::write(&text, &unloaded).unwrap();
    let read = Extension::read(&text);
    assert!(
        matches!(read, Err(ExtensionError::NotElf { .. })),
        "{read:?}"
    );
}

#[test]
fn damage_is_an_error_or_another_answer_and_no_panic() {
    let (folder, whole) = whole_extension("damage");
    let text = folder.join("text.so");
    // Any byte that is wrong.
    for at in (0..whole.len()).step_by(5) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0xff;
        fs::write(&text, &damaged).unwrap();
        let _ = Extension::read(&text);
    }
    // Numbers at the ends of their ranges, anywhere in the headers.
    for at in (0..64 + 56 * n_headers(&whole)).step_by(4) {
        for number in [0, 1, u64::MAX, 1 << 63, 1 << 44, u64::MAX - 24] {
            let mut damaged = whole.clone();
            damaged[at..at + 8].copy_from_slice(&number.to_ne_bytes());
            fs::write(&text, &damaged).unwrap();
            let _ = Extension::read(&text);
        }
    }
}
