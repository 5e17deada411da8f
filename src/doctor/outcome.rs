//! Outcome: what a child lived to tell, and how it ended.

use std::collections::HashSet;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use serde::{Deserialize, Serialize};

/// What a child reported, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Outcome {
    pub(super) ending: Ending,
    /// How far it was: `alone`, `together`, `ending`; empty before its first import.
    pub(super) stage: String,
    /// The extension that was being loaded when it ended, or the module that was being imported.
    pub(super) at: String,
    pub(super) modules: Vec<Module>,
    /// Extensions that did not load, with the exception's type and text.
    pub(super) failed: Vec<(String, String)>,
    /// Shared libraries that came in, by their files.
    pub(super) mapped: Vec<String>,
    /// Who first imported whom.
    pub(super) importers: Vec<(String, String)>,
    /// The last that was written to standard error.
    pub(super) last_words: String,
}

/// How a trial ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Ending {
    /// All was imported.
    Imported,
    /// An import raised: the type, the text, and the module that the exception names.
    Raised(String, String, String),
    /// A signal ended the process.
    Killed(i32),
    /// The process ended with a status before it was done.
    Exited(i32),
    /// It was not done in time.
    TimedOut,
}

/// A module that is there when all is imported.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Module {
    pub(super) name: String,
    pub(super) kind: ModuleKind,
    /// Empty for a built-in one.
    pub(super) path: String,
    /// Whether the interpreter came without it.
    pub(super) is_new: bool,
    /// Whether it is of the standard library.
    pub(super) is_standard: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum ModuleKind {
    Extension,
    Builtin,
    Source,
    Other,
}

impl Outcome {
    pub(super) fn is_imported(&self) -> bool {
        self.ending == Ending::Imported
    }

    /// Modules in machine code that were loaded.
    pub(super) fn natives(&self) -> impl Iterator<Item = &Module> {
        let is_native = |kind| matches!(kind, ModuleKind::Extension | ModuleKind::Builtin);
        let new = self.modules.iter().filter(|module| module.is_new);
        new.filter(move |module| is_native(module.kind))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.modules.iter().any(|module| module.name == name)
    }

    /// Why an extension did not load.
    pub(super) fn failure_of(&self, name: &str) -> Option<&str> {
        let known = self.failed.iter().find(|(failed, _)| failed == name);
        known.map(|(_, text)| text.as_str())
    }

    /// From the first that imports to the module itself.
    pub(super) fn chain(&self, name: &str) -> Vec<String> {
        let mut chain = vec![name.to_owned()];
        let mut last = name;
        while let Some((_, importer)) = self.importers.iter().find(|(module, _)| module == last) {
            if importer.is_empty() || chain.contains(importer) {
                break;
            }
            chain.push(importer.clone());
            last = importer;
        }
        chain.reverse();
        chain
    }
}

/// A child that has ended.
pub(super) struct Run {
    pub(super) output: Vec<u8>,
    pub(super) last_words: String,
    /// `None` where it had to be killed.
    pub(super) status: Option<ExitStatus>,
}

impl Run {
    /// How it ended, where it did not do all that it was to do.
    pub(super) fn ending(&self) -> Ending {
        match self.status {
            None => Ending::TimedOut,
            Some(status) => match status.signal() {
                Some(signal) => Ending::Killed(signal),
                None => Ending::Exited(status.code().unwrap_or(-1)),
            },
        }
    }
}

/// Puts together what a child reported that had to import everything so many times.
pub(super) fn reported(run: &Run, n_imports: usize) -> Outcome {
    let mut outcome = Outcome {
        ending: run.ending(),
        stage: String::new(),
        at: String::new(),
        modules: Vec::new(),
        failed: Vec::new(),
        mapped: Vec::new(),
        importers: Vec::new(),
        last_words: run.last_words.clone(),
    };
    // Extensions that have begun to load, each inside of the one before.
    let mut loading: Vec<String> = Vec::new();
    let mut target = String::new();
    let mut raised = None;
    let (mut n_begun, mut n_done) = (0, 0);
    let (mut modules, mut importers) = (HashSet::new(), HashSet::new());
    for record in records(&run.output) {
        match record.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["stage", stage] => {
                outcome.stage = stage.to_owned();
                n_begun += 1;
            }
            ["target", name] => target = name.to_owned(),
            ["begin", name] => loading.push(name.to_owned()),
            ["loaded", name] => loading.retain(|loading| loading != name),
            ["failed", name, kind, text] => {
                loading.retain(|loading| loading != name);
                if outcome.failure_of(name).is_none() {
                    outcome
                        .failed
                        .push((name.to_owned(), format!("{kind}: {text}")));
                }
            }
            ["found", name, importer] if importers.insert(name.to_owned()) => {
                let edge = (name.to_owned(), importer.to_owned());
                outcome.importers.push(edge);
            }
            ["mapped", path] => outcome.mapped.push(path.to_owned()),
            ["raised", kind, text, name] => {
                raised.get_or_insert_with(|| {
                    Ending::Raised(kind.to_owned(), text.to_owned(), name.to_owned())
                });
            }
            ["module", name, kind, path, new, standard] if modules.insert(name.to_owned()) => {
                outcome.modules.push(Module {
                    name: name.to_owned(),
                    kind: match kind {
                        "extension" => ModuleKind::Extension,
                        "builtin" => ModuleKind::Builtin,
                        "source" => ModuleKind::Source,
                        _ => ModuleKind::Other,
                    },
                    path: path.to_owned(),
                    is_new: new == "new",
                    is_standard: standard == "standard",
                });
            }
            ["done"] => {
                n_done += 1;
                if n_done == n_begun {
                    outcome.stage = "ending".to_owned();
                }
            }
            _ => {}
        }
    }
    outcome.at = loading.pop().unwrap_or(target);
    if run.status.is_some_and(|status| status.success()) {
        match raised {
            Some(raised) => outcome.ending = raised,
            None if n_done == n_imports => outcome.ending = Ending::Imported,
            None => {}
        }
    }
    outcome
}

