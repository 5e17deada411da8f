//! Config: defaults for options, from `[tool.owngil]` in a pyproject.toml here or above.
//!
//! A key is the long name of an option, and counts for each command that has it; a table with the name of a
//! command counts for that one. They become words of the command line, before those that were written:
//! so `clap` reads both alike.

use std::any::TypeId;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args as ClapArgs, Command};
use toml::{Table, Value};

use super::suggest::nearest;
use crate::exit::Exit;
use crate::fatal::Fatal;

/// Options that cannot be defaults.
const NO_KEYS: [&str; 3] = ["help", "version", "no-config"];

/// What concerns the defaults of a project.
#[derive(Debug, Default, ClapArgs)]
pub(crate) struct ProjectArgs {
    /// Ignore [tool.owngil] in pyproject.toml, here or above
    #[arg(long)]
    pub(crate) no_config: bool,

    /// The Python that the defaults name, which ranks below what the environment names.
    #[arg(skip)]
    pub(crate) python: Option<PathBuf>,
}

/// What a command line gets from its project.
#[derive(Debug, Default)]
pub(crate) struct Defaults {
    pub(crate) words: Vec<OsString>,
    pub(crate) python: Option<PathBuf>,
}

/// The defaults of a project.
#[derive(Debug)]
pub(crate) struct Config {
    path: PathBuf,
    keys: Table,
}

impl Config {
    /// What a command line gets from the project, if anything, and where that is from.
    pub(crate) fn defaults(
        command: &Command,
        matches: &ArgMatches,
    ) -> Result<Option<(Config, Defaults)>, Fatal> {
        let Some((name, given)) = matches.subcommand() else {
            return Ok(None);
        };
        // There is no such option, or it is given.
        if !matches!(given.try_get_one("no_config"), Ok(Some(false))) {
            return Ok(None);
        }
        let folder = env::current_dir().unwrap_or_default();
        let Some(config) = Config::find(&folder)? else {
            return Ok(None);
        };
        let defaults = config.of(command, name, given)?;
        Ok(Some((config, defaults)))
    }

    /// That of the nearest pyproject.toml with such a table.
    pub(crate) fn find(folder: &Path) -> Result<Option<Config>, Fatal> {
        for folder in folder.ancestors() {
            let path = folder.join("pyproject.toml");
            let Ok(text) = fs::read_to_string(&path) else {
                continue;
            };
            let cannot = || {
                let fatal = Fatal::new(Exit::Usage, format!("cannot read {}", path.display()));
                fatal.hint("use --no-config to ignore it")
            };
            let mut whole: Table = text.parse().map_err(|error| cannot().cause(error))?;
            let tool = whole.get_mut("tool").and_then(Value::as_table_mut);
            match tool.and_then(|tool| tool.remove("owngil")) {
                Some(Value::Table(keys)) => return Ok(Some(Config { path, keys })),
                Some(_) => return Err(cannot().cause("tool.owngil is not a table")),
                None => {}
            }
        }
        Ok(None)
    }

    /// The defaults of a command, without what `given` says itself.
    fn of(&self, all: &Command, name: &str, given: &ArgMatches) -> Result<Defaults, Fatal> {
        // The others take no defaults at all.
        let takes = |one: &&Command| one.get_arguments().any(|arg| arg.get_id() == "no_config");
        let commands: Vec<&Command> = all.get_subcommands().filter(takes).collect();
        let Some(command) = commands.iter().find(|one| one.get_name() == name) else {
            return Ok(Defaults::default());
        };
        let mut defaults = Defaults::default();
        // A command's own table decides over what counts for all.
        let own = self.keys.get(name).and_then(Value::as_table);
        for (key, value) in &self.keys {
            if let Some(named) = commands.iter().find(|one| one.get_name() == key) {
                let Value::Table(keys) = value else {
                    return Err(self.wrong(key, "it names a command, and must be a table"));
                };
                for (inner, value) in keys {
                    let known = option(named, inner);
                    let at = format!("{key}.{inner}");
                    let option = known.ok_or_else(|| self.unknown(&at, inner, &[named]))?;
                    if key == name {
                        self.add(&mut defaults, command, option, (&at, value), given)?;
                    }
                }
                continue;
            }
            let known = commands.iter().any(|one| option(one, key).is_some());
            if !known {
                return Err(self.unknown(key, key, &commands));
            }
            let decided = own.is_some_and(|own| own.contains_key(key));
            if let Some(option) = option(command, key).filter(|_| !decided) {
                self.add(&mut defaults, command, option, (key, value), given)?;
            }
        }
        Ok(defaults)
    }

