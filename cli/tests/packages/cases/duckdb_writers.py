"""Many short writers of one DuckDB file; each tries again while another holds it.

Its lock keeps other writers out. That all rows are there is not asked for: DuckDB 2.0.1 loses some in plain Python, too,
where processes open a file in turns.
"""

import os
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
    try:
        os.close(os.open("held", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return "another has it open, too"
    connection.execute("insert into t select ?, repeat('y', 1000) from range(50)", [int(x)])
    time.sleep(0.01)
    os.remove("held")
    connection.close()
    return "alone"


def check(results):
    import duckdb

    assert results == ["alone" for _ in INPUTS], results
    rows = duckdb.connect("shared.duckdb").execute("select a, count(*) from t group by a").fetchall()
    assert len(rows) >= len(INPUTS) - 4 and {n for _, n in rows} == {50}, rows
