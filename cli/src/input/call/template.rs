//! Template: a script's arguments, in which braces stand for the input or parts of it.

use owngil::Value;

use crate::failure::Problem;
use crate::input::block::{Block, Columns};
use crate::json;

/// Stands for the number of the worker until it is known. No word of a command line holds a NUL.
pub(crate) const SLOT: &str = "\0%\0";

/// A script's arguments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Template {
    arguments: Vec<Vec<Piece>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(Vec<u8>),
    /// What stood between braces, and what it asks for.
    Place(Vec<u8>, Which, Part),
}

/// Of what something is put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    /// `{}`
    All,
    /// `{1}`, from 0 here.
    Number(usize),
    /// `{#}`
    Index,
    /// `{%}`
    Slot,
    /// A column, if there is one of that name.
    Name,
}

/// What of it is put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Whole,
    /// `.`: without its extension.
    NoExtension,
    /// `/`: without its folder.
    File,
    /// `//`: its folder.
    Folder,
    /// `/.`: without both.
    Stem,
}

/// Each with how it is written, the longer ones first.
const PARTS: [(&[u8], Part); 4] = [
    (b"//", Part::Folder),
    (b"/.", Part::Stem),
    (b"/", Part::File),
    (b".", Part::NoExtension),
];

impl Part {
    fn of(self, path: &[u8]) -> &[u8] {
        let slash = path.iter().rposition(|byte| *byte == b'/');
        match self {
            Part::Whole => path,
            Part::File => slash.map_or(path, |slash| &path[slash + 1..]),
            Part::Folder => match slash {
                None => b".",
                Some(0) => b"/",
                Some(slash) => &path[..slash],
            },
            Part::NoExtension => {
                let name = slash.map_or(0, |slash| slash + 1);
                let dot = path[name..].iter().rposition(|byte| *byte == b'.');
                dot.map_or(path, |dot| &path[..name + dot])
            }
            Part::Stem => Part::NoExtension.of(Part::File.of(path)),
        }
    }
}

/// The fields of an input, each as text.
struct TemplateFields<'a> {
    all: Vec<Vec<u8>>,
    /// All of an object, whose entries are asked for by name.
    object: Option<Vec<u8>>,
    names: Option<Vec<&'a str>>,
    index: u64,
}

impl Template {
    pub(crate) fn new(arguments: &[Vec<u8>]) -> Template {
        Template {
            arguments: arguments.iter().map(|argument| pieces(argument)).collect(),
        }
    }

    /// The arguments of the script for one input; `value` is what its record holds, if that is JSON.
    pub(crate) fn words(
        &self,
        block: &Block,
        place: usize,
        value: Option<&Value>,
    ) -> Result<Vec<Vec<u8>>, Problem> {
        let fields = TemplateFields::of(block, place, value)?;
        let mut words = Vec::with_capacity(self.arguments.len() + 1);
        let mut has_place = false;
        for argument in &self.arguments {
            if let [Piece::Place(_, Which::All, part)] = &argument[..] {
                words.extend(fields.whole().iter().map(|field| part.of(field).to_vec()));
                has_place = true;
                continue;
            }
            let mut word = Vec::new();
            for piece in argument {
                match piece {
                    Piece::Literal(text) => word.extend_from_slice(text),
                    Piece::Place(inside, which, part) => {
                        match fields.get(inside, *which, *part)? {
                            Some(text) => {
                                has_place = true;
                                word.extend_from_slice(&text);
                            }
                            None => word.extend([b"{", &inside[..], b"}"].concat()),
                        }
                    }
                }
            }
            words.push(word);
        }
        if !has_place {
            words.extend_from_slice(fields.whole());
        }
        Ok(words)
    }

    /// Whether it asks for the number of the worker.
    pub(crate) fn has_slot(&self) -> bool {
        let is_slot = |piece: &Piece| matches!(piece, Piece::Place(_, Which::Slot, _));
        self.arguments.iter().flatten().any(is_slot)
    }

