//! Which files use one another in a circle, within each crate.
//!
//! A file that defines a name uses no other file by that; one that imports a name through another's `pub use` uses the
//! file that defines it.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{Source, code_of, sources};

/// A module's path within its crate.
type Module = Vec<String>;

/// The crates, with how many files their largest circle may have.
const CRATES: [(&str, usize); 4] = [
    ("src/", 3),
    ("cli/src/", 3),
    ("cli/benches/bars/", 3),
    ("ffi/src/", 2),
];

/// What a file imports or names: the parts of a path, and whether it hands the name on.
struct Use {
    parts: Vec<String>,
    is_public: bool,
}

/// The modules of a crate, with what each of them names.
struct Crate(BTreeMap<Module, Vec<Use>>);

impl Crate {
    fn read(folder: &str) -> Crate {
        let files = sources("rs");
        let files = files.iter().filter(|source| source.is_in(folder));
        let modules = files.filter_map(|source| {
            let module = module_of(source.path.strip_prefix(folder)?)?;
            Some((module, uses(source)))
        });
        Crate(modules.collect())
    }

    /// The file that defines what a path names, as seen from a module.
    fn definition(
        &self,
        from: &Module,
        parts: &[String],
        seen: &mut BTreeSet<Module>,
    ) -> Option<Module> {
        let (mut module, mut rest) = match parts.first()?.as_str() {
            "crate" => (Module::new(), &parts[1..]),
            "self" => (from.clone(), &parts[1..]),
            "super" => {
                let n_up = parts.iter().take_while(|part| *part == "super").count();
                (
                    from[..from.len().checked_sub(n_up)?].to_vec(),
                    &parts[n_up..],
                )
            }
            first => {
                let child = self
                    .0
                    .contains_key(&[from.as_slice(), &[first.to_owned()]].concat());
                child.then(|| (from.clone(), parts))?
            }
        };
        while let Some(part) = rest.first() {
            let child = [module.as_slice(), std::slice::from_ref(part)].concat();
            if !self.0.contains_key(&child) {
                break;
            }
            (module, rest) = (child, &rest[1..]);
        }
        let named = rest.first();
        if seen.insert(module.clone()) {
            let handed_on = self.0.get(&module)?.iter().filter(|used| used.is_public);
            for used in handed_on.filter(|used| used.parts.last() == named) {
                if let Some(found) = self.definition(&module, &used.parts, seen) {
                    return Some(found);
                }
            }
        }
        self.0.contains_key(&module).then_some(module)
    }

    /// The files that each file uses.
    fn edges(&self) -> BTreeMap<&Module, BTreeSet<Module>> {
        let edges = self.0.iter().map(|(module, uses)| {
            let used = uses.iter().filter_map(|used| {
                let found = self.definition(module, &used.parts, &mut BTreeSet::new())?;
                // What a module hands on of its own children it does not use.
                let is_own = used.is_public && found.starts_with(module);
                (found != *module && !is_own).then_some(found)
            });
            (module, used.collect())
        });
        edges.collect()
    }

    /// The circles, each as the files that reach one another.
    fn circles(&self) -> BTreeSet<Vec<Module>> {
        let edges = self.edges();
        let reached = |from: &Module| {
            let mut reached = BTreeSet::new();
            let mut next = vec![from.clone()];
            while let Some(module) = next.pop() {
                for used in edges.get(&module).into_iter().flatten() {
                    if reached.insert(used.clone()) {
                        next.push(used.clone());
                    }
                }
            }
            reached
        };
        let all: BTreeMap<&Module, BTreeSet<Module>> = edges
            .keys()
            .map(|module| (*module, reached(module)))
            .collect();
        let circle = |module: &Module| -> Vec<Module> {
            let both = all[module]
                .iter()
                .filter(|other| all[other].contains(module));
            both.cloned().collect()
        };
        all.keys()
            .map(|module| circle(module))
            .filter(|circle| circle.len() > 1)
            .collect()
    }
}

