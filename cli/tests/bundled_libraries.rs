//! Libraries that come with extension modules: in private copies, what a library keeps belongs to one interpreter.
//!
//! Each test has four interpreters count at once, in a library that the C compiler makes here.

#![cfg(not(Py_GIL_DISABLED))]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use owngil::{Error, Extensions, Function, Interpreter, Pool, PythonError, Refusal};

/// How often each interpreter counts.
const N: i64 = 200_000;

/// A library that counts, and what it counts in is its own.
const COUNTER: &str = "static long counted; long library_count(void) { return ++counted; }";

/// A variable as g++ makes those of which a process has one, whichever libraries have it.
const SINGLETON: &str = "__asm__(\".pushsection .bss; .globl singleton; .type singleton, @gnu_unique_object; \
    .size singleton, 8; singleton: .zero 8; .popsection\"); extern long singleton;";

/// A folder of libraries and extensions.
struct Bench(PathBuf);

impl Bench {
    /// An empty one.
    fn new(name: &str) -> Bench {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join("bundled_libraries")
            .join(name);
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        Bench(folder)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    fn compile(&self, name: &str, source: &str, arguments: &[&str]) -> String {
        let path = self.path(name);
        std::fs::create_dir_all(Path::new(&path).parent().unwrap()).unwrap();
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-O1", "-Wl,--no-as-needed", "-o", &path]);
        let done = cc.arg(source).args(arguments).status().unwrap();
        assert!(done.success(), "{name}");
        path
    }

    /// Makes a library of a C text. Its name is that of its file.
    fn library(&self, name: &str, text: &str, arguments: &[&str]) -> String {
        let soname = format!("-Wl,-soname,{}", name.rsplit('/').next().unwrap());
        self.nameless_library(name, text, &[arguments, &[&soname]].concat())
    }

    /// As [`library`](Bench::library), without a name of its own.
    fn nameless_library(&self, name: &str, text: &str, arguments: &[&str]) -> String {
        let source = self.path("source.c");
        std::fs::write(&source, text).unwrap();
        self.compile(name, &source, arguments)
    }

    /// Makes an extension that counts by that function.
    fn extension(&self, name: &str, function: &str, arguments: &[&str]) -> String {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/c/counting.c");
        let defined = [
            format!("-I{}", include()),
            format!("-DNAME=PyInit_{name}"),
            format!("-DCOUNT={function}"),
        ];
        let defined: Vec<&str> = defined.iter().map(String::as_str).collect();
        let file = format!("{name}.so");
        self.compile(
            &file,
            source.to_str().unwrap(),
            &[&defined, arguments].concat(),
        )
    }

    /// Has four interpreters count at once, twice, by that extension.
    fn count(&self, name: &str) -> Vec<Result<i64, Error>> {
        let pool = pool();
        let arguments = (self.path(""), name, N);
        pool.broadcast::<i64, _>(&function("count"), arguments)
            .unwrap();
        pool.broadcast(&function("count"), (self.path(""), name, N))
            .unwrap()
    }

    /// Each interpreter has a library of its own.
    fn assert_private(&self, name: &str) {
        let found = self.count(name);
        assert!(found.iter().all(|found| *found == Ok(2 * N)), "{found:?}");
    }

    /// Has four interpreters count at once by two extensions in turns, and gives what the second one counted.
    fn interleaved(&self, first: &str, second: &str) -> Vec<Result<i64, Error>> {
        let arguments = (self.path(""), first, second, N);
        pool()
            .broadcast(&function("count_in_turns"), arguments)
            .unwrap()
    }

    /// The reason why it is refused.
    fn refused(&self, name: &str) -> PythonError {
        let found = pool().call::<i64, _>(&function("count"), (self.path(""), name, 1));
        let Err(Error::Python(error)) = found else {
            panic!("{found:?}")
        };
        assert_eq!(error.refusal(), Some(Refusal::PrivateCopy), "{error}");
        error
    }
}

fn include() -> &'static str {
    static INCLUDE: OnceLock<String> = OnceLock::new();
    INCLUDE.get_or_init(|| {
        let found = Interpreter::scope(|python| {
            python.exec("import sysconfig")?;
            python.eval("sysconfig.get_path('include')")
        });
        found.unwrap()
    })
}

fn function(name: &str) -> Function {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bundled_libraries.py");
    Function::at(format!("{script}:{name}"))
}

fn pool() -> Pool {
    let builder = Pool::builder().workers(4);
    builder.extensions(Extensions::Private).build().unwrap()
}

const BESIDE: &str = "-Wl,-rpath,$ORIGIN";

#[test]
fn what_a_library_keeps_belongs_to_one_interpreter() {
    let bench = Bench::new("state");
    let library = bench.library("libcounter_state.so", COUNTER, &[]);
    bench.extension("state", "library_count", &[&library, BESIDE]);
    bench.assert_private("state");
}