    /// What it asks for that such columns do not have.
    pub(crate) fn check(&self, columns: &Columns) -> Result<(), Problem> {
        let names = columns.names.as_deref();
        let fields = TemplateFields {
            all: vec![Vec::new(); columns.n],
            object: None,
            names: names.map(|names| names.iter().map(String::as_str).collect()),
            index: 0,
        };
        for piece in self.arguments.iter().flatten() {
            if let Piece::Place(inside, which, part) = piece {
                fields.get(inside, *which, *part)?;
            }
        }
        Ok(())
    }
}

impl<'a> TemplateFields<'a> {
    fn of(block: &'a Block, place: usize, value: Option<&'a Value>) -> Result<Self, Problem> {
        let index = block.first + place as u64 + 1;
        let texts = |values: &mut dyn Iterator<Item = &Value>| {
            values.map(as_text).collect::<Result<Vec<_>, _>>()
        };
        let (all, names) = match value {
            Some(Value::Dict(pairs)) => {
                let names = pairs.iter().map(|(name, _)| match name {
                    Value::Str(name) => name.as_str(),
                    _ => "",
                });
                let names = Some(names.collect());
                (texts(&mut pairs.iter().map(|(_, value)| value))?, names)
            }
            Some(Value::List(items)) => (texts(&mut items.iter())?, None),
            Some(value) => (vec![as_text(value)?], None),
            // It stands at standard input.
            None if block.is_piece => (Vec::new(), None),
            None => {
                let names = block.columns.as_ref().and_then(|it| it.names.as_deref());
                let names = names.map(|names| names.iter().map(String::as_str).collect());
                let fields = block.fields(place);
                (fields.map(<[u8]>::to_vec).collect(), names)
            }
        };
        let is_object = matches!(value, Some(Value::Dict(_)));
        let object = is_object.then(|| block.record(place).trim_ascii().to_vec());
        Ok(TemplateFields {
            all,
            object,
            names,
            index,
        })
    }

    /// What `{}` stands for.
    fn whole(&self) -> &[Vec<u8>] {
        match &self.object {
            Some(object) => std::slice::from_ref(object),
            None => &self.all,
        }
    }

    /// `None` where the braces are only text.
    fn get(&self, inside: &[u8], which: Which, part: Part) -> Result<Option<Vec<u8>>, Problem> {
        let part_of = |field: &Vec<u8>| part.of(field).to_vec();
        match which {
            Which::All => {
                let parts: Vec<Vec<u8>> = self.whole().iter().map(part_of).collect();
                Ok(Some(parts.join(&b' ')))
            }
            Which::Index => Ok(Some(self.index.to_string().into_bytes())),
            Which::Slot => Ok(Some(SLOT.into())),
            Which::Number(at) => match self.all.get(at) {
                Some(field) => Ok(Some(part_of(field))),
                // Such as in a regular expression.
                None if self.all.len() < 2 && self.names.is_none() => Ok(None),
                None => {
                    let n = self.all.len();
                    let problem = format!("there is no {{{}}}: it has {n} fields", at + 1);
                    Err(Problem::new(problem))
                }
            },
            Which::Name => self.named(inside),
        }
    }

    fn named(&self, inside: &[u8]) -> Result<Option<Vec<u8>>, Problem> {
        let Some(names) = &self.names else {
            return Ok(None);
        };
        let find = |name: &[u8]| names.iter().position(|known| known.as_bytes() == name);
        let suffixes = PARTS.iter().filter_map(|(suffix, part)| {
            let name = inside.strip_suffix(*suffix)?;
            Some((name, *part))
        });
        let mut readings = [(inside, Part::Whole)].into_iter().chain(suffixes);
        let found = readings.find_map(|(name, part)| Some((find(name)?, part)));
        if let Some((at, part)) = found {
            return Ok(Some(part.of(&self.all[at]).to_vec()));
        }
        let name = inside.trim_ascii_end();
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        if name.first().is_none_or(u8::is_ascii_digit) || !name.iter().all(is_word) {
            return Ok(None);
        }
        let name = String::from_utf8_lossy(name);
        let problem = Problem::new(format!("there is no column {name}"));
        Err(problem.hint(format!("the columns are {}", names.join(", "))))
    }
}

