//! Deferred: programs that put functions in the place of built-in ones, and run when one of these is needed.

use owngil_ffi::{Attached, Borrowed, Object, Program, PyResult, Raised};

use super::programs::{CHILDREN, DEFERRED, LOCKS, SIGNALS, WHOLE_PROCESS};
use crate::interpreter::functions::named;

/// By the names that src/python/builtin/deferred.py has for them.
static PROGRAMS: [(&str, &Program); 4] = [
    ("children", &CHILDREN),
    ("locks", &LOCKS),
    ("signals", &SIGNALS),
    ("whole_process", &WHOLE_PROCESS),
];

/// What runs them in an interpreter.
pub(crate) struct Deferred<'a> {
    attached: Attached<'a>,
    install: Object<'a>,
}

impl<'a> Deferred<'a> {
    /// For an interpreter that has its module `owngil`.
    pub(crate) fn new(attached: Attached<'a>) -> PyResult<'a, Deferred<'a>> {
        let namespace = attached.dict()?;
        namespace.insert(&attached.str("run")?, &attached.callback(run)?)?;
        DEFERRED.run(attached, &namespace)?;
        // The main interpreter is others' too, which may have these functions already.
        let install = match attached.id() {
            0 => "run_now",
            _ => "defer",
        };
        let install = named(attached, &namespace, install)?;
        Ok(Deferred { attached, install })
    }

    /// Has the interpreter run a program and its function `install` when they are needed; the main one runs them now.
    pub(crate) fn install(&self, program: &str, arguments: &[Object<'a>]) -> PyResult<'a, ()> {
        let mut all = vec![self.attached.str(program)?];
        all.extend_from_slice(arguments);
        self.install.call(&all).map(drop)
    }
}

/// `run(program, namespace)` of deferred.py.
fn run<'a>(
    attached: Attached<'a>,
    arguments: &[Borrowed<'a>],
) -> std::result::Result<Object<'a>, Raised<'a>> {
    let [program, namespace] = arguments else {
        return Err(attached.raise_type_error("run takes a program and a namespace"));
    };
    let name = program.text()?;
    let Some((_, program)) = PROGRAMS.iter().find(|(known, _)| **known == *name) else {
        return Err(attached.raise_type_error("there is no such program"));
    };
    program.run(attached, namespace)?;
    Ok(attached.none())
}
