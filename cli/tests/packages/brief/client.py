"""Clients of databases, as far as one gets without a server; readers of data files; repositories."""

from brief import briefly, until_free
from exercise import digest, raised


@briefly("asyncpg")
def asyncpg(seed):
    import asyncio

    import asyncpg

    async def refused():
        try:
            await asyncpg.connect(host="127.0.0.1", port=1, user="a", database="b", timeout=5)
        except OSError as error:
            return type(error).__name__

    return [asyncio.run(refused()), str(asyncpg.Range(seed, seed + 3)), str(asyncpg.Point(seed, 2))]


@briefly("psycopg2-binary")
def psycopg2(seed):
    import psycopg2
    from psycopg2 import extensions

    refused = raised(psycopg2.OperationalError, psycopg2.connect, "host=127.0.0.1 port=1 connect_timeout=5")
    return [
        refused.split(":")[0],
        extensions.adapt("it's").getquoted().decode(),
        extensions.make_dsn(dbname=f"d{seed}"),
    ]


@briefly("psycopg-binary", "psycopg")
def psycopg(seed):
    import psycopg
    from psycopg import sql
    from psycopg.types.json import Json

    made = psycopg.adapt.Transformer()
    data = made.as_literal(f"it's {seed}")
    dumped = made.as_literal(Json({"a": [seed]}))
    refused = raised(psycopg.OperationalError, psycopg.connect, "host=127.0.0.1 port=1 connect_timeout=5")
    return [psycopg.pq.__impl__, data.decode(), dumped.decode(), sql.Identifier("a", "b").as_string(None), refused[:16]]


@briefly("pymssql")
def pymssql(seed):
    import pymssql

    refused = raised(pymssql.Error, lambda: pymssql.connect("127.0.0.1", "a", "b", "c", port=1, login_timeout=5))
    return [refused[:16], pymssql._mssql.quote_simple_value(f"it's {seed}").decode()]


@briefly("pyodbc", threads=False)
def pyodbc(seed):
    import pyodbc

    return [
        pyodbc.drivers(),
        raised(pyodbc.Error, pyodbc.connect, f"DSN=none{seed}")[:20],
        pyodbc.BinaryNull is not None,
    ]


@briefly("mysql-connector-python")
def mysql_connector(seed):
    import mysql.connector

    import _mysql_connector

    made = _mysql_connector.MySQL()
    escaped = (
        made.escape_string(f"it's {seed}")
        if seed < 0
        else made.convert_to_mysql([seed, "it's", None]) if seed < -1 else b""
    )
    refused = raised(
        mysql.connector.Error, lambda: mysql.connector.connect(host="127.0.0.1", port=1, user="a", connection_timeout=5)
    )
    return [
        len(escaped),
        refused[:14],
        raised(_mysql_connector.MySQLInterfaceError, made.connect, host="127.0.0.1", port=1)[:20],
    ]


@briefly("oracledb")
def oracledb(seed):
    import oracledb

    refused = raised(oracledb.Error, lambda: oracledb.connect(user="a", password="b", dsn=f"127.0.0.1:1/x{seed}"))
    made = oracledb.ConnectParams()
    made.parse_connect_string(f"host:15{seed:02}/service")
    return [refused[:16], made.port, made.service_name, oracledb.DB_TYPE_VARCHAR.name]


@briefly("clickhouse-connect")
def clickhouse_connect(seed):
    from clickhouse_connect.datatypes.registry import get_from_name
    from clickhouse_connect.driver.exceptions import Error
    from clickhouse_connect.driverc import buffer, dataconv

    source = type("Source", (), {"gen": iter([b"\x03abc\x05" + b"%05d" % seed]), "close": lambda self: None})()
    made = buffer.ResponseBuffer(source)
    return [
        made.read_leb128_str(),
        made.read_leb128_str(),
        get_from_name("Array(Nullable(Int32))").name,
        dataconv is not None,
        Error.__name__,
        raised(Exception, made.read_byte)[:14],
    ]


@briefly("clickhouse-driver")
def clickhouse_driver(seed):
    import clickhouse_driver
    from clickhouse_driver.bufferedwriter import BufferedWriter
    from clickhouse_driver.varint import write_varint

    class Kept(BufferedWriter):
        def write_into_stream(self):
            pass

    kept = Kept(1000)
    write_varint(1000 + seed, kept)
    refused = raised(
        clickhouse_driver.errors.NetworkError,
        clickhouse_driver.Client("127.0.0.1", port=1, connect_timeout=3).execute,
        "select 1",
    )
    return [kept.position if hasattr(kept, "position") else 0, refused[:14]]


