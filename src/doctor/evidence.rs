//! Evidence: what trials have shown of one import.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::outcome::{Ending, Module, ModuleKind, Outcome};
use super::survey::Found;
use super::trial::{Children, Probed, Way};
use crate::error::Result;

/// What is known of an import from trials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Evidence {
    pub(super) plain: Outcome,
    /// Not tried where a plain process could not import it.
    pub(super) strict: Option<Outcome>,
    /// Not tried where it is not needed, or not to be had.
    pub(super) private: Option<Outcome>,
    /// What an interpreter says to the modules that the strict trial did not load.
    pub(super) probed: Vec<(String, Probed)>,
}

impl Evidence {
    /// Tries the import in one way after the other, until it is clear what it needs.
    pub(super) fn gather(
        children: &Children<'_>,
        found: &Found,
        every_file: bool,
    ) -> Result<Evidence> {
        let plain = children.import(Way::Plain, &found.targets)?;
        let mut evidence = Evidence {
            plain,
            strict: None,
            private: None,
            probed: Vec::new(),
        };
        if evidence.plain.is_imported() {
            let strict = children.import(Way::Strict, &found.targets)?;
            let is_whole = strict.is_imported() && evidence.absent(&strict).is_empty();
            evidence.strict = Some(strict);
            if !is_whole && Way::Private.is_here() {
                evidence.private = Some(children.import(Way::Private, &found.targets)?);
            }
        }
        let mut unclear = evidence.unclear();
        if every_file {
            let known: Vec<_> = evidence
                .plain
                .natives()
                .map(|module| &module.name)
                .collect();
            let others = found
                .files
                .iter()
                .filter(|(name, _)| !known.contains(&name));
            unclear.extend(others.cloned());
        }
        evidence.probed = children.probe(&unclear)?;
        Ok(evidence)
    }

    /// Modules in machine code that a plain process loads and this trial did not.
    fn absent<'a>(&'a self, outcome: &Outcome) -> Vec<&'a Module> {
        let natives = self.plain.natives();
        natives
            .filter(|module| !outcome.has(&module.name))
            .collect()
    }

    /// The names of those that are absent since they were refused, not since no code asked for them.
    pub(super) fn left_out(&self, outcome: &Outcome) -> Vec<String> {
        let absent = self.absent(outcome).into_iter();
        let names = absent.map(|module| module.name.clone());
        names
            .filter(|name| self.probe_of(name) != Some(&Probed::Accepted))
            .collect()
    }

    /// Those that the strict trial did not reach.
    fn unclear(&self) -> Vec<(String, PathBuf)> {
        let Some(strict) = &self.strict else {
            return Vec::new();
        };
        let absent = self.absent(strict).into_iter();
        let unclear = absent.filter(|module| strict.failure_of(&module.name).is_none());
        let pair = |module: &Module| (module.name.clone(), PathBuf::from(&module.path));
        unclear.map(pair).collect()
    }

    pub(super) fn probe_of(&self, name: &str) -> Option<&Probed> {
        let known = self.probed.iter().find(|(probed, _)| probed == name);
        known.map(|(_, probed)| probed)
    }

    /// All files that were imported: a change to any of them makes this worthless.
    pub(super) fn files(&self) -> impl Iterator<Item = &str> {
        let outcomes = [
            Some(&self.plain),
            self.strict.as_ref(),
            self.private.as_ref(),
        ];
        let modules = outcomes
            .into_iter()
            .flatten()
            .flat_map(|outcome| &outcome.modules);
        let files = modules
            .filter(|module| matches!(module.kind, ModuleKind::Extension | ModuleKind::Source));
        files.map(|module| module.path.as_str())
    }

    /// Whether the next trial may end in another way: this one may have been a matter of time.
    pub(super) fn is_fleeting(&self) -> bool {
        let outcomes = [
            Some(&self.plain),
            self.strict.as_ref(),
            self.private.as_ref(),
        ];
        let mut endings = outcomes
            .into_iter()
            .flatten()
            .map(|outcome| &outcome.ending);
        let probed = |(_, probed): &(String, Probed)| *probed == Probed::Ended(Ending::TimedOut);
        endings.any(|ending| *ending == Ending::TimedOut) || self.probed.iter().any(probed)
    }
}
