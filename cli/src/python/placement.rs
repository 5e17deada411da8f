//! Placement: the notes about where code ran.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use owngil::{Moved, Pool};

/// How many packages are named.
const N_NAMED: usize = 4;

/// Says that functions have moved, once for each reason.
#[derive(Debug, Default)]
pub(crate) struct Moves(Mutex<HashSet<String>>);

impl Moves {
    /// The note about a function that moves now, unless its reason was noted before.
    pub(crate) fn note(&self, one: &Moved) -> Option<String> {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        noted.insert(one.reason.clone()).then(|| moved(one))
    }
}

fn moved(moved: &Moved) -> String {
    format!(
        "note: {} runs in worker processes: {}; calls already started run again from the \
         beginning (--backend process runs all of them there)\n",
        moved.function, moved.reason
    )
}

/// Says whose extension modules were loaded from private copies, if any were.
pub(crate) fn private_copies(pool: &Pool) -> Option<String> {
    let copies = pool.private_copies();
    let modules = copies.iter().flatten().map(|copy| copy.module.as_str());
    note_on(modules)
}

fn note_on<'m>(modules: impl Iterator<Item = &'m str>) -> Option<String> {
    let mut packages: Vec<&str> = Vec::new();
    for module in modules {
        let package = module.split('.').next().unwrap_or(module);
        if !packages.contains(&package) {
            packages.push(package);
        }
    }
    let named = packages[..packages.len().min(N_NAMED)].join(", ");
    let names = match packages.len() {
        0 => return None,
        n if n > N_NAMED => format!("{named} and {} more", n - N_NAMED),
        _ => named,
    };
    Some(format!(
        "note: each interpreter has private copies of the extension modules of {names} \
         (--extensions process runs them in processes)\n"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_named_once_and_not_all() {
        assert_eq!(note_on([].into_iter()), None);
        let two = note_on(["numpy.a", "numpy.b", "lxml.etree", "numpy.a"].into_iter()).unwrap();
        assert!(two.contains("modules of numpy, lxml ("), "{two}");
        let six = note_on(["a", "b", "c.x", "d", "e", "f"].into_iter()).unwrap();
        assert!(six.contains("modules of a, b, c, d and 2 more ("), "{six}");
    }
}
