"""Many short writers of one Turso database; each tries again while another holds it.

The lock belongs to the process, so that only processes exclude each other.
"""

import os
import time

NEEDS = ["pyturso"]
INPUTS = range(24)


def prepare():
    import turso

    connection = turso.connect("shared.db")
    connection.cursor().execute("create table t(a int, b text)")
    connection.commit()
    connection.close()


def f(x):
    import turso

    for _ in range(1000):
        try:
            connection = turso.connect("shared.db")
            break
        except turso.Error as error:
            if "lock" not in str(error).lower():
                raise
            time.sleep(0.02)
    try:
        os.close(os.open("held", os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return "another has it open, too"
    cursor = connection.cursor()
    for _ in range(50):
        cursor.execute("insert into t values (?, ?)", (int(x), "y" * 1000))
    connection.commit()
    os.remove("held")
    connection.close()
    return "alone"


def check(results):
    import turso

    assert results == ["alone" for _ in INPUTS], results
    rows = turso.connect("shared.db").cursor().execute("select a, count(*) from t group by a").fetchall()
    assert len(rows) == len(INPUTS) and {n for _, n in rows} == {50}, rows