#[test]
fn a_library_that_keeps_python_objects_is_copied_too() {
    let bench = Bench::new("objects");
    let text =
        "void *PyList_New(long); int PyList_Append(void *, void *); long PyList_Size(void *);
        extern char _Py_NoneStruct; static void *kept;
        long library_count(void) {
            if (!kept) kept = PyList_New(0);
            PyList_Append(kept, &_Py_NoneStruct);
            return PyList_Size(kept);
        }";
    let library = bench.library("libkeeper_of_objects.so", text, &[]);
    bench.extension("objects", "library_count", &[&library, BESIDE]);
    bench.assert_private("objects");
}

#[test]
fn libraries_need_libraries_and_inherit_the_path_of_those_that_need_them() {
    let bench = Bench::new("inherited");
    let inner = bench.library("libs/libinner_counter.so", COUNTER, &[]);
    let text = "long library_count(void); long outer_count(void) { return library_count(); }";
    let outer = bench.library("libs/libouter_counter.so", text, &[&inner]);
    // The old kind of path counts for what the libraries need, too.
    let path = ["-Wl,-rpath,$ORIGIN/libs", "-Wl,--disable-new-dtags"];
    let arguments = [&[outer.as_str()], &path[..]].concat();
    bench.extension("inherited", "outer_count", &arguments);
    bench.assert_private("inherited");
}

#[test]
fn symbols_with_versions_are_found_in_the_copy() {
    let bench = Bench::new("versions");
    let script = bench.path("versions.map");
    std::fs::write(&script, "COUNTER_1 { global: library_count; local: *; };").unwrap();
    let script = format!("-Wl,--version-script,{script}");
    let library = bench.library("libversioned_counter.so.1", COUNTER, &[&script]);
    bench.extension("versions", "library_count", &[&library, BESIDE]);
    bench.assert_private("versions");
}

#[test]
fn variables_of_threads_in_a_library_work() {
    let bench = Bench::new("threads");
    for (name, model) in [("general", "global-dynamic"), ("initial", "initial-exec")] {
        let text = format!(
            "static __thread long counted __attribute__((tls_model(\"{model}\"))); static long all;
             long library_count(void) {{ all++; return ++counted; }}"
        );
        let library = bench.library(&format!("libthreads_{name}.so"), &text, &[]);
        bench.extension(name, "library_count", &[&library, BESIDE]);
        bench.assert_private(name);
    }
}

#[test]
fn an_extension_that_is_needed_by_another_one_is_the_same_interpreters() {
    let bench = Bench::new("extensions");
    let first = ["-DOWN=alpha_count", "-Wl,-soname,alpha_of_bench.so"];
    let alpha = bench.extension("alpha_of_bench", "alpha_count", &first);
    // No path leads there: the loader would take what is loaded under that name, of whichever interpreter.
    bench.extension("beta_of_bench", "alpha_count", &[&alpha]);
    let script = "import alpha_of_bench, beta_of_bench\n\
                  def f(folder, n):\n    return [beta_of_bench.count() for _ in range(n)][-1] + 1 == alpha_of_bench.count()";
    let script = format!(
        "import sys\nsys.path.insert(0, {:?})\n{script}",
        bench.path("")
    );
    let found = pool().broadcast::<bool, _>(&Function::source(script, "f"), ("", N));
    let found = found.unwrap();
    assert!(found.iter().all(|found| *found == Ok(true)), "{found:?}");
}

#[test]
fn libraries_of_one_name_do_not_take_each_others_place() {
    let bench = Bench::new("one_name");
    let pool = pool();
    for (package, number) in [("one", 1), ("two", 2), ("three", 3)] {
        // Neither keeps anything, so each would be loaded once.
        let text = format!("long library_count(void) {{ return {number}; }}");
        let library = bench.library(&format!("{package}/libone_name.so.1"), &text, &[]);
        let path = format!("-Wl,-rpath,$ORIGIN/{package}");
        bench.extension(package, "library_count", &[&library, &path]);
        let arguments = (bench.path(""), package, 1);
        let found = pool
            .broadcast::<i64, _>(&function("count"), arguments)
            .unwrap();
        assert!(
            found.iter().all(|found| *found == Ok(number)),
            "{package}: {found:?}"
        );
    }
}

