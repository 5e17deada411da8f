//! Shell: completions for shells and manual pages: `owngil completions` and `owngil man`.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Arg, Args as ClapArgs, Command, ValueHint};
use clap_complete::Shell;

use crate::exit::Exit;
use crate::fatal::Fatal;

/// Print a completion script for a shell.
#[derive(Debug, ClapArgs)]
#[command(after_help = COMPLETIONS_EXAMPLES)]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: Shell,
}

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  owngil completions bash > owngil.bash
  owngil completions zsh > _owngil
  owngil completions fish > owngil.fish

bash reads ~/.local/share/bash-completion/completions/owngil, zsh an _owngil in its fpath, and fish
~/.config/fish/completions/owngil.fish.";

/// Write all manual pages to a folder, or print the one of `owngil`.
#[derive(Debug, ClapArgs)]
#[command(after_help = MAN_EXAMPLES)]
pub(crate) struct ManArgs {
    /// Folder to write to, created if missing, such as ~/.local/share/man/man1
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) folder: Option<PathBuf>,
}

const MAN_EXAMPLES: &str = "\
Examples:
  owngil man man1
  owngil man > owngil.1";

/// The command as a shell should see it: what follows `run` is a file.
fn for_shell(command: Command) -> Command {
    let script = Arg::new("script").value_name("SCRIPT.py");
    let script = script.value_hint(ValueHint::FilePath);
    let with_script = |run: Command| run.arg(script);
    command.mut_subcommand("run", with_script)
}

/// Prints the script.
pub(crate) fn completions(args: &CompletionsArgs, command: Command) -> Result<Exit, Fatal> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut for_shell(command), "owngil", &mut text);
    print(&text)
}

/// Writes the pages.
pub(crate) fn man(args: &ManArgs, command: Command) -> Result<Exit, Fatal> {
    let Some(folder) = &args.folder else {
        let mut page = Vec::new();
        let rendered = clap_mangen::Man::new(command).render(&mut page);
        rendered.map_err(|error| {
            Fatal::new(Exit::Failed, "cannot write the manual page").cause(error)
        })?;
        return print(&page);
    };
    let written =
        fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(command, folder));
    match written {
        Ok(()) => Ok(Exit::Success),
        Err(error) => {
            let message = format!("cannot write manual pages to {}", folder.display());
            Err(Fatal::new(Exit::Failed, message).cause(error))
        }
    }
}

/// Prints it; a reader that goes away has had enough.
pub(crate) fn print(text: &[u8]) -> Result<Exit, Fatal> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Fatal::new(Exit::Failed, "cannot write to standard output").cause(error))
        }
        _ => Ok(Exit::Success),
    }
}