    /// What is wrong about the command line that came of it.
    pub(crate) fn refused(&self, error: &clap::Error) -> Fatal {
        let text = error.to_string();
        let first = text.split("\n\n").next().unwrap_or_default();
        let first = first.trim_start_matches("error: ").trim_end();
        let path = self.path.display();
        Fatal::new(
            Exit::Usage,
            format!("[tool.owngil] in {path} cannot be used"),
        )
        .cause(first)
        .hint("use --no-config to ignore it")
    }

    fn add(
        &self,
        defaults: &mut Defaults,
        command: &Command,
        option: &Arg,
        (key, value): (&str, &Value),
        given: &ArgMatches,
    ) -> Result<(), Fatal> {
        let is_given = |arg: &Arg| {
            let source = given.try_contains_id(arg.get_id().as_str());
            source.unwrap_or(false)
                && given.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine)
        };
        let excludes = |one: &Arg, other: &Arg| {
            let mut conflicts = command.get_arg_conflicts_with(one).into_iter();
            conflicts.any(|conflict| conflict.get_id() == other.get_id())
        };
        let mut others = command.get_arguments().filter(|other| is_given(other));
        if others.any(|other| {
            other.get_id() == option.get_id() || excludes(option, other) || excludes(other, option)
        }) {
            return Ok(());
        }
        if option.get_id() == "python" {
            let name = value.as_str();
            let name = name.ok_or_else(|| self.wrong(key, "it must be a text"))?;
            // What is not there is a name on the path.
            let path = self.in_project(name);
            defaults.python = Some(if path.exists() { path } else { name.into() });
            return Ok(());
        }
        let words = &mut defaults.words;
        let long = option.get_long().unwrap_or_default();
        let takes_value = option.get_action().takes_values();
        let many = matches!(option.get_action(), ArgAction::Append);
        match value {
            Value::Boolean(wanted) if !takes_value => {
                if *wanted {
                    words.push(format!("--{long}").into());
                }
                return Ok(());
            }
            _ if !takes_value => return Err(self.wrong(key, "it must be true or false")),
            Value::Array(values) if many => {
                for value in values {
                    let text = text(value).ok_or_else(|| self.wrong(key, "it must hold texts"))?;
                    words.push(self.word(option, &text));
                }
            }
            value => {
                let text = text(value);
                let text = text.ok_or_else(|| self.wrong(key, "it must be a text or a number"))?;
                words.push(self.word(option, &text));
            }
        }
        Ok(())
    }

    fn word(&self, option: &Arg, text: &str) -> OsString {
        let long = option.get_long().unwrap_or_default();
        let mut word = OsString::from(format!("--{long}="));
        // `-` is a stream.
        let is_path = option.get_value_parser().type_id() == TypeId::of::<PathBuf>();
        match is_path && text != "-" {
            true => word.push(self.in_project(text)),
            false => word.push(text),
        }
        word
    }

    /// Paths are those of the project, wherever in it the command runs.
    fn in_project(&self, path: &str) -> PathBuf {
        self.path.with_file_name("").join(path)
    }

    fn wrong(&self, key: &str, why: &str) -> Fatal {
        let path = self.path.display();
        Fatal::new(
            Exit::Usage,
            format!("[tool.owngil] in {path}: {key}: {why}"),
        )
        .hint("use --no-config to ignore it")
    }

    fn unknown(&self, key: &str, name: &str, commands: &[&Command]) -> Fatal {
        let path = self.path.display();
        let message = format!("[tool.owngil] in {path}: there is no option {key}");
        let options = commands.iter().flat_map(|command| command.get_arguments());
        let names = options.filter_map(|option| option.get_long());
        let names = names.filter(|name| !NO_KEYS.contains(name));
        Fatal::new(Exit::Usage, message).hint(match nearest(names, &name.replace('_', "-")) {
            Some(nearest) => format!("did you mean {nearest}?"),
            None => "a key is an option's long name without the dashes".to_owned(),
        })
    }
}

