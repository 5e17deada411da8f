//! Completions: the scripts for shells.

use std::fs;

use crate::support::{command, owngil, run, words};

#[test]
fn bash_completes_commands_options_and_files_for_a_script() {
    let folder = tempfile::tempdir().unwrap();
    let completions = run(&mut words("completions bash"));
    fs::write(
        folder.path().join("owngil.bash"),
        &completions.check(0).stdout,
    )
    .unwrap();
    let complete = |line: &str| {
        let script = format!(
            "source ./owngil.bash; COMP_WORDS=({line}); COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 )); \
             _owngil owngil \"${{COMP_WORDS[-1]}}\" \"${{COMP_WORDS[-2]}}\"; echo \"${{COMPREPLY[@]}}\""
        );
        let mut bash = command("bash");
        let ended = run(bash.args(["-c", &script]).current_dir(folder.path()));
        ended.check(0).stdout.clone()
    };
    assert_eq!(complete("owngil do"), "doctor\n");
    assert_eq!(complete("owngil run --keep"), "--keep-order\n");
    assert!(complete("owngil map --extensions ''").contains("strict"));
    // What is left to the shell is the name of a file.
    assert!(completions.stdout.contains("-o default owngil"));
}

#[test]
fn other_shells_get_their_scripts() {
    for (shell, part) in [
        ("zsh", "#compdef owngil"),
        ("fish", "complete -c owngil"),
        ("elvish", "edit:completion"),
        ("powershell", "Register-ArgumentCompleter"),
    ] {
        let ended = run(&mut owngil(["completions", shell]));
        assert!(ended.check(0).stdout.contains(part), "{shell}");
    }
    let ended = run(&mut words("completions tcsh"));
    assert!(ended.check(2).stderr.contains("[possible values: bash,"));
}
