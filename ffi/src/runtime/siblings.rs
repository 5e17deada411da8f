//! Siblings: keeps Python code from entering or ending interpreters that it did not create (see siblings.py).

use crate::object::{Program, PyResult};
use crate::thread::Attached;

/// Finds the module to guard; the rest is compiled when the module is imported. An interpreter that it makes gets both
/// as text.
///
/// It asks the other finders, and other code has finders that do so, too. Asked by one of these on its way, it finds
/// nothing.
const FINDER: &str = "\
import _thread
import sys

asking = set()

class Siblings:
    @staticmethod
    def find_spec(name, path=None, target=None):
        thread = _thread.get_ident()
        if name != '_interpreters' or thread in asking:
            return None
        names = dict(given)
        asking.add(thread)
        try:
            exec(given['source'], names)
            return names['find_spec'](Siblings, name, path, target)
        finally:
            asking.discard(thread)

sys.meta_path.insert(0, Siblings)
sys.modules.pop('_interpreters', None)
";

static PROGRAM: Program = Program::new("<owngil siblings>", FINDER);

/// From now on the module `_interpreters` of this interpreter knows none but those that it has made.
pub(crate) fn keep_apart<'a>(attached: Attached<'a>) -> PyResult<'a, ()> {
    let given = attached.dict()?;
    for (name, text) in [("source", include_str!("siblings.py")), ("finder", FINDER)] {
        given.insert(&attached.str(name)?, &attached.str(text)?)?;
    }
    let globals = attached.dict()?;
    globals.insert(&attached.str("given")?, &given)?;
    PROGRAM.run(attached, &globals)
}
