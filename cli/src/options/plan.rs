//! Plan: what the arguments mean, and what is wrong with them, before Python starts.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Read;
use std::path::Path;

use clap::CommandFactory;
use owngil::Function;

use super::args::{Args, CallsArgs, RunArgs, ScriptArg};
use crate::exit::Exit;
use crate::fatal::Fatal;
use crate::input::call::binding::Binding;
use crate::input::{self, Blocks, Fields, GivenArg, Inputs, Listed, Shape, WordGroup};
use crate::schedule::Isolate;
use crate::terminal::stdin::Stdin;

/// Which function is to be called, and over which inputs.
#[derive(Debug)]
pub(crate) struct CallsPlan {
    /// As it was written.
    pub(crate) reference: String,
    pub(crate) function: Function,
    pub(crate) inputs: Inputs,
    /// What becomes of an input; `None` where that depends on the function.
    pub(crate) shape: Option<Shape>,
}

impl CallsPlan {
    /// `command` is the one that these are the arguments of.
    pub(crate) fn new(
        command: &str,
        mut args: CallsArgs,
        stdin: Stdin,
    ) -> Result<CallsPlan, Fatal> {
        let given = args.given;
        let is_structured = matches!(
            given,
            GivenArg::Auto | GivenArg::Arg | GivenArg::Args | GivenArg::Kwargs
        );
        args.input.is_raw = !is_structured;
        args.input.is_binary = given == GivenArg::Bytes;
        let target = args.target.find()?;
        let first = target.first_input.into_iter();
        let (words, mut groups) = input::split(first.chain(args.inputs))?;
        let is_stdin = words == ["-"] && groups.is_empty();
        if !words.is_empty() && !is_stdin {
            if !groups.is_empty() {
                let message = "there are inputs before `:::` and after it";
                let hint = "::: a b ::: c d gives each combination";
                return Err(Fatal::new(Exit::Usage, message).hint(hint));
            }
            if let Some(path) = args.input.files.first() {
                let message = format!(
                    "there are inputs on the command line and in {}",
                    path.display()
                );
                let hint = "put ::: before them to combine each with each line of the file";
                return Err(Fatal::new(Exit::Usage, message).hint(hint));
            }
            groups.push(WordGroup {
                words: Listed::Inputs(words.into_iter().map(bytes).collect()),
                is_linked: false,
            });
        }
        let inputs = match Inputs::open(&args.input, groups)? {
            Some(inputs) if is_stdin => {
                let message = format!(
                    "inputs come from both `-` (standard input) and {}",
                    inputs.name
                );
                return Err(Fatal::new(Exit::Usage, message).hint("name one of them"));
            }
            Some(inputs) => inputs,
            None if stdin == Stdin::Terminal && !is_stdin => return Err(no_inputs(command)),
            None => Inputs::of_stdin(&args.input)?,
        };
        Ok(CallsPlan {
            function: target.function,
            reference: target.reference,
            shape: shape(given, inputs.n_groups)?,
            inputs,
        })
    }

    /// The inputs, each as the function is to get it.
    pub(crate) fn blocks(self, binding: Binding) -> Blocks {
        match self.shape {
            Some(shape) => self.inputs.blocks(shape),
            None => {
                let fits = move |fields: Fields<'_>| binding.fits(fields);
                self.inputs.blocks_that(fits)
            }
        }
    }
}

/// What becomes of an input.
fn shape(given: GivenArg, n_groups: usize) -> Result<Option<Shape>, Fatal> {
    Ok(Some(match given {
        GivenArg::Auto if n_groups == 1 => return Ok(None),
        GivenArg::Auto | GivenArg::Args => Shape::Args,
        GivenArg::Arg => Shape::Arg,
        _ if n_groups > 1 => {
            let message = "several groups of inputs need --as args or --as arg";
            let hint = "without --as, each group is one argument";
            return Err(Fatal::new(Exit::Usage, message).hint(hint));
        }
        GivenArg::Kwargs => Shape::Keywords,
        GivenArg::Line => Shape::Arg,
        GivenArg::Path => Shape::Path,
        GivenArg::Bytes => Shape::Bytes,
        GivenArg::File => Shape::Contents { is_text: true },
        GivenArg::FileBytes => Shape::Contents { is_text: false },
    }))
}

