//! Values: a thousand dicts in and out, beside pickle of the same, in the same interpreter.

use owngil::{Function, Interpreter, Payload};
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::measure::contest::Contest;
use crate::measure::limits::middle_of;
use crate::report::line::{Line, Role, Unit};
use crate::setting::Setting;

const SOURCE: &str = r#"
import marshal
import pickle
from time import perf_counter_ns

N = 1000
DATA = [
    {
        "id": i,
        "name": f"person {i}",
        "address": f"{i} Long Street, Little Town",
        "score": i / 7,
        "active": i % 3 == 0,
        "parent": None if i % 2 else i - 1,
    }
    for i in range(N)
]


def nothing(_=None):
    return None


def give():
    return DATA


def time(run, argument, n):
    start = perf_counter_ns()
    for _ in range(n):
        run(argument)
    return (perf_counter_ns() - start) / n / 1e9


def pickle_in(n):
    return time(pickle.loads, pickle.dumps(DATA), n)


def pickle_out(n):
    return time(pickle.dumps, DATA, n)


def marshal_in(n):
    return time(marshal.loads, marshal.dumps(DATA), n)


def marshal_out(n):
    return time(marshal.dumps, DATA, n)
"#;

/// What such a dict is to a Rust program.
#[derive(Serialize, Deserialize)]
struct Person {
    id: i64,
    name: String,
    address: String,
    score: f64,
    active: bool,
    parent: Option<i64>,
}

/// 1 000 dicts of 6 keys: from bytes to objects, and from objects to bytes.
pub(crate) fn dicts(setting: &Setting) -> Result<Vec<Line>> {
    const OURS: &str = "owngil";
    const STRUCTS: &str = "owngil, with Rust structs";
    let n = setting.pick(300, 100);
    let mut interpreter = Interpreter::new()?;
    let at = |name: &str| Function::source(SOURCE, name);
    let (nothing, give) = (at("nothing"), at("give"));
    let payload: Payload = interpreter.call(&give, ())?;
    let people: Vec<Person> = payload.decode()?;
    if Payload::new(&people)?.as_bytes().len() < payload.as_bytes().len() / 2 {
        return Err("the structs hold less than the dicts".into());
    }

    let interpreter = std::cell::RefCell::new(&mut interpreter);
    // What a call costs without the value is taken off.
    let bare_call = || {
        middle_of(1000, || {
            let _: () = interpreter.borrow_mut().call(&nothing, ((),))?;
            Ok(())
        })
    };
    let ask = |function: Function| {
        let interpreter = &interpreter;
        move || {
            Ok(interpreter
                .borrow_mut()
                .call::<f64, _>(&function, n as i64)?)
        }
    };

    let mut into = Contest::new();
    into.add(Role::Ours, OURS, || {
        let with_value = middle_of(n, || {
            let _: () = interpreter.borrow_mut().call(&nothing, (&payload,))?;
            Ok(())
        })?;
        Ok(with_value - bare_call()?)
    });
    into.add(Role::Ours, STRUCTS, || {
        let with_value = middle_of(n, || {
            let _: () = interpreter.borrow_mut().call(&nothing, (&people,))?;
            Ok(())
        })?;
        Ok(with_value - bare_call()?)
    });
    into.add(Role::Peer, "pickle.loads", ask(at("pickle_in")));
    into.add(Role::Peer, "marshal.loads", ask(at("marshal_in")));
    let held = into.hold(setting, setting.pick(15, 7));
    let mut line = Line::new("dicts", "1 000 dicts of 6 keys, in", Unit::Seconds);
    held.enter(&mut line);
    let ratio = held.ratio(OURS, "pickle.loads");
    line.at_most(1.0, "pickle.loads", ratio, Unit::Times);
    let mut lines = vec![line];

    let mut out = Contest::new();
    out.add(Role::Ours, OURS, || {
        let with_value = middle_of(n, || {
            let _: Payload = interpreter.borrow_mut().call(&give, ())?;
            Ok(())
        })?;
        Ok(with_value - bare_call()?)
    });
    out.add(Role::Ours, STRUCTS, || {
        let with_value = middle_of(n, || {
            let _: Vec<Person> = interpreter.borrow_mut().call(&give, ())?;
            Ok(())
        })?;
        Ok(with_value - bare_call()?)
    });
    out.add(Role::Peer, "pickle.dumps", ask(at("pickle_out")));
    out.add(Role::Peer, "marshal.dumps", ask(at("marshal_out")));
    let held = out.hold(setting, setting.pick(15, 7));
    let mut line = Line::new("dicts", "1 000 dicts of 6 keys, out", Unit::Seconds);
    held.enter(&mut line);
    let ratio = held.ratio(OURS, "pickle.dumps");
    line.at_most(1.0, "pickle.dumps", ratio, Unit::Times);
    lines.push(line);
    Ok(lines)
}
