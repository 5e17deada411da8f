"""Serialisation: JSON and its kin, YAML and TOML, binary formats, schemas."""

from brief import briefly
from exercise import digest, pickled, raised


def sample(seed):
    return {"a": [seed, 1.5, None, "é"], "b": {"deep": [True] * 5}}


@briefly("cbor2")
def cbor2(seed):
    import cbor2

    value = sample(seed) | {"raw": b"raw", "set": [1, 2]}
    assert cbor2.loads(cbor2.dumps(value)) == value
    return [digest(cbor2.dumps(value)), raised(Exception, cbor2.loads, b"\x81")]


@briefly("jiter")
def jiter(seed):
    import jiter

    return [
        jiter.from_json(b'{"a": [1, %d, null, "\\u00e9"], "b": 1.5e3}' % seed),
        raised(ValueError, jiter.from_json, b"[1"),
    ]


@briefly("simplejson")
def simplejson(seed):
    import simplejson

    value = sample(seed)
    assert simplejson.loads(simplejson.dumps(value)) == value
    return [
        simplejson.dumps(value),
        raised(simplejson.JSONDecodeError, simplejson.loads, "[1,"),
        raised(TypeError, simplejson.dumps, {1, 2}),
    ]


@briefly("ujson")
def ujson(seed):
    import ujson

    value = sample(seed)
    assert ujson.loads(ujson.dumps(value)) == value
    return [
        ujson.dumps(value),
        raised(ujson.JSONDecodeError, ujson.loads, "[1,"),
        raised(TypeError, ujson.dumps, object()).partition(" object at")[0],
    ]


@briefly("msgspec")
def msgspec(seed):
    import msgspec

    point = msgspec.defstruct("Point", [("x", int), ("y", list[float])])
    made = point(seed, [1.5, 2.5])
    data = msgspec.json.encode(made)
    assert msgspec.json.decode(data, type=point) == made
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(made), type=point) == made
    return [data.decode(), raised(msgspec.ValidationError, lambda: msgspec.json.decode(b'{"x": "a"}', type=point))]


@briefly("ormsgpack")
def ormsgpack(seed):
    import ormsgpack

    value = sample(seed)
    data = ormsgpack.packb(value)
    assert ormsgpack.unpackb(data) == value
    return [digest(data), raised(ormsgpack.MsgpackDecodeError, ormsgpack.unpackb, data[:-1])]


@briefly("python-rapidjson")
def rapidjson(seed):
    import rapidjson

    value = sample(seed)
    assert rapidjson.loads(rapidjson.dumps(value)) == value
    check = rapidjson.Validator('{"type": "object", "required": ["c"]}')
    return [
        rapidjson.dumps(value, sort_keys=True),
        raised(rapidjson.JSONDecodeError, rapidjson.loads, "[1,"),
        raised(rapidjson.ValidationError, check, "{}"),
    ]


@briefly("pysimdjson")
def simdjson(seed):
    import simdjson

    parser = simdjson.Parser()
    found = parser.parse(b'{"a": [1, %d, 3.5], "b": {"c": "\xc3\xa9"}}' % seed)
    return [found.at_pointer("/a/1"), found["b"].as_dict(), list(found["a"]), raised(KeyError, lambda: found["none"])]


@briefly("pyjson5")
def pyjson5(seed):
    import pyjson5

    return [
        pyjson5.decode("{a: [1, 0x%x, .5,], /* no */ 'b': 'c'}" % seed),
        pyjson5.encode({"a": [seed, None]}),
        raised(pyjson5.Json5DecoderException, pyjson5.decode, "[1").partition(":")[0],
    ]


@briefly("ijson")
def ijson(seed):
    import io

    import ijson.backends.yajl2_c as ijson

    data = b'{"a": [%s], "b": {"c": 1.5}}' % b",".join(b"%d" % (i * seed) for i in range(50))
    return [
        sum(ijson.items(io.BytesIO(data), "a.item")),
        [[prefix, event] for prefix, event, _ in ijson.parse(io.BytesIO(b'{"x": [null]}'))],
        raised(Exception, list, ijson.items(io.BytesIO(b"[1,"), "item")).partition(":")[0],
    ]


@briefly("jq")
def jq(seed):
    import jq

    return [
        jq.compile(".[] | select(.n > 3) | .n * 2").input_value([{"n": n + seed} for n in range(6)]).all(),
        jq.compile("$x + 1", args={"x": seed}).input_value(None).first(),
        raised(ValueError, jq.compile, ".[")[:20],
    ]


@briefly("jsonnet")
def jsonnet(seed):
    import _jsonnet

    text = _jsonnet.evaluate_snippet("s", "local f(x) = x * %d; {a: f(2), b: [f(i) for i in [1, 2]]}" % seed)
    called = _jsonnet.evaluate_snippet(
        "s", "std.native('add')(1, %d)" % seed, native_callbacks={"add": (("a", "b"), lambda a, b: a + b)}
    )
    return [text, called, raised(RuntimeError, _jsonnet.evaluate_snippet, "s", "{a: none}")]


