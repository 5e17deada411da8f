//! CSV: rows as in RFC 4180, except that lines end with a newline alone.

use csv_core::Writer;
use owngil::Value;

use crate::failure::Failure;
use crate::json;

/// Writes values as rows.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// The columns' names, if the first value was a dict.
    columns: Vec<Vec<u8>>,
    has_begun: bool,
}

impl Table {
    /// Appends a row, before the first one of a dict its keys; returns how many floats in it are no
    /// numbers. On an error `out` holds some of it.
    pub(super) fn write(&mut self, value: &Value, out: &mut Vec<u8>) -> Result<u64, Failure> {
        let mut n_not_finite = 0;
        let mut cells = Vec::new();
        match value {
            Value::Dict(pairs) => {
                let keys = pairs.iter().map(|(key, _)| cell(key, &mut n_not_finite));
                let keys = keys.collect::<Result<Vec<_>, _>>()?;
                if !self.has_begun {
                    row(&keys, out);
                    self.columns.clone_from(&keys);
                } else if self.columns.is_empty() {
                    return Err(misfit("a dict, and the first was none"));
                }
                cells.resize(self.columns.len(), Vec::new());
                for (key, (_, value)) in keys.into_iter().zip(pairs) {
                    match self.columns.iter().position(|column| *column == key) {
                        Some(at) => cells[at] = cell(value, &mut n_not_finite)?,
                        None => {
                            let key = String::from_utf8_lossy(&key);
                            return Err(misfit(&format!("a dict with the new key {key:?}")));
                        }
                    }
                }
            }
            Value::List(items) | Value::Tuple(items) => {
                for item in items {
                    cells.push(cell(item, &mut n_not_finite)?);
                }
            }
            _ if !self.columns.is_empty() => return Err(misfit("no dict, and the first was one")),
            other => cells.push(cell(other, &mut n_not_finite)?),
        }
        if !self.columns.is_empty() && cells.len() != self.columns.len() {
            let n = self.columns.len();
            return Err(misfit(&format!("a row of {}, not of {n}", cells.len())));
        }
        row(&cells, out);
        self.has_begun = true;
        Ok(n_not_finite)
    }
}

fn misfit(what: &str) -> Failure {
    let failure = Failure::new(format!("result is {what}, which does not fit the table"));
    failure.hint("return the same keys each time, or use --output jsonl")
}

/// A str as it is, nothing for None, all else as JSON.
fn cell(value: &Value, n_not_finite: &mut u64) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    if let Value::Surrogates(wide) = value
        && let Some(bytes) = json::undecoded(wide)
    {
        return Ok(bytes);
    }
    match value {
        Value::None => {}
        Value::Str(value) => text.extend_from_slice(value.as_bytes()),
        other => match json::write(other, &mut text) {
            Ok(n) => *n_not_finite += n,
            Err(unfit) => return Err(Failure::new(unfit.to_string()).hint(unfit.hint())),
        },
    }
    Ok(text)
}

/// Appends a row.
pub(super) fn row(cells: &[Vec<u8>], out: &mut Vec<u8>) {
    if cells.is_empty() {
        return out.push(b'\n');
    }
    let mut writer = Writer::new();
    let mut end = out.len();
    // Room for quotes around each cell and for each byte twice, as the writer may need, and for what ends the cell.
    let most: usize = cells.iter().map(|cell| 2 * cell.len() + 3).sum();
    out.resize(end + most, 0);
    for (number, cell) in cells.iter().enumerate() {
        if number > 0 {
            end += writer.delimiter(&mut out[end..]).1;
        }
        end += writer.field(cell, &mut out[end..]).2;
    }
    end += writer.terminator(&mut out[end..]).1;
    out.truncate(end);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dict(pairs: &[(&str, Value)]) -> Value {
        let pairs = pairs
            .iter()
            .map(|(key, value)| (Value::from(*key), value.clone()));
        Value::Dict(pairs.collect())
    }

    fn written(values: &[Value]) -> (String, Vec<String>) {
        let (mut table, mut out, mut failures) = (Table::default(), Vec::new(), Vec::new());
        for value in values {
            let start = out.len();
            if let Err(failure) = table.write(value, &mut out) {
                out.truncate(start);
                failures.push(failure.what);
            }
        }
        (String::from_utf8(out).unwrap(), failures)
    }

    #[test]
    fn dicts_are_rows_below_a_header() {
        let rows = [
            dict(&[("a", Value::Int(1)), ("b, c", "x \"y\"\nz".into())]),
            dict(&[("b, c", Value::None)]),
            dict(&[("new", Value::None)]),
            Value::List(vec![Value::Bool(true), Value::List(vec![Value::Int(1)])]),
            Value::Int(1),
        ];
        let (text, failures) = written(&rows);
        assert_eq!(text, "a,\"b, c\"\n1,\"x \"\"y\"\"\nz\"\n,\ntrue,[1]\n");
        assert!(failures[0].contains("\"new\"") && failures[1].contains("the first was one"));
    }

    #[test]
    fn lists_are_rows_and_all_else_is_a_row_of_one() {
        let rows = [
            Value::Tuple(vec![Value::Float(0.5), "é".into()]),
            "".into(),
            "b".into(),
            dict(&[]),
            Value::Bytes(vec![1]),
        ];
        let (text, failures) = written(&rows);
        assert_eq!(text, "0.5,é\n\"\"\nb\n");
        assert!(failures[0].contains("the first was none") && failures[1].contains("bytes"));
    }

    #[test]
    fn cells_are_quoted_where_readers_need_it() {
        for (cells, expected) in [
            (&[][..], "\n"),
            (&[""], "\"\"\n"),
            (&["", ""], ",\n"),
            (&["a", ""], "a,\n"),
            (&["", "a"], ",a\n"),
            (
                &["\"", "\"\"\"\"\"\""],
                "\"\"\"\",\"\"\"\"\"\"\"\"\"\"\"\"\"\"\n",
            ),
            (&["a,b", "a\nb", "a\rb"], "\"a,b\",\"a\nb\",\"a\rb\"\n"),
            (&[" a ", "#b", "\t"], " a ,#b,\t\n"),
        ] {
            let cells: Vec<Vec<u8>> = cells.iter().map(|cell| cell.as_bytes().to_vec()).collect();
            let mut out = b"before".to_vec();
            row(&cells, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), format!("before{expected}"));
        }
    }
}
