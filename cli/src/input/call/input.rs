//! Input: one input, and the arguments of its call.

use std::borrow::Cow;
use std::sync::Arc;

use owngil::{Value, keywords};
use serde::ser::{Error as _, Serialize, SerializeMap, SerializeTuple, Serializer};

use crate::failure::Problem;
use crate::input::block::{Block, Format};
use crate::input::call::material::Material;
use crate::input::call::shape::Shape;
use crate::input::call::template::{SLOT, Template};
use crate::input::text::text;
use crate::joblog::{digest, digest_on};
use crate::json;
use crate::json::python::EOF;
use crate::quoting::quoted;

/// One input, on its way to its call.
#[derive(Debug)]
pub(crate) struct Input {
    block: Arc<Block>,
    place: usize,
    /// What the record holds, unless it is text.
    value: Option<Result<Value, String>>,
}

impl Input {
    /// All inputs of a block, each read when it is asked for.
    pub(crate) fn all(block: &Arc<Block>) -> impl Iterator<Item = Input> {
        let block = Arc::clone(block);
        (0..block.len()).map(move |place| Input::at(&block, place))
    }

    /// The input at that place of a block.
    pub(crate) fn at(block: &Arc<Block>, place: usize) -> Input {
        Input {
            block: Arc::clone(block),
            place,
            value: block.value(place),
        }
    }

    /// Why no call can be made of it.
    pub(crate) fn problem(&self) -> Option<Problem> {
        let (block, place) = (&self.block, self.place);
        if let Some(noted) = block.noted(place) {
            return Some(noted.clone());
        }
        let value = match &self.value {
            None if block.format == Format::Json => {
                let broken = block
                    .fields(place)
                    .find_map(|field| json::read(field).err());
                return broken.map(|problem| not_json(&problem));
            }
            None => None,
            Some(Ok(value)) => Some(value),
            Some(Err(problem)) => return Some(not_json(problem)),
        };
        match (&block.shape, value) {
            (Shape::Args, Some(Value::List(_))) | (Shape::Keywords, Some(Value::Dict(_))) => None,
            (Shape::Args, Some(_)) => Some(
                Problem::new("not a JSON array of arguments")
                    .hint("use --as arg to pass each value as one argument"),
            ),
            (Shape::Keywords, Some(_)) => Some(
                Problem::new("not a JSON object of keyword arguments")
                    .hint("use --as arg to pass each value as one argument"),
            ),
            (Shape::Script(template), _) => template.words(block, place, value).err(),
            _ => None,
        }
    }
}

impl Block {
    /// What the record holds, unless it is text or a row.
    fn value(&self, place: usize) -> Option<Result<Value, String>> {
        let is_value = self.format == Format::Json && self.columns.is_none();
        is_value.then(|| json::read(self.record(place)))
    }

    /// Why no call can be made of the input at that place.
    pub(crate) fn problem(self: &Arc<Self>, place: usize) -> Option<Problem> {
        Input::at(self, place).problem()
    }
}

fn not_json(problem: &str) -> Problem {
    let hint = match problem.starts_with(EOF) {
        true => "each line must be one JSON value; --input json reads values that go over several",
        false => "each line must be one JSON value; --input lines reads text",
    };
    Problem::new(format!("not JSON: {problem}")).hint(hint)
}

impl Material for Input {
    fn fingerprint(&self) -> u64 {
        let fields = self.block.fields(self.place);
        fields.fold(digest(b""), |digest, field| {
            digest_on(digest_on(digest, field), b"\0")
        })
    }

    fn shown(&self) -> String {
        let (block, place) = (&*self.block, self.place);
        let value = self.value.as_ref().and_then(|value| value.as_ref().ok());
        let words = match &block.shape {
            Shape::Script(template) => template.words(block, place, value).ok(),
            _ => None,
        };
        let words = match (words, block.name_of_much(place)) {
            (Some(words), _) => words,
            (None, Some(name)) => vec![name],
            (None, None) => block.fields(place).map(<[u8]>::to_vec).collect(),
        };
        let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        // A worker's number is known when it runs.
        words.join(" ").replace(SLOT, "{%}")
    }
}

