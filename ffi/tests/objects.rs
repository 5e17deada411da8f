//! Values and exceptions: made in Rust or in Python, and read on the other side.

mod support;

use owngil_ffi::{Attached, Exception, ExceptionKind, Frame, Inside, Kind, Object, Program};
use support::{eval, in_interpreter};

#[test]
fn values_of_every_plain_kind_are_made_and_read() {
    in_interpreter(|attached| {
        assert_eq!(eval(attached, "None").kind(), Kind::None);
        assert_eq!(eval(attached, "True").kind(), Kind::Bool);
        assert!(eval(attached, "True").is(&attached.bool(true)));
        assert_eq!(eval(attached, "-2**63").as_i64(), Some(i64::MIN));
        assert_eq!(eval(attached, "2**63").as_i64(), None);
        assert_eq!(eval(attached, "-2**63 - 1").int_bytes().unwrap().len(), 9);
        let big = attached
            .big_int(&eval(attached, "-3**200").int_bytes().unwrap())
            .unwrap();
        assert_eq!(big.to_python_str().unwrap().text().unwrap(), {
            eval(attached, "str(-3**200)").text().unwrap()
        });
        assert_eq!(eval(attached, "1.5").as_f64(), Some(1.5));
        assert_eq!(eval(attached, "'grüße'").as_str(), Some("grüße"));
        let lone = eval(attached, "'a\\udc80'");
        assert_eq!(lone.as_str(), None);
        let bytes = lone.str_bytes_with_surrogates().unwrap();
        let again = attached.str_with_surrogates(&bytes).unwrap();
        assert!(again.invoke("__eq__", &[lone]).unwrap().is_true().unwrap());
        assert_eq!(
            eval(attached, "b'\\x00\\xff'").as_bytes(),
            Some(&[0, 255][..])
        );
        // A subclass is none of them: it has to keep its type.
        assert_eq!(
            eval(attached, "type('Sub', (int,), {})(1)").kind(),
            Kind::Other
        );
        let list = eval(attached, "[1, 2, 3]");
        assert_eq!((list.len(), list.item(2).unwrap().as_i64()), (3, Some(3)));
        assert!(list.item(3).is_none());
        let made = attached
            .tuple([list.item(0).unwrap(), list.item(1).unwrap()])
            .unwrap();
        assert_eq!((made.kind(), made.len()), (Kind::Tuple, 2));
    });
}

#[test]
fn values_inside_a_container_are_read_by_their_exact_types() {
    in_interpreter(|attached| {
        let dict = eval(attached, "{'a': 1, 'b': 2}");
        let values: Vec<_> = dict.pairs().map(|(_, value)| value).collect();
        assert!(matches!(values[..], [Inside::Int(1), Inside::Int(2)]));
        let many = eval(attached, "(None, True, -2**63, 2**63, 1.5, 'a', [])");
        let many: Vec<_> = (0..).map_while(|place| many.inside(place)).collect();
        assert!(matches!(
            many[..],
            [
                Inside::None,
                Inside::Bool(true),
                Inside::Int(i64::MIN),
                Inside::Object(_),
                Inside::Float(1.5),
                Inside::Object(_),
                Inside::Object(_),
            ]
        ));
    });
}

