//! Values: the results of tasks, written to standard output.

use std::io::Write;
use std::time::Duration;

use owngil::{Error, Value};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::fatal::Fatal;
use crate::json;

use super::args::{FormatArg, ValueArgs};
use super::csv::{Table, row};

/// The fields of an envelope, in their order.
const FIELDS: [&str; 10] = [
    "index",
    "input",
    "outcome",
    "time",
    "worker",
    "attempt",
    "value",
    "type",
    "message",
    "traceback",
];

/// Writes results.
#[derive(Debug)]
pub(crate) struct Values {
    format: FormatArg,
    has_envelope: bool,
    table: Table,
    n_written: u64,
}

/// What is written about one input.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResultRecord<'a> {
    pub(crate) index: u64,
    /// The input as JSON.
    pub(crate) input: &'a [u8],
    pub(crate) result: Result<&'a Value, &'a Error>,
    /// Why the value is none after all, or what is said in place of the error.
    pub(crate) failure: Option<&'a str>,
    /// Which worker ran it, and for how long.
    pub(crate) spent: Option<(usize, Duration)>,
    pub(crate) attempt: u32,
}

impl Values {
    /// `has_account` says that the run may be gone on with, after what an earlier one has written.
    pub(crate) fn new(args: &ValueArgs, has_account: bool) -> Result<Values, Fatal> {
        if has_account && matches!(args.output, FormatArg::Json | FormatArg::Csv) {
            let message = "--joblog: a run cannot resume in the middle of an array or a table";
            let fatal = Fatal::new(Exit::Usage, message);
            return Err(fatal.hint("use --output jsonl, or omit --joblog"));
        }
        if args.envelope && args.output == FormatArg::Text {
            let fatal = Fatal::new(Exit::Usage, "--envelope: --output text has no records");
            return Err(fatal.hint("use --output jsonl, json or csv"));
        }
        Ok(Values {
            format: args.output,
            has_envelope: args.envelope,
            table: Table::default(),
            n_written: 0,
        })
    }

    /// Whether results are written as records, and failures too.
    pub(crate) fn has_envelope(&self) -> bool {
        self.has_envelope
    }

    /// Appends a value; returns how many floats in it JSON has no number for. On an error nothing is
    /// appended.
    pub(crate) fn write(&mut self, value: &Value, out: &mut Vec<u8>) -> Result<u64, Failure> {
        let start = out.len();
        let written = match self.format {
            FormatArg::None => Ok(0),
            FormatArg::Csv => self.table.write(value, out),
            FormatArg::Jsonl => json(value, out),
            FormatArg::Json => {
                self.next_item(out);
                json(value, out)
            }
            FormatArg::Text => text(value, out),
        };
        match written {
            Ok(_) if matches!(self.format, FormatArg::Jsonl | FormatArg::Text) => out.push(b'\n'),
            Ok(_) => {}
            Err(_) => out.truncate(start),
        }
        self.n_written += u64::from(written.is_ok());
        written
    }

    /// Appends a record; a value that cannot be written is reported as the failure that it is, which is
    /// returned.
    pub(crate) fn write_record(
        &mut self,
        record: ResultRecord<'_>,
        out: &mut Vec<u8>,
    ) -> Result<u64, Failure> {
        let mut value = Vec::new();
        let written = match (record.result, record.failure) {
            (Ok(given), None) => json(given, &mut value),
            _ => Ok(0),
        };
        let what = written.as_ref().err().map(|failure| failure.what.as_str());
        let cells = record.cells(value, record.failure.or(what));
        match self.format {
            FormatArg::None | FormatArg::Text => {}
            FormatArg::Csv => {
                if self.n_written == 0 {
                    row(&FIELDS.map(Vec::from), out);
                }
                row(&cells.map(Cell::into_plain), out);
            }
            FormatArg::Jsonl => {
                object(&cells, out);
                out.push(b'\n');
            }
            FormatArg::Json => {
                self.next_item(out);
                object(&cells, out);
            }
        }
        self.n_written += 1;
        written
    }

