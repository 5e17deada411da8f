"""Many writers that append to one GeoPackage, an SQLite file, by a package that brings an SQLite of its own.

That all succeed is not asked for: two processes that update its triggers at once fail in plain Python, too.
"""

import time

NEEDS = ["fiona"]
INPUTS = range(40)


def append(n, mode="a"):
    import fiona

    schema = {"geometry": "Point", "properties": {"n": "int"}}
    points = [
        {"type": "Feature", "geometry": {"type": "Point", "coordinates": (n, i)}, "properties": {"n": n}}
        for i in range(5)
    ]
    with fiona.open("shared.gpkg", mode, driver="GPKG", layer="points", schema=schema, crs="EPSG:4326") as file:
        file.writerecords(points)


def prepare():
    append(-1, mode="w")


def f(x):
    for _ in range(400):
        try:
            append(int(x))
            return True
        except Exception as error:
            if "trigger" in str(error):
                return False
            # Another one holds it.
            if "lock" not in str(error):
                raise
            time.sleep(0.05)
    raise RuntimeError("another one always holds it")


def check(results):
    import sqlite3

    base = sqlite3.connect("shared.gpkg")
    assert base.execute("pragma integrity_check").fetchall() == [("ok",)]
    found = dict(base.execute("select n, count(*) from points group by n"))
    written = [n for n, is_written in zip(INPUTS, results) if is_written]
    assert len(written) > 20 and all(found.get(n) == 5 for n in written), (results, found)
