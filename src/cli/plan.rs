//! Plan: what the arguments mean, with what is wrong about them found before Python starts.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::Path;

use clap::CommandFactory;
use owngil::Function;

use super::args::{Args, CallsArgs, FormatArg, RunArgs, ScriptArg};
use super::exit::Exit;
use super::fatal::Fatal;
use super::feed::Source;
use super::input::Format;

/// Which function is to be called, and over which inputs.
#[derive(Debug)]
pub(crate) struct CallsPlan {
    /// As it was written.
    pub(crate) reference: String,
    pub(crate) function: Function,
    pub(crate) source: Source,
    /// `None` to find out from the first line.
    pub(crate) format: Option<Format>,
}

impl CallsPlan {
    /// `command` is the one that these are the arguments of.
    pub(crate) fn new(
        command: &str,
        args: CallsArgs,
        stdin_is_terminal: bool,
    ) -> Result<CallsPlan, Fatal> {
        let stdin = OsStr::new("-");
        let source = match (args.input_file, args.inputs) {
            (Some(path), _) if path == stdin => Source::Stdin,
            (Some(path), _) => open(&path)?,
            (None, inputs) if inputs == [stdin] => Source::Stdin,
            (None, inputs) if inputs.is_empty() && stdin_is_terminal => {
                return Err(no_inputs(command));
            }
            (None, inputs) if inputs.is_empty() => Source::Stdin,
            (None, inputs) => Source::Words(inputs.into_iter().map(bytes).collect()),
        };
        let format = match args.format {
            FormatArg::Lines => Some(Format::Text),
            FormatArg::Jsonl => Some(Format::Json),
            FormatArg::Auto => match &source {
                Source::Words(_) => Some(Format::Text),
                Source::File(path, _) => named_json(path).then_some(Format::Json),
                Source::Stdin => None,
            },
        };
        Ok(CallsPlan {
            function: Function::at(&args.function),
            reference: args.function,
            source,
            format,
        })
    }

    /// How many inputs there are, where that is known.
    pub(crate) fn n_inputs(&self) -> Option<usize> {
        match &self.source {
            Source::Words(words) => Some(words.len()),
            Source::File(..) | Source::Stdin => None,
        }
    }
}

fn open(path: &Path) -> Result<Source, Fatal> {
    let opened = File::open(path).and_then(|file| Ok((file.metadata()?.is_dir(), file)));
    let cannot = || Fatal::new(Exit::Usage, format!("cannot read {}", path.display()));
    match opened {
        Ok((false, file)) => Ok(Source::File(path.to_owned(), file)),
        Ok((true, _)) => Err(cannot().cause("it is a directory")),
        Err(error) => Err(cannot().cause(error)),
    }
}

/// The mistake of naming no inputs.
pub(crate) fn no_inputs(name: &str) -> Fatal {
    Fatal::new(Exit::Usage, "there are no inputs")
        .hint(
            "name them after the function, or in a file with -i FILE, or send them through a pipe",
        )
        .usage(usage_of(name))
}

/// The mistake of naming no script.
fn no_script() -> Fatal {
    Fatal::new(Exit::Usage, "there is no script")
        .hint("name it after the options, and before what belongs to it")
        .usage(usage_of("run"))
}

/// How a command is to be used.
fn usage_of(name: &str) -> String {
    let mut command = Args::command();
    command.build();
    let command = command.find_subcommand_mut(name);
    let usage = command.map(|command| command.render_usage().to_string());
    usage.unwrap_or_default() + "\n\nFor more information, try '--help'."
}

fn named_json(path: &Path) -> bool {
    let extension = path.extension().and_then(OsStr::to_str);
    matches!(extension, Some("jsonl" | "ndjson" | "json"))
}

fn bytes(word: OsString) -> Vec<u8> {
    word.into_encoded_bytes()
}

/// What `owngil run` is to do.
#[derive(Debug)]
pub(crate) struct RunPlan {
    pub(crate) script: Function,
    pub(crate) arguments: Template,
    /// `None` to run once on every worker.
    pub(crate) inputs: Option<Vec<Vec<u8>>>,
}

impl RunPlan {
    pub(crate) fn new(args: RunArgs) -> Result<RunPlan, Fatal> {
        let words = args.script.map(|ScriptArg::Words(words)| words);
        let mut words = words.unwrap_or_default().into_iter();
        let script = words.next().filter(|word| word != ":::");
        let script = Function::script(script.ok_or_else(no_script)?);
        let words: Vec<Vec<u8>> = words.map(bytes).collect();
        let (arguments, inputs) = match words.iter().position(|word| word == b":::") {
            Some(at) => (&words[..at], Some(words[at + 1..].to_vec())),
            None => (&words[..], None),
        };
        Ok(RunPlan {
            script,
            arguments: Template(arguments.to_vec()),
            inputs,
        })
    }
}

/// A script's arguments, in which `{}` stands for the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template(Vec<Vec<u8>>);

impl Template {
    /// As they are written.
    pub(crate) fn as_written(&self) -> &[Vec<u8>] {
        &self.0
    }

