"""Transactions on one SQLite file through a library of a package's own."""

import importlib

NEEDS = ["pysqlite3-binary"]
INPUTS = range(40)
LIBRARY = "pysqlite3"


def prepare():
    connection = importlib.import_module(LIBRARY).connect("shared.db")
    connection.executescript("create table t(n); insert into t values (0)")
    connection.close()


def f(x):
    connection = importlib.import_module(LIBRARY).connect("shared.db", timeout=60, isolation_level=None)
    for _ in range(5):
        connection.execute("begin immediate")
        (n,) = connection.execute("select n from t").fetchone()
        connection.execute("update t set n = ?", (n + 1,))
        connection.execute("commit")
    connection.close()


def check(results):
    found = importlib.import_module(LIBRARY).connect("shared.db").execute("select n from t").fetchone()
    assert found == (200,), found