@briefly("jsonschema-rs")
def jsonschema_rs(seed):
    import jsonschema_rs

    check = jsonschema_rs.validator_for({"type": "object", "properties": {"n": {"maximum": 5}}})
    return [
        check.is_valid({"n": seed}),
        [error.message for error in check.iter_errors({"n": 10 + seed})],
        raised(jsonschema_rs.ValidationError, check.validate, []),
    ]


@briefly("rpds-py")
def rpds(seed):
    from rpds import HashTrieMap, HashTrieSet, List

    made = HashTrieMap({"a": seed}).insert("b", 2)
    assert pickled(made) == made
    return [
        sorted(made.items()),
        list(List([1, 2]).push_front(seed)),
        len(HashTrieSet([1, 1, 2])),
        raised(KeyError, lambda: made["c"]),
    ]


@briefly("tomli")
def tomli(seed):
    import tomli

    return [
        str(tomli.loads('[a]\nb = [1, %d]\nc = 1979-05-27T07:32:00Z\nd = """x\ny"""' % seed)),
        raised(tomli.TOMLDecodeError, tomli.loads, "a = [1"),
    ]


@briefly("rtoml")
def rtoml(seed):
    import rtoml

    value = {"a": {"b": [1, seed], "c": "é"}}
    assert rtoml.loads(rtoml.dumps(value)) == value
    return [rtoml.dumps(value), raised(rtoml.TomlParsingError, rtoml.loads, "a = [1")[:20]]


@briefly("ruamel.yaml.clib", "ruamel.yaml")
def ruamel_yaml(seed):
    import io

    import _ruamel_yaml  # noqa: F401
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=False)
    kept = io.StringIO()
    yaml.dump({"a": [seed, 1.5, None], "b": {"c": "é"}}, kept)
    return [
        kept.getvalue(),
        yaml.load("x: [1, 2]\ny: *z" if seed < 0 else "x: &a [1, 2]\ny: *a"),
        raised(Exception, yaml.load, "a: [1")[:20],
    ]


@briefly("protobuf")
def protobuf(seed):
    from google.protobuf import descriptor_pb2, json_format, struct_pb2, timestamp_pb2

    made = struct_pb2.Struct()
    made.update({"a": seed, "b": ["é", None, True], "c": {"d": 1.5}})
    back = struct_pb2.Struct.FromString(made.SerializeToString(deterministic=True))
    assert back == made and pickled(made) == made
    file = descriptor_pb2.FileDescriptorProto(name="x.proto")
    file.message_type.add(name="M").field.add(name="f", number=seed + 1)
    when = timestamp_pb2.Timestamp(seconds=seed).ToJsonString()
    return [json_format.MessageToDict(back), when, str(file), raised(Exception, struct_pb2.Struct.FromString, b"\xff")]


@briefly("fastavro")
def fastavro(seed):
    import io

    import fastavro

    schema = fastavro.parse_schema(
        {
            "type": "record",
            "name": "R",
            "fields": [{"name": "n", "type": "int"}, {"name": "s", "type": ["null", "string"]}],
        }
    )
    kept = io.BytesIO()
    rows = [{"n": i * seed, "s": "é" if i % 2 else None} for i in range(50)]
    fastavro.writer(kept, schema, rows, codec="deflate", sync_marker=b"0" * 16)
    data = kept.getvalue()
    kept.seek(0)
    assert list(fastavro.reader(kept)) == rows
    return [digest(data), raised(Exception, lambda: fastavro.schemaless_writer(io.BytesIO(), schema, {"n": "a"}))[:10]]


@fastavro.together(lambda path: _avro_rows(path))
def fastavro_writes(path, me):
    import fcntl
    import os

    import fastavro

    schema = {"type": "record", "name": "R", "fields": [{"name": "n", "type": "int"}]}
    for i in range(10):
        with open(path + ".lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            is_new = not os.path.exists(path)
            with open(path, "wb" if is_new else "a+b") as file:
                fastavro.writer(file, schema if is_new else None, [{"n": me * 100 + i}])


def _avro_rows(path):
    import fastavro

    with open(path, "rb") as file:
        return sorted(row["n"] for row in fastavro.reader(file))


@briefly("pycapnp")
def capnp(seed):
    import os
    import tempfile

    import capnp

    capnp.remove_import_hook()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "s.capnp")
        with open(path, "w") as file:
            file.write("@0xa1b2c3d4e5f60718;\nstruct P { n @0 :UInt32; name @1 :Text; }\n")
        schema = capnp.SchemaParser().load(path)
        data = schema.P.new_message(n=seed, name="é").to_bytes()
        with schema.P.from_bytes(data) as back:
            return [back.n, back.name, digest(data), raised(Exception, setattr, schema.P.new_message(), "none", 1)[:10]]


@briefly("bitstruct")
def bitstruct(seed):
    import bitstruct.c as bitstruct

    data = bitstruct.pack("u5s3f32r16", seed, -2, 1.5, b"\xab\xc8")
    return [
        data.hex(),
        [str(part) for part in bitstruct.unpack("u5s3f32", data)],
        raised(Exception, bitstruct.pack, "u2", 9),
    ]