@briefly("cassandra-driver")
def cassandra(seed):
    from cassandra.cqltypes import ListType, LongType, UTF8Type
    from cassandra.murmur3 import murmur3

    kind = ListType.apply_parameters([LongType])
    data = kind.serialize([1, seed], 4)
    return [
        murmur3(b"key%d" % seed),
        list(kind.deserialize(data, 4)),
        UTF8Type.deserialize(b"\xc3\xa9", 4),
        raised(Exception, LongType.serialize, "a", 4)[:6],
    ]


@briefly("pymongo")
def pymongo(seed):
    import bson
    import pymongo.message  # noqa: F401

    value = {"a": [seed, 1.5, None, "é"], "id": bson.ObjectId(b"%012d" % seed), "d": {"x": b"raw"}}
    assert bson.decode(bson.encode(value)) == value
    return [digest(bson.encode(value)), raised(bson.errors.InvalidDocument, bson.encode, {"a": {1}}), bson.has_c()]


@briefly("hiredis")
def hiredis(seed):
    import hiredis

    reader = hiredis.Reader()
    reader.feed(b"*3\r\n$3\r\nfoo\r\n:%d\r\n-ERR no\r\n" % seed)
    found = reader.gets()
    broken = hiredis.Reader()
    broken.feed(b"x")
    return [
        found[0].decode(),
        found[1],
        str(found[2]),
        hiredis.pack_command(("SET", "a", seed)).decode(),
        raised(hiredis.ProtocolError, broken.gets),
    ]


@briefly("pyreadstat", "pandas")
def pyreadstat(seed):
    import os
    import tempfile

    import pandas as pd
    import pyreadstat

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "x.sav")
        pyreadstat.write_sav(pd.DataFrame({"a": [1.0, seed], "b": ["x", "é"]}), path, column_labels=["A", "B"])
        back, about = pyreadstat.read_sav(path)
        return [
            back["a"].tolist(),
            back["b"].tolist(),
            about.column_labels,
            raised(Exception, pyreadstat.read_sav, path + "none")[:14],
        ]


@briefly("maxminddb")
def maxminddb(seed):
    import maxminddb
    from maxminddb import extension

    return [raised(Exception, extension.Reader, f"/nowhere{seed}")[:17], maxminddb.MODE_MMAP_EXT]


@briefly("pygit2")
def pygit2(seed):
    import tempfile

    import pygit2

    with tempfile.TemporaryDirectory() as folder:
        made = pygit2.init_repository(folder, bare=True)
        blob = made.create_blob(b"text %d" % seed)
        tree = made.TreeBuilder()
        tree.insert("a.txt", blob, pygit2.enums.FileMode.BLOB)
        who = pygit2.Signature("A", "a@example.org", 1_600_000_000, 0)
        commit = made.create_commit("refs/heads/x", who, who, "first é", tree.write(), [])
        return [
            str(commit),
            made[blob].data.decode(),
            made.references["refs/heads/x"].shorthand,
            raised(KeyError, lambda: made["0" * 40]),
        ]


@pygit2.together(lambda path: _git_count(path))
def pygit2_writes(path, me):
    import pygit2

    made = until_free(lambda: pygit2.init_repository(path, bare=True), pygit2.GitError)
    who = pygit2.Signature("A", "a@example.org", 1_600_000_000, 0)
    tree, branch = made.TreeBuilder().write(), f"refs/heads/w{me}"
    for i in range(6):
        before = [made.references[branch].target] if branch in made.references else []
        made.create_commit(branch, who, who, f"{me} {i}", tree, before)


def _git_count(path):
    import pygit2

    made = pygit2.Repository(path)
    return [[name, sum(1 for _ in made.walk(made.references[name].target))] for name in sorted(made.references)]


@briefly("dulwich")
def dulwich(seed):
    from dulwich import _diff_tree, _objects, _pack
    from dulwich.objects import Blob, Tree

    tree = Tree()
    for i in range(5):
        tree.add(b"f%d" % i, 0o100644, Blob.from_string(b"%d" % (i * seed)).id)
    found = (
        [name.decode() for name, _, _ in _objects.parse_tree(tree.as_raw_string())] if seed < 0 else tree.id.decode()
    )
    return [
        found,
        bytes(_pack.apply_delta(b"abc", [b"\x03\x03\x90\x03"])[0]).decode() if hasattr(_pack, "apply_delta") else "",
        _diff_tree.__name__,
        raised(Exception, _objects.parse_tree, b"1 no")[:9],
    ]