/// A JSON value as an argument: text as it is, all else as JSON.
fn as_text(value: &Value) -> Result<Vec<u8>, Problem> {
    if let Value::Str(text) = value {
        return Ok(text.clone().into_bytes());
    }
    let mut text = Vec::new();
    json::write(value, &mut text).map_err(|unfit| Problem::new(unfit.to_string()))?;
    Ok(text)
}

/// An argument, cut at its braces.
fn pieces(argument: &[u8]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut literal = Vec::new();
    let mut rest = argument;
    while let Some(open) = rest.iter().position(|byte| *byte == b'{') {
        let inside = &rest[open + 1..];
        let close = inside.iter().position(|byte| matches!(byte, b'{' | b'}'));
        let place = close.filter(|close| inside[*close] == b'}');
        let Some((inside, after)) = place.map(|close| (&inside[..close], &inside[close + 1..]))
        else {
            literal.extend_from_slice(&rest[..=open]);
            rest = inside;
            continue;
        };
        literal.extend_from_slice(&rest[..open]);
        if !literal.is_empty() {
            pieces.push(Piece::Literal(std::mem::take(&mut literal)));
        }
        let (which, part) = meaning(inside);
        pieces.push(Piece::Place(inside.to_vec(), which, part));
        rest = after;
    }
    literal.extend_from_slice(rest);
    if !literal.is_empty() || pieces.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    pieces
}

