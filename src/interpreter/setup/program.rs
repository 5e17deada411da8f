//! Program: Python code of owngil's own, which was compiled when owngil was.

use owngil_ffi::{Attached, Object, PyResult};

/// One file of src/python.
pub(crate) struct Program {
    name: &'static str,
    source: &'static str,
    compiled: &'static [u8],
}

/// Runs in each interpreter when it starts.
pub(crate) const BOOTSTRAP: Program = Program {
    name: "bootstrap",
    source: include_str!("../../python/bootstrap.py"),
    compiled: include_bytes!(concat!(env!("OUT_DIR"), "/bootstrap.pyc")),
};

/// Runs after [`BOOTSTRAP`], in its namespace.
pub(crate) const STREAMS: Program = Program {
    name: "streams",
    source: include_str!("../../python/streams.py"),
    compiled: include_bytes!(concat!(env!("OUT_DIR"), "/streams.pyc")),
};

/// Runs before [`FRESH`].
pub(crate) const DESCRIPTORS: Program = Program {
    name: "descriptors",
    source: include_str!("../../python/descriptors.py"),
    compiled: include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.pyc")),
};

/// Runs before [`SCRIPT`].
pub(crate) const ENDING: Program = Program {
    name: "ending",
    source: include_str!("../../python/ending.py"),
    compiled: include_bytes!(concat!(env!("OUT_DIR"), "/ending.pyc")),
};

/// Runs before [`ENDING`].
pub(crate) const FRESH: Program = Program {
    name: "fresh",
    source: include_str!("../../python/fresh.py"),
    compiled: include_bytes!(concat!(env!("OUT_DIR"), "/fresh.pyc")),
};

/// Runs before an interpreter's first script.
pub(crate) const SCRIPT: Program = Program {
    name: "script",
    source: include_str!("../../python/script.py"),
    compiled: include_bytes!(concat!(env!("OUT_DIR"), "/script.pyc")),
};

/// Runs a program from its .pyc file, or from its source where that is for another Python: the first
/// four bytes tell (importlib, PEP 3147), and 16 bytes of header come before the code (PEP 552).
const RUN: &str = "import marshal
from _frozen_importlib_external import MAGIC_NUMBER
if compiled[:4] == MAGIC_NUMBER:
    code = marshal.loads(memoryview(compiled)[16:])
else:
    code = compile(source(), name, 'exec')
exec(code, namespace)";

/// Runs in each interpreter whose tasks' output is caught.
pub(crate) const CHILDREN: Program = Program {
    name: "children",
    source: include_str!("../../python/children.py"),
    compiled: include_bytes!(concat!(env!("OUT_DIR"), "/children.pyc")),
};

/// Runs in each interpreter whose pool has host functions.
pub(crate) const HOST: Program = Program {
    name: "host",
    source: include_str!("../../python/host.py"),
    compiled: include_bytes!(concat!(env!("OUT_DIR"), "/host.pyc")),
};

/// Runs in each interpreter that shares its process with others.
pub(crate) const LOCKS: Program = Program {
    name: "locks",
    source: include_str!("../../python/locks.py"),
    compiled: include_bytes!(concat!(env!("OUT_DIR"), "/locks.pyc")),
};

/// Runs in each interpreter whose process has others.
pub(crate) const SIGNALS: Program = Program {
    name: "signals",
    source: include_str!("../../python/signals.py"),
    compiled: include_bytes!(concat!(env!("OUT_DIR"), "/signals.pyc")),
};

/// Runs once it is settled how the interpreter loads extension modules.
pub(crate) const SITE: Program = Program {
    name: "site",
    source: include_str!("../../python/site.py"),
    compiled: include_bytes!(concat!(env!("OUT_DIR"), "/site.pyc")),
};

impl Program {
    /// Runs it in that namespace.
    pub(crate) fn run<'a>(
        &self,
        attached: Attached<'a>,
        namespace: &Object<'a>,
    ) -> PyResult<'a, ()> {
        let source = self.source;
        let around = attached.dict()?;
        let name = format!("<owngil {}>", self.name);
        around.insert(&attached.str("name")?, &attached.str(&name)?)?;
        around.insert(&attached.str("compiled")?, &attached.bytes(self.compiled)?)?;
        let source = attached.callback(move |attached, _| attached.str(source))?;
        around.insert(&attached.str("source")?, &source)?;
        around.insert(&attached.str("namespace")?, namespace)?;
        attached.exec(RUN, &name, &around)
    }
}
