"""Transactions on one SQLite file through apsw, which brings a library of its own."""

NEEDS = ["apsw"]
INPUTS = range(40)


def connect():
    import apsw

    connection = apsw.Connection("shared.db")
    connection.set_busy_timeout(60_000)
    return connection


def prepare():
    connect().execute("create table t(n); insert into t values (0)")


def f(x):
    connection = connect()
    for _ in range(5):
        connection.execute("begin immediate")
        ((n,),) = connection.execute("select n from t")
        connection.execute("update t set n = ?", (n + 1,))
        connection.execute("commit")
    connection.close()


def check(results):
    found = list(connect().execute("select n from t"))
    assert found == [(200,)], found
