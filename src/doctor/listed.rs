//! Listed: what a verdict becomes by the list of what was tested.
//!
//! A trial shows that an import loads. Whether its private copies hold, the list says, as it does where the
//! import runs.

use super::evidence::Evidence;
use super::report::{Import, NativeModule, Need};
use super::survey::Found;
use crate::tested::{List, Standing};

/// Applies the list to the native modules that would have a private copy. Returns the packages that were not tested.
pub(super) fn judge_natives(natives: &mut [NativeModule], list: &List) -> Vec<String> {
    let mut untested = Vec::new();
    let copied = |native: &&mut NativeModule| {
        matches!(native.need, Need::PrivateCopy | Need::Process) && !native.is_standard
    };
    for native in natives.iter_mut().filter(copied) {
        let file = native.path.clone().unwrap_or_default();
        match list.standing(&native.name, &file) {
            Standing::Tested(package) if native.need == Need::PrivateCopy => {
                native.why = format!(
                    "{}; private copies of {} {} were tested ({})",
                    native.why,
                    package.distribution,
                    package.versions(),
                    package.evidence
                );
            }
            Standing::Tested(_) => {}
            Standing::InProcesses(why) => {
                native.need = Need::Process;
                native.why = format!("{}, and {why}", native.why);
            }
            Standing::Untested { .. } if native.need == Need::Process => {}
            Standing::Untested { why, package } => {
                native.need = Need::Process;
                native.why = format!("{}, and {why}", native.why);
                untested.extend(package.filter(|package| !untested.contains(package)));
            }
        }
    }
    untested
}

/// The verdict, where the list has a better one.
pub(super) fn judge(
    mut import: Import,
    found: &Found,
    evidence: Option<&Evidence>,
    list: &List,
) -> Import {
    if !import.need.is_met() {
        return import;
    }
    let own = [found.name.as_str()].into_iter();
    let modules = evidence.iter().flat_map(|evidence| &evidence.plain.modules);
    let mut names = own.chain(modules.map(|module| module.name.as_str()));
    if let Some((name, known)) = names.find_map(|name| Some((name, list.process_of_module(name)?)))
    {
        import.need = Need::Process;
        import.why = format!("`{}` {}", known.distribution, known.reason);
        import.decisive = import
            .native
            .iter()
            .any(|native| native.name == name)
            .then(|| name.to_owned());
        return import;
    }
    let needs_process =
        |native: &&NativeModule| native.need == Need::Process && !native.is_standard;
    if import.need < Need::Process
        && let Some(native) = import.native.iter().find(needs_process)
    {
        import.need = Need::Process;
        if !import.why.contains(&native.why) {
            import.why = format!("{}; `{}` {}", import.why, native.name, native.why);
        }
        import.decisive = Some(native.name.clone());
    }
    import
}