#[test]
#[cfg_attr(not(Py_3_13), ignore = "3.12 has no ctypes in interpreters")]
fn names_that_the_whole_process_sees_replace_none_of_a_copy() {
    let bench = Bench::new("global");
    let library = bench.library("libcounter_global.so", COUNTER, &[]);
    bench.extension("global_name", "library_count", &[&library, BESIDE]);
    let own = bench.extension("own_variable", "own_count", &["-DOWN=own_count"]);
    let text = "long library_count(void) { return -1; }";
    let other = bench.library("libother_global.so", text, &[]);
    for (seen_by_all, name) in [(&other, "global_name"), (&own, "own_variable")] {
        let arguments = (bench.path(""), seen_by_all, name, N);
        let pool = pool();
        let found = pool.broadcast::<i64, _>(&function("count_beside"), arguments);
        let found = found.unwrap();
        assert!(
            found.iter().all(|found| *found == Ok(N)),
            "{name}: {found:?}"
        );
    }
}

#[test]
fn what_is_loaded_may_have_another_extension_loaded() {
    let bench = Bench::new("constructor");
    let inner = bench.library("libcounter_inner.so", COUNTER, &[]);
    bench.extension("plain_inner", "library_count", &[&inner, BESIDE]);
    let at_load = [&*inner, BESIDE, "-DAT_LOAD=\"plain_inner\""];
    bench.extension("with_constructor", "library_count", &at_load);
    bench.assert_private("with_constructor");
}

#[test]
fn a_dynamic_section_without_room_is_enough() {
    let bench = Bench::new("full");
    let tags = "-Wl,--spare-dynamic-tags=0";
    let library = bench.library("libcounter_full.so", COUNTER, &[tags]);
    bench.extension("full_section", "library_count", &[&library, BESIDE, tags]);
    bench.assert_private("full_section");
}

#[test]
fn a_library_may_be_needed_by_another_name_than_its_own() {
    let bench = Bench::new("other_name");
    for (name, needed, own) in [
        ("shorter", "libother.so", "libthe_other_of_the_two.so.1"),
        ("longer", "libthe_one_of_the_two.so.1", "libone.so"),
    ] {
        let library = bench.library(needed, COUNTER, &[]);
        bench.extension(name, "library_count", &[&library, BESIDE]);
        bench.nameless_library(needed, COUNTER, &[&format!("-Wl,-soname,{own}")]);
        bench.assert_private(name);
    }
}

#[test]
fn modules_in_one_file_under_two_names_share_its_variables() {
    let bench = Bench::new("two_names");
    let library = bench.library("libcounter_two_names.so", COUNTER, &[]);
    let second = "-Wl,--defsym,PyInit_second_name=PyInit_first_name";
    bench.extension("first_name", "library_count", &[&library, BESIDE, second]);
    std::os::unix::fs::symlink("first_name.so", bench.path("second_name.so")).unwrap();
    let found = bench.interleaved("first_name", "second_name");
    assert!(found.iter().all(|found| *found == Ok(2 * N)), "{found:?}");
}

#[test]
fn a_singleton_is_one_for_an_extension_and_its_library() {
    let bench = Bench::new("singleton");
    // As g++ makes of `inline long singleton;`, here once in each.
    let text = format!("{SINGLETON} long library_count(void) {{ return ++singleton; }}");
    let library = bench.library("libcounter_singleton.so", &text, &[]);
    let own = bench.path("own.c");
    let text = format!("{SINGLETON} long own_count(void) {{ return ++singleton; }}");
    std::fs::write(&own, text).unwrap();
    let both = [library.as_str(), BESIDE];
    bench.extension(
        "of_extension",
        "own_count",
        &[&[own.as_str()], &both[..]].concat(),
    );
    bench.extension("of_library", "library_count", &both);
    let found = bench.interleaved("of_extension", "of_library");
    assert!(found.iter().all(|found| *found == Ok(2 * N)), "{found:?}");
}