/// The module that a file of a crate is; `None` for those that are a crate of their own.
fn module_of(path: &str) -> Option<Module> {
    if path == "main.rs" {
        return None;
    }
    let parts = path.strip_suffix(".rs")?.split('/').map(str::to_owned);
    let mut parts: Module = parts.collect();
    if ["mod", "lib"].contains(&parts.last()?.as_str()) {
        parts.pop();
    }
    Some(parts)
}

/// The code before a file's first module of tests.
fn without_tests(code: &str) -> &str {
    let mut attributes = code.match_indices("\n#[cfg(").map(|(at, _)| at);
    let is_test = |at: &usize| {
        let mut lines = code[at + 1..].lines();
        let attribute = lines.next().unwrap_or_default();
        attribute.contains("test")
            && lines
                .next()
                .is_some_and(|line| line.contains("mod ") && line.ends_with('{'))
    };
    &code[..attributes.find(is_test).unwrap_or(code.len())]
}

/// What a file names of its crate, its tests left out.
fn uses(source: &Source) -> Vec<Use> {
    let code = code_of(&source.text);
    let code = without_tests(&code);
    let mut uses = Vec::new();
    let mut rest = String::new();
    for (number, statement) in code.split("use ").enumerate() {
        let before = rest.lines().last().unwrap_or_default().trim().to_owned();
        let is_import = number > 0 && (before.is_empty() || before.starts_with("pub"));
        let Some((path, after)) = statement.split_once(';').filter(|_| is_import) else {
            rest.push_str(statement);
            continue;
        };
        let is_public = before.starts_with("pub");
        uses.extend(
            expanded(path)
                .into_iter()
                .map(|parts| Use { parts, is_public }),
        );
        rest.push_str(after);
    }
    for prefix in ["crate::", "super::", "self::"] {
        for (at, _) in rest.match_indices(prefix) {
            if rest[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            let path: String = rest[at..]
                .chars()
                .take_while(|c| c.is_alphanumeric() || "_:".contains(*c))
                .collect();
            let parts = expanded(path.trim_end_matches(':'));
            uses.extend(parts.into_iter().map(|parts| Use {
                parts,
                is_public: false,
            }));
        }
    }
    uses
}

/// The paths that an import names, without its braces.
fn expanded(path: &str) -> Vec<Vec<String>> {
    let Some((before, group)) = path.split_once('{') else {
        let path = path.split(" as ").next().unwrap();
        let parts = path.split("::").map(|part| part.trim().to_owned());
        return vec![parts.filter(|part| !part.is_empty()).collect()];
    };
    let group = group.rsplit_once('}').map_or(group, |(inside, _)| inside);
    let (mut items, mut depth) = (vec![String::new()], 0);
    for c in group.chars() {
        match c {
            ',' if depth == 0 => {
                items.push(String::new());
                continue;
            }
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        items.last_mut().unwrap().push(c);
    }
    let items = items.iter().filter(|item| !item.trim().is_empty());
    items
        .flat_map(|item| expanded(&format!("{before}{}", item.trim())))
        .collect()
}

#[test]
fn imports_are_read_with_their_braces() {
    let paths = expanded("crate::a::{self, b::{C, d}, E as F}");
    let shown: Vec<String> = paths.iter().map(|parts| parts.join("::")).collect();
    assert_eq!(
        shown,
        [
            "crate::a::self",
            "crate::a::b::C",
            "crate::a::b::d",
            "crate::a::E"
        ]
    );
}

#[test]
fn files_use_one_another_in_no_large_circle() {
    for (folder, n_max) in CRATES {
        let read = Crate::read(folder);
        let n_edges: usize = read.edges().values().map(BTreeSet::len).sum();
        assert!(
            n_edges > read.0.len(),
            "{folder}: {n_edges} imports are found"
        );
        for circle in read.circles() {
            let files: Vec<String> = circle.iter().map(|module| module.join("/")).collect();
            assert!(
                files.len() <= n_max,
                "{folder}: a circle of {}: {files:?}",
                files.len()
            );
        }
    }
}