    /// Appends what comes after the last result.
    pub(crate) fn finish(&self, out: &mut Vec<u8>) {
        match (self.format, self.n_written) {
            (FormatArg::Json, 0) => out.extend_from_slice(b"[]\n"),
            (FormatArg::Json, _) => out.extend_from_slice(b"\n]\n"),
            _ => {}
        }
    }

    fn next_item(&self, out: &mut Vec<u8>) {
        let before: &[u8] = if self.n_written == 0 { b"[\n" } else { b",\n" };
        out.extend_from_slice(before);
    }
}

/// One field of an envelope.
#[derive(Clone, Debug)]
enum Cell {
    Absent,
    /// JSON already.
    Json(Vec<u8>),
    Text(String),
}

impl Cell {
    /// As a cell of a table has it.
    fn into_plain(self) -> Vec<u8> {
        match self {
            Cell::Absent => Vec::new(),
            Cell::Text(text) => text.into_bytes(),
            Cell::Json(json) => match serde_json::from_slice::<serde_json::Value>(&json) {
                Ok(serde_json::Value::String(text)) => text.into_bytes(),
                Ok(serde_json::Value::Null) => Vec::new(),
                _ => json,
            },
        }
    }
}

impl ResultRecord<'_> {
    fn cells(&self, value: Vec<u8>, failure: Option<&str>) -> [Cell; FIELDS.len()] {
        let json = |text: String| Cell::Json(text.into_bytes());
        let or_null = |text: Option<String>| json(text.unwrap_or_else(|| "null".to_owned()));
        let python = self.result.err().and_then(Error::python);
        let outcome = match (self.result, failure) {
            (Ok(_), None) => "value",
            (Ok(_), Some(_)) => "error",
            (Err(Error::Python(_)), _) => "exception",
            (Err(Error::TimedOut { .. }), _) => "timeout",
            (Err(Error::WorkerLost(_)), _) => "lost",
            (Err(_), _) => "error",
        };
        let message = match (python, failure, self.result) {
            (Some(python), ..) => Some(python.message().to_owned()),
            (None, Some(failure), _) => Some(failure.to_owned()),
            (None, None, Err(error)) => Some(error.to_string()),
            (None, None, Ok(_)) => None,
        };
        let has_failed = outcome != "value";
        let text = |text: Option<&str>| match (has_failed, text) {
            (false, _) => Cell::Absent,
            (true, None) => json("null".to_owned()),
            (true, Some(text)) => Cell::Text(text.to_owned()),
        };
        let time = self
            .spent
            .map(|(_, time)| format!("{:.6}", time.as_secs_f64()));
        [
            json((self.index + 1).to_string()),
            Cell::Json(self.input.to_vec()),
            Cell::Text(outcome.to_owned()),
            or_null(time),
            or_null(self.spent.map(|(worker, _)| worker.to_string())),
            json(self.attempt.to_string()),
            if has_failed {
                Cell::Absent
            } else {
                Cell::Json(value)
            },
            text(python.map(|python| python.type_name())),
            text(message.as_deref()),
            text(python.map(|python| python.traceback())),
        ]
    }
}

fn json(value: &Value, out: &mut Vec<u8>) -> Result<u64, Failure> {
    json::write(value, out).map_err(|unfit| Failure::new(unfit.to_string()).hint(unfit.hint()))
}

fn text(value: &Value, out: &mut Vec<u8>) -> Result<u64, Failure> {
    match value {
        Value::Str(text) => out.extend_from_slice(text.as_bytes()),
        Value::Bytes(bytes) => out.extend_from_slice(bytes),
        Value::Surrogates(wide) => match json::undecoded(wide) {
            Some(bytes) => out.extend_from_slice(&bytes),
            None => return json(value, out),
        },
        other => return json(other, out),
    }
    Ok(0)
}

fn object(cells: &[Cell; FIELDS.len()], out: &mut Vec<u8>) {
    let mut before = b'{';
    for (name, cell) in FIELDS.iter().zip(cells) {
        let cell: &[u8] = match cell {
            Cell::Absent => continue,
            Cell::Json(json) => json,
            Cell::Text(text) => &json_of(text),
        };
        out.push(before);
        let _ = write!(out, "\"{name}\":");
        out.extend_from_slice(cell);
        before = b',';
    }
    out.push(b'}');
}