#[test]
fn dicts_and_sets_are_made_from_their_items() {
    in_interpreter(|attached| {
        let dict = eval(attached, "{'a': 1, 'b': 2}");
        let keys = eval(attached, "('b', 'a')");
        let values = [attached.int(3).unwrap(), attached.int(4).unwrap()];
        let like = attached.dict_like(&dict, &keys, &values).unwrap();
        assert_eq!(
            like.to_python_str().unwrap().text().unwrap(),
            "{'a': 4, 'b': 3}"
        );
        assert!(attached.dict_like(&keys, &keys, &values).is_err());
        assert!(attached.dict_like(&dict, &dict, &values).is_err());
        assert!(attached.dict_like(&dict, &keys, &values[..1]).is_err());
        assert!(
            attached
                .dict_like(&dict, &eval(attached, "([], 1)"), &values)
                .is_err()
        );
        let numbers = attached
            .set((0..3).map(|n| attached.int(n).unwrap()))
            .unwrap();
        assert_eq!((numbers.kind(), numbers.len()), (Kind::Set, 3));
        assert_eq!(numbers.items().unwrap().count(), 3);
        assert_eq!(attached.frozen_set([]).unwrap().kind(), Kind::FrozenSet);
        let unhashable = attached.list([]).unwrap();
        assert!(attached.set([unhashable]).is_err());
    });
}

/// Says that it has ten items, and has three.
struct Liar<'a>(Attached<'a>, usize);

impl<'a> Iterator for Liar<'a> {
    type Item = Object<'a>;

    fn next(&mut self) -> Option<Object<'a>> {
        self.1 = self.1.checked_sub(1)?;
        Some(self.0.none())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (10, Some(10))
    }
}

impl ExactSizeIterator for Liar<'_> {}

#[test]
fn no_list_or_tuple_is_ever_seen_with_an_empty_place() {
    in_interpreter(|attached| {
        assert_eq!(attached.list(Liar(attached, 3)).unwrap().len(), 3);
        assert_eq!(attached.tuple(Liar(attached, 3)).unwrap().len(), 3);
        // Each item is made while the ones before it are there, and looks for what is unfinished.
        let source = "__import__('gc').get_objects()";
        let unfinished = |objects: &Object<'_>| {
            (0..objects.len()).any(|place| {
                let object = objects.item(place).unwrap();
                (0..object.len()).any(|place| {
                    matches!(object.kind(), Kind::List | Kind::Tuple)
                        && object.item(place).is_none()
                })
            })
        };
        let item = |_| attached.bool(unfinished(&eval(attached, source)));
        for made in [
            attached.list((0..3).map(item)).unwrap(),
            attached.tuple((0..3).map(item)).unwrap(),
        ] {
            let text = made.to_python_str().unwrap().text().unwrap();
            assert!(!text.contains("True"), "{text}");
        }
    });
}

/// The exception that a source raises.
fn raised(attached: Attached<'_>, source: &str) -> Exception {
    let globals = attached.dict().unwrap();
    attached
        .exec(source, "task.py", &globals)
        .unwrap_err()
        .describe()
}

#[test]
fn a_program_runs_in_each_interpreter() {
    static PLAIN: Program = Program::new(
        "<a program>",
        "value = 'abc'[1:]\ndef f(): raise ValueError(value)",
    );
    // A .pyc file of another Python is passed over.
    static FOREIGN: Program =
        Program::compiled("<a program>", "value = 7", b"\0\0\0\0and so on....");
    static WRONG: Program = Program::new("<a program>", "value =");
    for _ in 0..3 {
        in_interpreter(|attached| {
            let globals = attached.dict().unwrap();
            PLAIN.run(attached, &globals).unwrap();
            let function = globals.lookup(&attached.str("f").unwrap()).unwrap();
            let raised = function.unwrap().call(&[]).unwrap_err().describe();
            assert_eq!(raised.to_string(), "ValueError: bc");
            assert_eq!(raised.frames, [Frame::new("<a program>", 2, "f")]);
            FOREIGN.run(attached, &globals).unwrap();
            let value = globals.lookup(&attached.str("value").unwrap()).unwrap();
            assert_eq!(value.unwrap().as_i64(), Some(7));
            let wrong = WRONG.run(attached, &globals).unwrap_err();
            assert_eq!(wrong.kind(), ExceptionKind::SyntaxError);
            let no_dict = PLAIN.run(attached, &attached.none()).unwrap_err();
            assert!(no_dict.describe().to_string().starts_with("TypeError"));
        });
    }
}