#[test]
fn files_that_a_linker_lays_out_in_other_ways_are_copied() {
    let bench = Bench::new("layouts");
    let chosen = "static long counted; static long count(void) { return ++counted; }
        static void *choose(void) { return count; }
        long library_count(void) __attribute__((ifunc(\"choose\")));";
    for (name, text, argument) in [
        ("old_hashes", COUNTER, "-Wl,--hash-style=sysv"),
        ("new_hashes", COUNTER, "-Wl,--hash-style=gnu"),
        ("few_segments", COUNTER, "-Wl,-z,noseparate-code"),
        ("bound_at_once", COUNTER, "-Wl,-z,now"),
        ("bound_late", COUNTER, "-Wl,-z,lazy"),
        ("first_of_all", COUNTER, "-Wl,-z,initfirst"),
        ("before_others", COUNTER, "-Wl,-z,interpose"),
        ("stripped", COUNTER, "-Wl,-s"),
        ("chosen_at_load", chosen, "-Wl,-z,now"),
    ] {
        let library = bench.library(&format!("libcounter_{name}.so"), text, &[argument]);
        bench.extension(name, "library_count", &[&library, BESIDE, argument]);
        bench.assert_private(name);
    }
}

#[test]
fn what_cannot_be_kept_apart_is_refused_with_a_reason() {
    let bench = Bench::new("refused");
    let nameless = bench.nameless_library("libnameless.so", COUNTER, &[]);
    let folder = bench.path("");
    let (folder, name) = (format!("-L{folder}"), format!("-l:{}", "libnameless.so"));
    assert!(Path::new(&nameless).is_file());
    bench.extension("nameless", "library_count", &[&folder, &name, BESIDE]);
    let error = bench.refused("nameless");
    assert!(
        error
            .message()
            .contains("libnameless.so, which it needs, has no name"),
        "{error}"
    );

    // Each needs the other, so neither can be there first.
    let text =
        "long second(void); static long n; long library_count(void) { return n += second(); }";
    bench.library("libfirst_of_two.so", text, &["-Wl,--allow-shlib-undefined"]);
    let first = bench.path("libfirst_of_two.so");
    let text = "long library_count(void); static long n; long second(void) { return n ? library_count() : ++n; }";
    let second = bench.library("libsecond_of_two.so", text, &[&first, BESIDE]);
    let text =
        "long second(void); static long n; long library_count(void) { return n += second(); }";
    bench.library("libfirst_of_two.so", text, &[&second, BESIDE]);
    bench.extension("circle", "library_count", &[&first, BESIDE]);
    let error = bench.refused("circle");
    assert!(error.message().contains("need each other"), "{error}");
}

#[test]
fn a_library_that_is_needed_by_its_path_is_not_shared() {
    let bench = Bench::new("by_path");
    let library = bench.nameless_library("elsewhere/libby_path.so", COUNTER, &[]);
    bench.extension("by_path", "library_count", &[&library]);
    let error = bench.refused("by_path");
    assert!(error.message().contains("has no name"), "{error}");
}

#[test]
fn a_library_that_another_one_stands_in_for_is_not_shared() {
    let bench = Bench::new("filter");
    let hidden = bench.library("libstands_in.so", COUNTER, &[]);
    let text = "long library_count(void) { return -1; }";
    for (name, how) in [("filter", "-F"), ("auxiliary", "-f")] {
        let stands_in = format!("-Wl,{how},{hidden}");
        let library = bench.library(&format!("lib{name}_of_bench.so"), text, &[&stands_in]);
        bench.extension(name, "library_count", &[&library, BESIDE]);
        let error = bench.refused(name);
        assert!(error.message().contains("stand in"), "{error}");
    }
}

#[test]
fn a_library_that_needs_its_extension_is_refused() {
    let bench = Bench::new("back");
    let text = "long own_count(void); static long n; long library_count(void) { return n += own_count(); }";
    let library = bench.library("libneeds_back.so", text, &[]);
    let arguments = [&*library, BESIDE, "-DOWN=own_count"];
    bench.extension("needed_back", "library_count", &arguments);
    let error = bench.refused("needed_back");
    assert!(
        error.message().contains("undefined symbol: own_count"),
        "{error}"
    );
}

#[test]
fn a_library_of_the_systems_folders_is_not_shared_with_python_objects_in_it() {
    let bench = Bench::new("system");
    let text = "void Py_IncRef(void *); static long n; long library_count(void) { Py_IncRef(0); return ++n; }";
    bench.library("system/libof_system.so", text, &[]);
    bench.nameless_library("system/libof_system_nameless.so", text, &[]);
    for name in ["of_system", "of_system_nameless"] {
        let folder = format!("-L{}", bench.path("system"));
        bench.extension(name, "library_count", &[&folder, &format!("-l{name}")]);
    }
    // Where libraries of the system are is asked once, when a process begins.
    let map = |name: &str| {
        let mut owngil = Command::new(env!("CARGO_BIN_EXE_owngil"));
        let code = format!(
            "import {name}, os\ndef f(x): return [{name}.count() for _ in range(1000)][-1] % 1000, os.getpid()"
        );
        owngil.args([
            "map",
            "-j4",
            "--chunk=1",
            "--backend=interpreter",
            "--extensions=private",
            "-c",
            &code,
        ]);
        owngil
            .args(["1", "2", "3", "4", "5", "6"])
            .current_dir(bench.path(""));
        owngil
            .env("LD_LIBRARY_PATH", bench.path("system"))
            .env("PYTHONPATH", bench.path(""));
        let output = owngil.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (text(&output.stdout), text(&output.stderr))
    };
    let (found, errors) = map("of_system");
    assert_eq!(
        found.lines().filter(|line| line.starts_with("[0,")).count(),
        6,
        "{found}{errors}"
    );
    let (found, errors) = map("of_system_nameless");
    assert!(
        found.is_empty() && errors.contains("has no name (SONAME)"),
        "{found}{errors}"
    );
}