fn option<'c>(command: &'c Command, key: &str) -> Option<&'c Arg> {
    let mut options = command.get_arguments();
    options.find(|option| option.get_long() == Some(key) && !NO_KEYS.contains(&key))
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::args::Args;
    use clap::CommandFactory;

    fn words(keys: &str, line: &str) -> Result<Vec<String>, String> {
        let defaults = defaults(keys, line)?.words.into_iter();
        Ok(defaults.map(|word| word.into_string().unwrap()).collect())
    }

    fn defaults(keys: &str, line: &str) -> Result<Defaults, String> {
        let mut command = Args::command();
        command.build();
        let matches = command.clone().try_get_matches_from(line.split(' '));
        let matches = matches.unwrap();
        let (name, given) = matches.subcommand().unwrap();
        let config = Config {
            path: PathBuf::from("/project/pyproject.toml"),
            keys: keys.parse().unwrap(),
        };
        let defaults = config.of(&command, name, given);
        defaults.map_err(|fatal| fatal.to_string())
    }

    #[test]
    fn keys_become_options_of_the_commands_that_have_them() {
        let keys = "jobs = 4\nkeep-order = true\nquiet = false\n[bench]\nseconds = 2.5\n";
        assert_eq!(
            words(keys, "owngil map m:f x").unwrap(),
            ["--jobs=4", "--keep-order"]
        );
        let bench = words(keys, "owngil bench m:f x").unwrap();
        assert_eq!(bench, ["--seconds=2.5", "--jobs=4"]);
        let own = "jobs = 4\n[map]\njobs = \"50%\"";
        assert_eq!(words(own, "owngil map m:f x").unwrap(), ["--jobs=50%"]);
        assert_eq!(words(own, "owngil run s.py").unwrap(), ["--jobs=4"]);
    }

    #[test]
    fn what_the_command_line_says_or_excludes_is_left_out() {
        let keys = "jobs = 4\nquiet = true\n";
        assert_eq!(words(keys, "owngil map m:f -j 2 x").unwrap(), ["--quiet"]);
        assert_eq!(words(keys, "owngil run -v s.py").unwrap(), ["--jobs=4"]);
        assert_eq!(
            words("verbose = true", "owngil run -q s.py").unwrap(),
            [""; 0]
        );
    }

    #[test]
    fn paths_are_those_of_the_project_and_its_python_ranks_by_itself() {
        let python = |keys: &str| {
            let defaults = defaults(keys, "owngil map m:f x").unwrap();
            assert_eq!(defaults.words, [""; 0]);
            defaults.python.unwrap()
        };
        assert_eq!(python("python = \"/venv\""), Path::new("/venv"));
        // Nothing of that name is in the project, so it is one on the path.
        assert_eq!(python("python = \"python3.13\""), Path::new("python3.13"));
        let svg = words("[bench]\nsvg = \"a.svg\"", "owngil bench m:f x").unwrap();
        assert_eq!(svg, ["--svg=/project/a.svg"]);
    }

    #[test]
    fn a_mistake_is_reported_with_its_place_and_what_may_be_meant() {
        for (keys, parts) in [
            (
                "keep_order = true",
                ["no option keep_order\n", "did you mean keep-order?"],
            ),
            ("job = 2", ["no option job\n", "did you mean jobs?"]),
            ("[map]\nsecond = 2", ["no option map.second\n", "hint: "]),
            (
                "[bench]\nsecond = 2",
                ["no option bench.second\n", "did you mean seconds?"],
            ),
            ("xyz = 1", ["no option xyz\n", "an option's long name"]),
            (
                "keep-order = 1",
                ["keep-order: it must be true or false", "--no-config"],
            ),
            (
                "jobs = [1]",
                ["jobs: it must be a text or a number", "--no-config"],
            ),
            ("map = 1", ["map: it names a command", "--no-config"]),
            ("help = true", ["no option help", "hint: "]),
        ] {
            let error = words(keys, "owngil map m:f x").unwrap_err();
            assert!(error.contains("/project/pyproject.toml: "), "{error}");
            parts
                .iter()
                .for_each(|part| assert!(error.contains(part), "{part}: {error}"));
        }
    }

    #[test]
    fn the_nearest_file_with_a_table_is_read_and_one_that_is_broken_is_reported() {
        let home = tempfile::tempdir().unwrap();
        let below = home.path().join("a/b");
        fs::create_dir_all(&below).unwrap();
        assert!(Config::find(&below).unwrap().is_none());
        let above = home.path().join("pyproject.toml");
        fs::write(&above, "[tool.owngil]\njobs = 2\n").unwrap();
        fs::write(
            home.path().join("a/pyproject.toml"),
            "[project]\nname = 'x'\n",
        )
        .unwrap();
        assert_eq!(Config::find(&below).unwrap().unwrap().path, above);
        for broken in ["[tool.owngil\n", "[tool]\nowngil = 3\n"] {
            fs::write(below.join("pyproject.toml"), broken).unwrap();
            let error = Config::find(&below).unwrap_err().to_string();
            assert!(error.contains("--no-config"), "{error}");
        }
    }
}
