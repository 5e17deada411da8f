//! Site: what Python runs when it starts (`.pth` files, `sitecustomize`), in interpreters and where it cannot run there.

#![cfg(target_os = "linux")]
#![cfg(not(Py_GIL_DISABLED))]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use owngil::Interpreter;
use tempfile::TempDir;

/// An environment of its own: the user's folder of packages, with one whose extension refuses interpreters.
struct Environment {
    folder: TempDir,
    packages: PathBuf,
}

impl Environment {
    fn new(files: &[(&str, &str)]) -> Environment {
        let folder = tempfile::tempdir().unwrap();
        let (include, packages) = Interpreter::scope(|python| {
            python.exec("import sys, sysconfig")?;
            python.eval::<(String, String)>(
                "(sysconfig.get_path('include'), 'lib/python%d.%d/site-packages' % sys.version_info[:2])",
            )
        })
        .unwrap();
        let packages = folder.path().join(packages);
        fs::create_dir_all(folder.path().join("more")).unwrap();
        fs::create_dir_all(&packages).unwrap();
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-o"])
            .arg(packages.join("single.so"))
            .arg(format!("-I{include}"))
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/c/single.c"));
        assert!(cc.status().unwrap().success());
        let environment = Environment { folder, packages };
        environment.write("more/further.py", "ready = True\n");
        for (name, text) in files {
            let text = text.replace("MORE", &environment.path("more").to_string_lossy());
            fs::write(environment.packages.join(name), text).unwrap();
        }
        environment
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn map(&self, options: &[&str], body: &str) -> Output {
        self.write("job.py", &format!("import sys\ndef f(x):\n    {body}\n"));
        self.command(options).output().unwrap()
    }

    /// Four calls of what is in job.py.
    fn command(&self, options: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_owngil"));
        command
            .args(["map", "-k", "-j2", "--chunk", "1"])
            .args(options);
        command.arg(format!("{}:f", self.path("job.py").display()));
        command.args(["1", "2", "3", "4"]);
        command.env("PYTHONUSERBASE", self.folder.path());
        command
            .env_remove("VIRTUAL_ENV")
            .env_remove("PYTHONNOUSERSITE")
            .env_remove("PYTHONDONTWRITEBYTECODE");
        command
    }

    /// What four calls give, and what the command says of it.
    fn gives(&self, options: &[&str], body: &str) -> (String, String) {
        let output = self.map(options, body);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let (values, said) = (text(output.stdout), text(output.stderr));
        assert!(output.status.success(), "{said}");
        (values, said)
    }
}

const TRUE: &str = "true\ntrue\ntrue\ntrue\n";

#[test]
fn what_a_hook_needs_and_an_interpreter_refuses_moves_the_call_with_one_note() {
    for (name, hook) in [
        ("a.pth", "import single"),
        (
            "a.pth",
            "import os; p = os.fork(); p or os._exit(0); os.waitpid(p, 0)",
        ),
        (
            "single",
            "import sys; exec('try: import single\\nexcept ImportError: pass')",
        ),
    ] {
        let pth = format!("import sys; sys.hook = 1\n{hook}\nMORE\n");
        let environment = Environment::new(&[("a.pth", &pth)]);
        let body = "import further; return further.ready and sys.hook == 1";
        let (values, said) = environment.gives(&[], body);
        assert_eq!(values, TRUE, "{hook}{said}");
        assert!(
            !said.contains("Traceback") && !said.contains("Error processing"),
            "{said}"
        );
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains("runs in worker processes"), "{said}");
        assert!(said.contains(name), "{said}");
    }
}