impl Serialize for Input {
    #[inline]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let block = &*self.block;
        let is_plain = matches!(block.shape, Shape::Arg)
            && block.columns.is_none()
            && block.problems.is_empty();
        match &self.value {
            Some(Ok(value)) if is_plain => value.serialize(serializer),
            None if is_plain => match std::str::from_utf8(block.record(self.place)) {
                Ok(text) => serializer.serialize_str(text),
                Err(_) => text(block.record(self.place)).serialize(serializer),
            },
            _ => self.serialize_shaped(serializer),
        }
    }
}

impl Input {
    /// What is no single str or JSON value, or no input at all.
    fn serialize_shaped<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(problem) = self.problem() {
            return Err(S::Error::custom(problem.what));
        }
        let (block, place) = (&*self.block, self.place);
        let value = self.value.as_ref().and_then(|value| value.as_ref().ok());
        let names = block.columns.as_ref().map(|columns| &columns.names);
        let row = || block.fields(place).map(|field| self.field(field));
        match (&block.shape, value, names) {
            (Shape::Script(template), ..) => {
                let words = template.words(block, place, value);
                let words = words.map_err(|problem| S::Error::custom(problem.what))?;
                let words: Vec<Value> = words.iter().map(|word| text(word)).collect();
                match Given::of(block, place, template) {
                    Given {
                        stdin: None,
                        slot: None,
                    } => Words(&words).serialize(serializer),
                    given => keywords(Words(&words), given).serialize(serializer),
                }
            }
            (Shape::Contents { is_text: false }, ..) => {
                serializer.serialize_bytes(block.record(place))
            }
            (Shape::Bytes, ..) => serializer.serialize_bytes(block.record(place)),
            (Shape::Args, Some(Value::List(items)), _) => {
                tuple(items.iter(), items.len(), serializer)
            }
            (Shape::Keywords | Shape::Fitting, Some(Value::Dict(pairs)), _) => {
                keywords((), Pairs(pairs)).serialize(serializer)
            }
            (Shape::Keywords | Shape::Fitting, None, Some(Some(names))) => {
                let pairs: Vec<_> = names
                    .iter()
                    .map(|name| name.as_str().into())
                    .zip(row())
                    .collect();
                keywords((), Pairs(&pairs)).serialize(serializer)
            }
            (Shape::Args, None, Some(_)) | (Shape::Fitting, None, Some(None)) => {
                let fields: Vec<Value> = row().collect();
                tuple(fields.iter(), fields.len(), serializer)
            }
            _ => self.whole().serialize(serializer),
        }
    }

    /// The one argument that an input without a problem is, if it is one.
    pub(crate) fn whole(&self) -> Cow<'_, Value> {
        let (block, place) = (&*self.block, self.place);
        let row = || block.fields(place).map(|field| self.field(field));
        let names = block.columns.as_ref().map(|columns| &columns.names);
        Cow::Owned(match (&self.value, names) {
            (Some(Ok(value)), _) => return Cow::Borrowed(value),
            (_, Some(Some(names))) => {
                let pairs = names.iter().map(|name| name.as_str().into()).zip(row());
                Value::Dict(pairs.collect())
            }
            (_, Some(None)) => Value::List(row().collect()),
            (_, None) => self.field(block.record(place)),
        })
    }

    /// A field that is no problem.
    fn field(&self, field: &[u8]) -> Value {
        match self.block.format {
            Format::Text => text(field),
            Format::Json => json::read(field).unwrap_or(Value::None),
        }
    }
}

/// The words of a script.
struct Words<'a>(&'a [Value]);

impl Serialize for Words<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        tuple(self.0.iter(), self.0.len(), serializer)
    }
}

/// What a script is given beside its words.
#[derive(serde::Serialize)]
struct Given<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    stdin: Option<Bytes<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    slot: Option<&'static str>,
}

impl<'a> Given<'a> {
    fn of(block: &'a Block, place: usize, template: &Template) -> Given<'a> {
        Given {
            stdin: block.is_piece.then(|| Bytes(block.record(place))),
            slot: template.has_slot().then_some(SLOT),
        }
    }
}

struct Bytes<'a>(&'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

/// Each item is an argument.
fn tuple<S: Serializer>(
    items: impl Iterator<Item: Serialize>,
    n: usize,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut tuple = serializer.serialize_tuple(n)?;
    for item in items {
        tuple.serialize_element(&item)?;
    }
    tuple.end()
}

/// Keyword arguments.
struct Pairs<'a>(&'a [(Value, Value)]);

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}