fn meaning(inside: &[u8]) -> (Which, Part) {
    match inside {
        b"#" => return (Which::Index, Part::Whole),
        b"%" => return (Which::Slot, Part::Whole),
        _ => {}
    }
    let n_digits = inside.iter().take_while(|byte| byte.is_ascii_digit());
    let (digits, suffix) = inside.split_at(n_digits.count());
    let known = PARTS.iter().find(|(written, _)| *written == suffix);
    let part = match suffix {
        b"" => Part::Whole,
        _ => match known {
            Some((_, part)) => *part,
            None => return (Which::Name, Part::Whole),
        },
    };
    let number = std::str::from_utf8(digits).ok().map(str::parse::<usize>);
    match number {
        _ if digits.is_empty() => (Which::All, part),
        Some(Ok(number)) if number > 0 => (Which::Number(number - 1), part),
        _ => (Which::Name, Part::Whole),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::Format;

    fn filled(arguments: &[&str], input: &str) -> Vec<String> {
        let block = Block::of_words([input.as_bytes().to_vec()], Format::Text);
        words(arguments, &block, None).unwrap()
    }

    fn words(
        arguments: &[&str],
        block: &Block,
        value: Option<&Value>,
    ) -> Result<Vec<String>, Problem> {
        let arguments: Vec<Vec<u8>> = arguments
            .iter()
            .map(|word| word.as_bytes().into())
            .collect();
        let words = Template::new(&arguments)
            .words(block, 0, value)?
            .into_iter();
        Ok(words.map(|word| String::from_utf8(word).unwrap()).collect())
    }

    /// A row of fields.
    fn row(fields: &[&str], names: Option<&[&str]>) -> Block {
        let mut block = Block::of_words([fields.concat().into_bytes()], Format::Text);
        let names = names.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
        let n = fields.len();
        block.columns = Some(Columns { n, names });
        block.field_ends = (1..=n).map(|n| fields[..n].concat().len()).collect();
        block
    }

    #[test]
    fn the_input_replaces_each_pair_of_braces_or_comes_last() {
        assert_eq!(filled(&[], "x"), ["x"]);
        assert_eq!(filled(&["-v", "a"], "x y"), ["-v", "a", "x y"]);
        assert_eq!(
            filled(&["{}", "--out={}.{}", "b"], "x"),
            ["x", "--out=x.x", "b"]
        );
        // What is put in is not looked at again.
        assert_eq!(filled(&["{}{}", "{"], "{}"), ["{}{}", "{"]);
        assert_eq!(filled(&["{}", ""], "-x\n y"), ["-x\n y", ""]);
    }

    #[test]
    fn parts_of_a_path_are_put_in_as_gnu_parallel_does() {
        let parts = ["{}", "{.}", "{/}", "{//}", "{/.}"];
        for (path, expected) in [
            (
                "a/b.c/d.tar.gz",
                [
                    "a/b.c/d.tar.gz",
                    "a/b.c/d.tar",
                    "d.tar.gz",
                    "a/b.c",
                    "d.tar",
                ],
            ),
            ("name", ["name", "name", "name", ".", "name"]),
            ("a.b/c", ["a.b/c", "a.b/c", "c", "a.b", "c"]),
            ("/x.y", ["/x.y", "/x", "x.y", "/", "x"]),
        ] {
            assert_eq!(filled(&parts, path), expected);
        }
        assert_eq!(filled(&["{1.}-{1/}-{#}"], "a/b.c"), ["a/b-b.c-1"]);
    }

    #[test]
    fn braces_that_are_only_text_stay() {
        for text in [
            "{\"a\": 1}",
            "{a}",
            "x{2}",
            "{2,3}",
            "{{",
            "}{",
            "{ }",
            "{a b",
        ] {
            assert_eq!(filled(&[text, "{}"], "x"), [text, "x"], "{text}");
        }
        assert_eq!(filled(&["{{}}"], "x"), ["{x}"]);
    }

    #[test]
    fn fields_are_found_by_number_and_by_name() {
        let block = row(&["a b", "2.csv"], Some(&["first name", "file"]));
        let found = words(&["{1}+{2.}", "{first name}", "{file.}", "{}"], &block, None);
        assert_eq!(found.unwrap(), ["a b+2", "a b", "2", "a b", "2.csv"]);
        assert_eq!(
            words(&["-v"], &block, None).unwrap(),
            ["-v", "a b", "2.csv"]
        );
        assert_eq!(words(&["x{}"], &block, None).unwrap(), ["xa b 2.csv"]);
        let unknown = words(&["{fil}"], &block, None).unwrap_err();
        assert_eq!(unknown.what, "there is no column fil");
        assert_eq!(unknown.hint.unwrap(), "the columns are first name, file");
        assert_eq!(
            words(&["{3}"], &block, None).unwrap_err().what,
            "there is no {3}: it has 2 fields"
        );
        let columns = block.columns.unwrap();
        assert!(Template::new(&[b"{nam}".to_vec()]).check(&columns).is_err());
        assert!(
            Template::new(&[b"{file/}{2}".to_vec()])
                .check(&columns)
                .is_ok()
        );
        let block = row(&["a", "b"], None);
        assert_eq!(
            words(&["{2}{1}{name}"], &block, None).unwrap(),
            ["ba{name}"]
        );
    }

    #[test]
    fn entries_of_an_object_are_put_in_as_text_or_json() {
        let object = "{\"id\": 7, \"name\": \"Ada\", \"tags\": [\"a\"]}";
        let block = Block::of_words([object.as_bytes().to_vec()], Format::Json);
        let value = json::read(object.as_bytes()).unwrap();
        let found = words(&["{id}", "{name}", "{tags}", "{}"], &block, Some(&value));
        assert_eq!(found.unwrap(), ["7", "Ada", "[\"a\"]", object]);
        assert_eq!(words(&[], &block, Some(&value)).unwrap(), [object]);
        assert!(words(&["{nam}"], &block, Some(&value)).is_err());
    }
}
