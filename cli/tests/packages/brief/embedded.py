"""Embedded databases and indexes by the newer engines: SQLite's kin, graphs, text."""

from brief import briefly, until_free
from exercise import raised


@briefly("sqlite-vec", loads="other")
def sqlite_vec(seed):
    import sqlite3

    import sqlite_vec

    base = sqlite3.connect(":memory:")
    if not hasattr(base, "enable_load_extension"):
        return "this Python's sqlite3 loads no extensions"
    base.enable_load_extension(True)
    sqlite_vec.load(base)
    base.execute("create virtual table v using vec0(e float[3])")
    for i in range(6):
        base.execute("insert into v (rowid, e) values (?, ?)", (i + 1, sqlite_vec.serialize_float32([i, seed, 1])))
    rows = base.execute(
        "select rowid from v where e match ? and k = 2 order by distance", (sqlite_vec.serialize_float32([2, seed, 1]),)
    )
    return [rows.fetchall()[0], raised(sqlite3.OperationalError, base.execute, "select vec_length('no')")[:12]]


@briefly("pyturso")
def turso(seed):
    import turso

    base = turso.connect(":memory:")
    cursor = base.cursor()
    cursor.execute("create table t (a int, b text)")
    for i in range(20):
        cursor.execute("insert into t values (?, ?)", (i, f"é{i * seed % 5}"))
    rows = cursor.execute("select b, count(*) from t group by b order by b").fetchall()
    return [[list(row) for row in rows], raised(Exception, cursor.execute, "select * from nowhere")[:14]]


@turso.together(lambda path: _turso_rows(path))
def turso_writes(path, me):
    import turso

    for i in range(6):
        base = until_free(lambda: turso.connect(path), turso.Error)
        cursor = base.cursor()
        cursor.execute("create table if not exists t (n int)")
        cursor.execute("insert into t values (?)", (me * 100 + i,))
        base.commit()
        base.close()


def _turso_rows(path):
    import turso

    return sorted(row[0] for row in turso.connect(path).cursor().execute("select n from t").fetchall())


@briefly("ladybug")
def ladybug(seed):
    import tempfile

    import ladybug

    with tempfile.TemporaryDirectory() as folder:
        base = ladybug.Database(f"{folder}/g")
        link = ladybug.Connection(base, num_threads=1)
        link.execute("create node table P (n int64, primary key (n))")
        for i in range(5):
            link.execute(f"create (:P {{n: {i * (seed + 1)}}})")
        found = link.execute("match (p:P) return p.n order by p.n").get_all()
        wrong = raised(RuntimeError, link.execute, "match (p:None) return p")
        link.close()
        base.close()
        return [found, wrong]


@ladybug.together(lambda path: _ladybug_rows(path))
def ladybug_writes(path, me):
    import ladybug

    for i in range(4):
        base = until_free(lambda: ladybug.Database(path), RuntimeError)
        link = ladybug.Connection(base, num_threads=1)
        link.execute("create node table if not exists P (n int64, primary key (n))")
        link.execute(f"merge (:P {{n: {me * 100 + i}}})")
        link.close()
        base.close()


def _ladybug_rows(path):
    import ladybug

    base = ladybug.Database(path)
    return ladybug.Connection(base).execute("match (p:P) return p.n order by p.n").get_all()


@briefly("tantivy")
def tantivy(seed):
    import tantivy

    builder = tantivy.SchemaBuilder()
    builder.add_text_field("title", stored=True)
    builder.add_integer_field("n", stored=True, indexed=True)
    index = tantivy.Index(builder.build())
    writer = index.writer(15_000_000, 1)
    for i in range(10):
        writer.add_document(tantivy.Document(title=[f"the title {i * seed % 3}"], n=i))
    writer.commit()
    writer.wait_merging_threads()
    index.reload()
    found = index.searcher().search(index.parse_query("title:1", ["title"]), 20)
    return [found.count, raised(ValueError, index.parse_query, "title:(", ["title"])[:20]]


@tantivy.together(lambda path: _tantivy_count(path))
def tantivy_writes(path, me):
    import os

    import tantivy

    builder = tantivy.SchemaBuilder()
    builder.add_integer_field("n", stored=True, indexed=True, fast=True)
    os.makedirs(path, exist_ok=True)
    for i in range(3):
        index = until_free(lambda: tantivy.Index(builder.build(), path=path), ValueError)
        writer = until_free(lambda: index.writer(15_000_000, 1), ValueError)
        writer.add_document(tantivy.Document(n=me * 100 + i))
        writer.commit()
        writer.wait_merging_threads()
        del writer


def _tantivy_count(path):
    import tantivy

    return tantivy.Index.open(path).searcher().num_docs