fn json_of(text: &str) -> Vec<u8> {
    serde_json::to_vec(text).expect("a str is JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(format: FormatArg, values: &[Value]) -> String {
        let mut writer = Values::new(
            &ValueArgs {
                output: format,
                envelope: false,
                each: false,
            },
            false,
        )
        .unwrap();
        let mut out = Vec::new();
        for value in values {
            let _ = writer.write(value, &mut out);
        }
        writer.finish(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_format_has_its_own_ends() {
        let values = [
            Value::from("é \"x\""),
            Value::Bytes(vec![b'b']),
            Value::List(vec![Value::None]),
        ];
        for (format, text) in [
            (FormatArg::Jsonl, "\"é \\\"x\\\"\"\n[null]\n"),
            (FormatArg::Json, "[\n\"é \\\"x\\\"\",\n[null]\n]\n"),
            (FormatArg::Csv, "\"é \"\"x\"\"\"\n\"\"\n"),
            (FormatArg::Text, "é \"x\"\nb\n[null]\n"),
            (FormatArg::None, ""),
        ] {
            assert_eq!(all(format, &values), text, "{format:?}");
        }
        assert_eq!(all(FormatArg::Json, &[]), "[]\n");
        assert_eq!(all(FormatArg::Csv, &[]), "");
    }

    fn records(format: FormatArg) -> String {
        let mut writer = Values::new(
            &ValueArgs {
                output: format,
                envelope: true,
                each: false,
            },
            false,
        )
        .unwrap();
        let mut out = Vec::new();
        let lost = Error::from(owngil::WorkerLost::new("it went\naway"));
        let value = Value::from(vec![Value::Int(1)]);
        let record = ResultRecord {
            index: 0,
            input: b"\"a,b\"",
            result: Ok(&value),
            failure: None,
            spent: None,
            attempt: 1,
        };
        assert!(writer.write_record(record, &mut out).is_ok());
        let record = ResultRecord {
            result: Err(&lost),
            attempt: 2,
            ..record
        };
        assert!(writer.write_record(record, &mut out).is_ok());
        let value = Value::Bytes(vec![]);
        let record = ResultRecord {
            index: 2,
            result: Ok(&value),
            ..record
        };
        assert!(writer.write_record(record, &mut out).is_err());
        writer.finish(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn records_tell_values_and_failures() {
        let value = r#"{"index":1,"input":"a,b","outcome":"value","time":null,"worker":null,"attempt":1,"value":[1]}"#;
        let text = records(FormatArg::Jsonl);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!((lines.len(), lines[0]), (3, value));
        assert!(lines[1].contains(r#""outcome":"lost""#) && lines[1].contains(r#"it went\naway""#));
        assert!(lines[1].contains(r#""attempt":2,"type":null,"message":"#));
        assert!(lines[2].contains(r#""outcome":"error""#) && lines[2].contains("of type bytes"));
        let array: Vec<serde_json::Value> =
            serde_json::from_str(&records(FormatArg::Json)).unwrap();
        assert_eq!(array.len(), 3);
        let table = records(FormatArg::Csv);
        assert!(table.starts_with("index,input,outcome,time,worker,attempt,value,type,message,traceback\n1,\"a,b\",value,,,1,[1],,,\n1,\"a,b\",lost,,,2,,,\""), "{table}");
    }

    #[test]
    fn times_are_in_seconds() {
        let value = Value::None;
        let record = ResultRecord {
            index: 4,
            input: b"7",
            result: Ok(&value),
            failure: None,
            spent: Some((3, Duration::from_micros(1500))),
            attempt: 1,
        };
        let cells = record.cells(b"null".to_vec(), None);
        let mut out = Vec::new();
        object(&cells, &mut out);
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains(r#""time":0.001500,"worker":3,"#), "{text}");
    }
}
