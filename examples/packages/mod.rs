//! Packages: a virtual environment with what examples run, made once per Python in `target`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use owngil::Interpreter;

use crate::comparison::AnyError;

/// As which this program tells what Python it was built with: one process runs one Python.
const ROLE: &str = "tell-python";

/// The exit status of what cannot run here.
const SKIPPED: i32 = 77;

/// What pip says when it has no way to a registry.
const UNREACHABLE: [&str; 4] = [
    "Retrying (",
    "connection",
    "Network is unreachable",
    "name resolution",
];

/// Has this process use the environment, which is made if it is not there, and gives its Python. Where the
/// packages cannot be fetched, the program says so and ends.
pub(crate) fn use_packages() -> Result<PathBuf, AnyError> {
    if std::env::args().nth(1).as_deref() == Some(ROLE) {
        print_python()?;
        std::process::exit(0);
    }
    let python = environment()?.join("bin/python");
    owngil::use_python(&python)?;
    Ok(python)
}

fn print_python() -> owngil::Result<()> {
    let python: String = Interpreter::scope(|python| {
        python.exec("import sys")?;
        python.eval("'%s\\n%d.%d' % (sys.executable, *sys.version_info[:2])")
    })?;
    println!("{python}");
    Ok(())
}

fn environment() -> Result<PathBuf, AnyError> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut ask = Command::new(std::env::current_exe()?);
    let answer = succeeded(ask.arg(ROLE).env_remove("VIRTUAL_ENV").output()?)?;
    let (base, version) = answer
        .trim()
        .split_once('\n')
        .ok_or("it printed no version")?;
    let folder = root.join(format!("target/examples-{version}"));
    let file = root.join("examples/packages/requirements.txt");
    let wanted = fs::read_to_string(&file)?;
    if fs::read_to_string(folder.join("installed")).is_ok_and(|found| found == wanted) {
        return Ok(folder);
    }
    eprintln!("making {}", folder.display());
    // Under another name until it is whole: another example may be making it, too.
    let draft = folder.with_extension(format!("draft-{}", std::process::id()));
    let mut make = Command::new(base);
    succeeded(make.args(["-m", "venv"]).arg(&draft).output()?)?;
    let mut install = Command::new(draft.join("bin/python"));
    install.args(["-m", "pip", "install", "--only-binary", ":all:"]);
    // Without a network pip would try for many minutes.
    install.args(["--retries", "1", "--timeout", "30", "-r"]);
    let installed = succeeded(install.arg(&file).output()?);
    if let Err(said) = installed {
        let _ = fs::remove_dir_all(&draft);
        let said = said.to_string();
        if UNREACHABLE.iter().any(|sign| said.contains(sign)) {
            eprintln!(
                "SKIPPED: the packages of examples/packages/requirements.txt cannot be fetched: {said}"
            );
            std::process::exit(SKIPPED);
        }
        return Err(said.into());
    }
    fs::write(draft.join("installed"), wanted)?;
    // What was there is of other requirements, or somebody else's that is as good.
    let _ = fs::remove_dir_all(&folder);
    if fs::rename(&draft, &folder).is_err() {
        let _ = fs::remove_dir_all(&draft);
    }
    Ok(folder)
}

/// What a command printed, or what it said when it failed.
fn succeeded(output: Output) -> Result<String, AnyError> {
    if output.status.success() {
        return Ok(String::from_utf8(output.stdout)?);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{}\n{said}", output.status).into())
}