/// The mistake of naming no inputs.
pub(crate) fn no_inputs(name: &str) -> Fatal {
    Fatal::new(Exit::Usage, "there are no inputs")
        .hint("name them after :::, or in a file with -a FILE, or send them through a pipe")
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

fn bytes(word: OsString) -> Vec<u8> {
    word.into_encoded_bytes()
}

/// What `owngil run` is to do.
#[derive(Debug)]
pub(crate) struct RunPlan {
    pub(crate) script: Function,
    /// As they are written.
    pub(crate) arguments: Vec<Vec<u8>>,
    /// `None` to run once on every worker.
    pub(crate) inputs: Option<Inputs>,
}

impl RunPlan {
    pub(crate) fn new(mut args: RunArgs, stdin: Stdin) -> Result<RunPlan, Fatal> {
        // A script finds pieces at its standard input as they came.
        args.input.is_binary = args.input.pipe;
        let script = args.script.map(|ScriptArg::Words(words)| words);
        let (words, groups) = input::split(script.unwrap_or_default())?;
        let mut words = words.into_iter();
        let script = words.next().ok_or_else(no_script)?;
        let is_stdin = script == "-" && !args.module;
        let inputs = match Inputs::open(&args.input, groups)? {
            None if stdin == Stdin::Data && !is_stdin => Some(Inputs::of_stdin(&args.input)?),
            inputs => inputs,
        };
        let script = match args.module {
            true => Function::script_module(script.to_string_lossy()),
            false => script_of(&script)?,
        };
        Ok(RunPlan {
            script: match args.isolate {
                Isolate::Namespace => script.keeping_packages(),
                Isolate::Modules | Isolate::Interpreter => script,
            },
            arguments: words.map(bytes).collect(),
            inputs,
        })
    }
}

/// The script of that name, which is read once: a pipe can be read only once, and a file may change meanwhile.
fn script_of(name: &OsStr) -> Result<Function, Fatal> {
    let path = Path::new(name);
    let read = match name == "-" {
        true => {
            let mut text = Vec::new();
            Stdin::open().read_to_end(&mut text).map(|_| text)
        }
        false if path.is_dir() => return Ok(Function::script(path)),
        false => fs::read(path),
    };
    match read {
        Ok(text) => Ok(Function::script_text((name != "-").then_some(path), text)),
        // Loading it reports what is there instead.
        Err(_) if name != "-" => Ok(Function::script(path)),
        Err(error) => Err(Fatal::new(Exit::Usage, format!("standard input: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::args::Command;
    use clap::Parser;

    fn map(words: &str, stdin: Stdin) -> Result<CallsPlan, Fatal> {
        match Args::try_parse_from(words.split(' ')).unwrap().command {
            Command::Map(args) => CallsPlan::new("map", args.calls, stdin),
            other => panic!("{other:?}"),
        }
    }

    fn run(words: &str, stdin: Stdin) -> (Vec<String>, Option<Option<usize>>) {
        let plan = match Args::try_parse_from(words.split(' ')).unwrap().command {
            Command::Run(args) => RunPlan::new(args, stdin).unwrap(),
            other => panic!("{other:?}"),
        };
        let arguments = plan.arguments.into_iter();
        let arguments = arguments.map(|word| String::from_utf8(word).unwrap());
        (arguments.collect(), plan.inputs.map(|inputs| inputs.n))
    }

    #[test]
    fn inputs_come_from_arguments_a_file_or_standard_input() {
        for words in ["owngil map m:f a b", "owngil map m:f ::: a b"] {
            let plan = map(words, Stdin::Terminal).unwrap();
            assert_eq!((plan.inputs.n, plan.inputs.n_groups), (Some(2), 1));
        }
        for words in ["owngil map m:f", "owngil map m:f -", "owngil map m:f -a -"] {
            let plan = map(words, Stdin::Other).unwrap();
            assert_eq!(plan.inputs.name, "standard input", "{words}");
            assert_eq!(plan.inputs.n, None);
        }
        let plan = map("owngil map m:f -i -", Stdin::Terminal).unwrap();
        assert_eq!(plan.inputs.name, "standard input");
        let plan = map("owngil map m:f ::: a b ::: 1 2 3", Stdin::Terminal).unwrap();
        assert_eq!((plan.inputs.n, plan.inputs.n_groups), (Some(6), 2));
        assert!(matches!(plan.shape, Some(Shape::Args)));
        let plan = map("owngil map m:f ::: a b :::+ 1 2 3", Stdin::Terminal).unwrap();
        assert_eq!((plan.inputs.n, plan.inputs.n_groups), (Some(2), 2));
    }

    #[test]
    fn inputs_that_contradict_one_another_are_a_mistake() {
        for words in [
            "owngil map m:f a ::: b",
            "owngil map m:f - -a Cargo.toml",
            "owngil map m:f x -a Cargo.toml",
            "owngil map m:f -a - -a -",
            "owngil map m:f :::+ a",
        ] {
            let fatal = map(words, Stdin::Data).unwrap_err();
            assert_eq!(fatal.exit, Exit::Usage, "{words}");
        }
    }

    #[test]
    fn no_inputs_at_a_terminal_are_a_mistake() {
        let fatal = map("owngil map m:f", Stdin::Terminal).unwrap_err();
        assert_eq!(fatal.exit, Exit::Usage);
        let text = fatal.to_string();
        assert!(
            text.contains("Usage: owngil map") && text.contains("-a FILE"),
            "{text}"
        );
    }

    #[test]
    fn a_file_that_cannot_be_read_is_found_at_once() {
        for path in ["/nowhere/at/all", "/"] {
            let words = format!("owngil map m:f -a {path}");
            let fatal = map(&words, Stdin::Terminal).unwrap_err();
            assert_eq!(fatal.exit, Exit::Usage);
            assert!(fatal.to_string().contains(path), "{fatal}");
        }
    }

    #[test]
    fn inputs_of_a_script_follow_three_colons_or_are_what_is_piped_in() {
        let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect();
        let other = Stdin::Other;
        assert_eq!(run("owngil run s.py", other), (words(&[]), None));
        assert_eq!(
            run("owngil run s.py", Stdin::Data),
            (words(&[]), Some(None))
        );
        assert_eq!(
            run("owngil run s.py -a :::", Stdin::Data),
            (words(&["-a"]), Some(Some(0)))
        );
        assert_eq!(
            run("owngil run s.py --x {} ::: 1 2 ::: 2", other),
            (words(&["--x", "{}"]), Some(Some(2)))
        );
    }
}