#[test]
fn sitecustomize_moves_it_too() {
    for hook in [
        "import single",
        "try: import single\nexcept ImportError: pass",
    ] {
        let text = format!("import sys\n{hook}\nsys.hook = True\n");
        let environment = Environment::new(&[("usercustomize.py", &text)]);
        let (values, said) = environment.gives(&[], "return sys.hook and 'single' in sys.modules");
        assert_eq!(values, TRUE, "{hook}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
#[cfg_attr(not(Py_3_13), ignore = "3.12: `ctypes` itself is refused")]
fn a_library_that_a_hook_loads_is_a_packages_all_the_same() {
    let hook = "import ctypes; ctypes.CDLL('MORE/../packages.so')\n";
    let environment = Environment::new(&[("a.pth", hook)]);
    fs::copy(
        environment.packages.join("single.so"),
        environment.path("packages.so"),
    )
    .unwrap();
    let (values, said) = environment.gives(&[], "return True");
    assert_eq!(values, TRUE);
    assert!(said.contains("packages.so"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn hooks_import_private_copies() {
    let files = [
        ("a.pth", "import single\nMORE\n"),
        ("usercustomize.py", "import single\n"),
    ];
    let environment = Environment::new(&files);
    let body = "import further; return 'single' in sys.modules and 'usercustomize' in sys.modules";
    let (values, said) = environment.gives(&["--extensions", "private"], body);
    assert_eq!(values, TRUE, "{said}");
    assert!(!said.contains("runs in worker processes"), "{said}");
}

#[test]
fn who_stays_in_interpreters_is_not_shown_pages_of_tracebacks() {
    let environment = Environment::new(&[("a.pth", "import single\n"), ("b.pth", "MORE\n")]);
    let (values, said) = environment.gives(
        &["--backend", "interpreter"],
        "import further; return further.ready",
    );
    assert_eq!(values, TRUE, "{said}");
    assert!(
        !said.contains("Traceback") && !said.contains("Error processing"),
        "{said}"
    );
}

#[test]
fn hooks_run_as_in_the_main_interpreter() {
    // As those of namespace packages look at who runs them.
    let pth = "import sys; sys.folder = sys._getframe(1).f_locals['sitedir']\nimport further\n";
    let files = [
        ("0.pth", "MORE\n"),
        ("a.pth", pth),
        ("usercustomize.py", "import sys; sys.hook = 1\n"),
    ];
    let environment = Environment::new(&files);
    let body = "import site, subprocess; return sys.folder.endswith('site-packages') and sys.hook == 1 \
                and 'further' in sys.modules and sys.flags.no_site == 0 and site.ENABLE_USER_SITE \
                and not subprocess._args_from_interpreter_flags() and callable(exit) \
                and site.execsitecustomize.__module__ == 'site' and 'print' not in vars(site)";
    let (values, said) = environment.gives(&[], body);
    assert_eq!(values, TRUE);
    assert_eq!(said, "");
}

#[test]
fn hooks_find_the_environment_as_it_was() {
    let pth = "import os, sys; sys.hook = os.environ.get('HOOKED', ''); os.environ['HOOKED'] = sys.hook + 'x'\n\
               import os, sys; sys.once = os.environ.pop('ONCE', None)\n";
    let environment = Environment::new(&[("a.pth", pth)]);
    let body = "import os; return [sys.hook, os.environ['HOOKED'], sys.once, 'ONCE' in os.environ]";
    environment.write("job.py", &format!("import sys\ndef f(x):\n    {body}\n"));
    for backend in ["interpreter", "process", "thread"] {
        let mut command = environment.command(&["--backend", backend]);
        let output = command.env("ONCE", "here").output().unwrap();
        let values = String::from_utf8(output.stdout).unwrap();
        assert_eq!(
            values,
            "[\"\",\"x\",\"here\",false]\n".repeat(4),
            "{backend}"
        );
    }
}

#[test]
#[cfg_attr(not(Py_3_13), ignore = "3.12: `_interpreters` is refused")]
fn interpreters_that_a_call_makes_have_their_packages() {
    let environment = Environment::new(&[("a.pth", "MORE\n")]);
    let body = "import _interpreters; id = _interpreters.create(); \
                failed = _interpreters.run_string(id, 'import further, sys; assert not sys.flags.no_site'); \
                _interpreters.destroy(id); return failed is None";
    let (values, said) = environment.gives(&[], body);
    assert_eq!(values, TRUE, "{said}");
    let (values, said) = environment.gives(&["--backend", "thread"], body);
    assert_eq!(values, TRUE, "{said}");
}

#[test]
#[cfg(Py_3_15)]
fn entry_points_are_hooks() {
    let files = [
        ("a.start", "hooks:fine\nhooks:bad\n"),
        (
            "hooks.py",
            "import sys\ndef fine(): sys.hook = 1\ndef bad(): import single\n",
        ),
    ];
    let environment = Environment::new(&files);
    let (values, said) = environment.gives(&[], "return sys.hook == 1 and 'single' in sys.modules");
    assert_eq!(values, TRUE, "{said}");
    assert!(said.contains("hooks:bad"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}