#[test]
fn an_exception_that_cannot_be_formatted_keeps_its_frames() {
    in_interpreter(|attached| {
        let source = "
class Mute(Exception):
    @property
    def __notes__(self):
        raise KeyboardInterrupt

def f():
    try:
        g()
    except Mute as inner:
        raise Mute('outer')

def g():
    raise Mute('inner')

f()";
        let outer = raised(attached, source);
        assert!(outer.traceback.contains("KeyboardInterrupt"), "{outer:?}");
        assert_eq!(outer.to_string(), "Mute: outer");
        let frames = |exception: &Exception| {
            let frames = exception.frames.iter();
            let named =
                frames.map(|frame| format!("{}:{} {}", frame.file, frame.line, frame.function));
            named.collect::<Vec<_>>()
        };
        assert_eq!(frames(&outer), ["task.py:16 <module>", "task.py:11 f"]);
        let inner = outer.context.as_deref().unwrap();
        assert_eq!(frames(inner), ["task.py:9 f", "task.py:14 g"]);
    });
}

#[test]
fn exceptions_of_each_kind_are_distinguished() {
    in_interpreter(|attached| {
        let kinds = [
            (
                "import sys; sys.exit(3)",
                ExceptionKind::SystemExit,
                Some(3),
            ),
            ("import sys; sys.exit()", ExceptionKind::SystemExit, Some(0)),
            (
                "import sys; sys.exit('no')",
                ExceptionKind::SystemExit,
                Some(1),
            ),
            (
                "import sys; sys.exit(256 + 7)",
                ExceptionKind::SystemExit,
                Some(7),
            ),
            (
                "raise KeyboardInterrupt",
                ExceptionKind::KeyboardInterrupt,
                None,
            ),
            ("raise MemoryError", ExceptionKind::MemoryError, None),
            ("def f(): f()\nf()", ExceptionKind::RecursionError, None),
            ("1 +", ExceptionKind::SyntaxError, None),
            ("import no_such_module", ExceptionKind::ImportError, None),
            ("raise ValueError", ExceptionKind::Other, None),
        ];
        for (source, kind, status) in kinds {
            let exception = raised(attached, source);
            assert_eq!(
                (exception.kind, exception.exit_status),
                (kind, status),
                "{source}"
            );
        }
    });
}

#[test]
fn exceptions_are_copied_out_whole() {
    in_interpreter(|attached| {
        let raise = |source: &str| raised(attached, source);
        let chained = raise(
            "def inner():\n    raise KeyError('k')\ntry:\n    inner()\nexcept KeyError as e:\n    \
             error = ValueError('bad')\n    error.add_note('look here')\n    raise error from e",
        );
        assert_eq!(
            (chained.type_name.as_str(), chained.message.as_str()),
            ("ValueError", "bad")
        );
        assert_eq!(chained.notes, ["look here"]);
        assert_eq!(chained.cause.unwrap().type_name, "KeyError");
        for part in [
            "line 2, in inner",
            "direct cause",
            "ValueError: bad",
            "look here",
        ] {
            assert!(
                chained.traceback.contains(part),
                "{part:?} in {}",
                chained.traceback
            );
        }
        let context = raise("try:\n    1 / 0\nexcept ZeroDivisionError:\n    undefined");
        assert_eq!(context.context.unwrap().type_name, "ZeroDivisionError");
        let mute = raise(
            "class Mute(Exception):\n    def __str__(self): raise RuntimeError\n    \
             def __reduce__(self): raise RuntimeError\nraise Mute",
        );
        assert_eq!(mute.message, "<exception str() failed>");
        assert!(mute.type_name.ends_with("Mute"), "{}", mute.type_name);
        let cycle = raise(
            "a = ValueError('a'); a.__context__ = b = KeyError('b'); b.__context__ = a\nraise a",
        );
        assert_eq!(cycle.context.unwrap().context, None);
    });
}