    /// With the input for each `{}`, or at the end where there is none.
    pub(crate) fn filled(&self, input: &[u8]) -> Vec<Vec<u8>> {
        let mut has_place = false;
        let mut filled: Vec<Vec<u8>> = Vec::with_capacity(self.0.len() + 1);
        for argument in &self.0 {
            let mut rest = &argument[..];
            let mut result = Vec::new();
            while let Some(at) = rest.windows(2).position(|pair| pair == b"{}") {
                has_place = true;
                result.extend_from_slice(&rest[..at]);
                result.extend_from_slice(input);
                rest = &rest[at + 2..];
            }
            result.extend_from_slice(rest);
            filled.push(result);
        }
        if !has_place {
            filled.push(input.to_vec());
        }
        filled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::Command;
    use clap::Parser;

    fn map(words: &str, stdin_is_terminal: bool) -> Result<CallsPlan, Fatal> {
        match Args::try_parse_from(words.split(' ')).unwrap().command {
            Command::Map(args) => CallsPlan::new("map", args.calls, stdin_is_terminal),
            other => panic!("{other:?}"),
        }
    }

    fn run(words: &str) -> (Vec<String>, Option<Vec<String>>) {
        let plan = match Args::try_parse_from(words.split(' ')).unwrap().command {
            Command::Run(args) => RunPlan::new(args).unwrap(),
            other => panic!("{other:?}"),
        };
        let texts = |words: Vec<Vec<u8>>| -> Vec<String> {
            words
                .into_iter()
                .map(|word| String::from_utf8(word).unwrap())
                .collect()
        };
        (texts(plan.arguments.0), plan.inputs.map(texts))
    }

    #[test]
    fn inputs_come_from_arguments_a_file_or_standard_input() {
        let plan = map("owngil map m:f a b", true).unwrap();
        assert!(matches!(&plan.source, Source::Words(words) if words.len() == 2));
        assert_eq!(
            (plan.format, plan.n_inputs()),
            (Some(Format::Text), Some(2))
        );
        for words in ["owngil map m:f", "owngil map m:f -", "owngil map m:f -i -"] {
            let plan = map(words, false).unwrap();
            assert!(matches!(plan.source, Source::Stdin), "{words}");
            assert_eq!(plan.format, None);
        }
        assert!(matches!(
            map("owngil map m:f -i -", true).unwrap().source,
            Source::Stdin
        ));
    }

    #[test]
    fn no_inputs_at_a_terminal_are_a_mistake() {
        let fatal = map("owngil map m:f", true).unwrap_err();
        assert_eq!(fatal.exit, Exit::Usage);
        let text = fatal.to_string();
        assert!(
            text.contains("Usage: owngil map") && text.contains("-i FILE"),
            "{text}"
        );
    }

    #[test]
    fn the_name_of_a_file_tells_its_format_unless_an_option_does() {
        let folder = tempfile::tempdir().unwrap();
        for (name, option, format) in [
            ("a.jsonl", "auto", Some(Format::Json)),
            ("a.ndjson", "auto", Some(Format::Json)),
            ("a.json", "auto", Some(Format::Json)),
            ("a.txt", "auto", None),
            ("a.jsonl", "lines", Some(Format::Text)),
            ("a.txt", "jsonl", Some(Format::Json)),
        ] {
            let path = folder.path().join(name);
            std::fs::write(&path, "").unwrap();
            let words = format!("owngil map m:f --input {option} -i {}", path.display());
            assert_eq!(
                map(&words, true).unwrap().format,
                format,
                "{name} as {option}"
            );
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_found_at_once() {
        for path in ["/nowhere/at/all", "/"] {
            let fatal = map(&format!("owngil map m:f -i {path}"), true).unwrap_err();
            assert_eq!(fatal.exit, Exit::Usage);
            assert!(fatal.to_string().contains(path), "{fatal}");
        }
    }

    #[test]
    fn inputs_of_a_script_follow_three_colons() {
        let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect();
        assert_eq!(run("owngil run s.py"), (words(&[]), None));
        assert_eq!(
            run("owngil run s.py -a :::"),
            (words(&["-a"]), Some(words(&[])))
        );
        assert_eq!(
            run("owngil run s.py --x {} ::: 1 ::: 2"),
            (words(&["--x", "{}"]), Some(words(&["1", ":::", "2"])))
        );
    }

    #[test]
    fn the_input_replaces_each_pair_of_braces_or_comes_last() {
        let filled = |arguments: &[&str], input: &str| -> Vec<String> {
            let arguments = arguments
                .iter()
                .map(|word| word.as_bytes().to_vec())
                .collect();
            let filled = Template(arguments).filled(input.as_bytes()).into_iter();
            filled
                .map(|word| String::from_utf8(word).unwrap())
                .collect()
        };
        assert_eq!(filled(&[], "x"), ["x"]);
        assert_eq!(filled(&["-v", "a"], "x y"), ["-v", "a", "x y"]);
        assert_eq!(
            filled(&["{}", "--out={}.{}", "b"], "x"),
            ["x", "--out=x.x", "b"]
        );
        // What is put in is not looked at again.
        assert_eq!(filled(&["{}{}", "{"], "{}"), ["{}{}", "{"]);
    }
}
