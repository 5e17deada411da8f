"""Many short writers of one DuckDB file; each tries again while another holds it."""

import time

NEEDS = ["duckdb"]
INPUTS = range(24)


def prepare():
    import duckdb

    duckdb.connect("shared.duckdb").execute("create table t(a int, b text)").close()


def f(x):
    import duckdb

    for _ in range(400):
        try:
            connection = duckdb.connect("shared.duckdb")
            break
        except duckdb.IOException as error:
            if "lock" not in str(error):
                raise
            time.sleep(0.05)
    connection.execute("insert into t select ?, repeat('y', 1000) from range(50)", [int(x)])
    time.sleep(0.01)
    connection.close()


def check(results):
    import duckdb

    rows = duckdb.connect("shared.duckdb").execute("select a, count(*) from t group by a").fetchall()
    assert sorted(rows) == [(x, 50) for x in INPUTS], rows