/// The lines of the output, with their fields; a line that is cut off is none.
pub(super) fn records(output: &[u8]) -> impl Iterator<Item = Vec<String>> {
    let output = String::from_utf8_lossy(output).into_owned();
    let lines: Vec<_> = output
        .split_inclusive('\n')
        .filter_map(|line| line.strip_suffix('\n'))
        .map(|line| line.split('\t').map(unescaped).collect())
        .collect();
    lines.into_iter()
}

fn unescaped(field: &str) -> String {
    let mut text = String::with_capacity(field.len());
    let mut characters = field.chars();
    while let Some(character) = characters.next() {
        let plain = match character {
            '\\' => match characters.next() {
                Some('t') => '\t',
                Some('n') => '\n',
                Some('r') => '\r',
                Some(other) => other,
                None => '\\',
            },
            other => other,
        };
        text.push(plain);
    }
    text
}

#[cfg(all(test, not(model)))]
pub(super) mod tests {
    use super::*;

    /// What a child would have reported that ended like this, by its status as the system gives it.
    pub(crate) fn outcome(output: &str, status: Option<i32>, n_imports: usize) -> Outcome {
        let run = Run {
            output: output.as_bytes().to_vec(),
            last_words: String::new(),
            status: status.map(ExitStatus::from_raw),
        };
        reported(&run, n_imports)
    }

    const IMPORTED: &str = "\
stage\talone
target\ta.b
found\ta\t
found\ta.b\ta
found\tc\ta.b
begin\tc
loaded\tc
module\ta\tsource\t/a/__init__.py\tnew\t
module\tc\textension\t/c.so\tnew\t
module\tmath\tbuiltin\t\t\tstandard
done
";

    #[test]
    fn a_child_that_did_all_has_imported() {
        let once = outcome(IMPORTED, Some(0), 1);
        assert!(once.is_imported());
        let natives: Vec<_> = once.natives().map(|module| &*module.name).collect();
        assert_eq!(natives, ["c"]);
        assert!(once.has("math") && !once.has("b"));
        assert_eq!(once.chain("c"), ["a", "a.b", "c"]);
        // The same output is not enough where there was more to do.
        let ended = outcome(IMPORTED, Some(0), 3);
        assert_eq!((ended.ending, &*ended.stage), (Ending::Exited(0), "ending"));
    }

    #[test]
    fn a_child_that_ended_early_tells_where() {
        let together = "stage\ttogether\nstage\ttogether\ndone\nbegin\ta.fast\nbeg";
        let killed = outcome(&[IMPORTED, together].concat(), Some(11), 3);
        assert_eq!(killed.ending, Ending::Killed(11));
        assert_eq!((&*killed.stage, &*killed.at), ("together", "a.fast"));
        let hung = outcome("stage\talone\ntarget\ta\n", None, 1);
        assert_eq!((hung.ending, &*hung.at), (Ending::TimedOut, "a"));
        let mute = outcome("", Some(256), 1);
        assert_eq!((mute.ending, &*mute.stage), (Ending::Exited(1), ""));
    }

    #[test]
    fn an_exception_counts_unless_the_process_did_not_outlive_it() {
        let raised = "stage\talone\ntarget\ta\nfailed\ta\tImportError\tno\\n\\\\t\nraised\tImportError\tno\t\ndone\n";
        let found = outcome(raised, Some(0), 3);
        let expected = Ending::Raised("ImportError".to_owned(), "no".to_owned(), String::new());
        assert_eq!(found.ending, expected);
        assert_eq!(found.failure_of("a"), Some("ImportError: no\n\\t"));
        assert_eq!(outcome(raised, Some(6), 3).ending, Ending::Killed(6));
    }

    #[test]
    fn what_is_printed_among_records_is_none() {
        let noise = "hello\n\nstage\n\u{fffd}\tx\ty\nmodule\ta\tb\n";
        let found = outcome(&[noise, IMPORTED].concat(), Some(0), 1);
        assert!(found.is_imported());
    }
}
