"""Many writers that append to one GeoPackage, an SQLite file, by a library that brings an SQLite of its own."""

import time

NEEDS = ["pyogrio", "geopandas", "shapely", "pandas"]
OPTIONS = [[], ["--extensions", "private"]]
INPUTS = range(40)


def append(n, is_first=False):
    import geopandas
    import pyogrio
    import shapely

    points = [shapely.Point(n, i) for i in range(5)]
    frame = geopandas.GeoDataFrame({"n": [n] * 5}, geometry=points, crs=4326)
    pyogrio.write_dataframe(frame, "shared.gpkg", layer="points", append=not is_first)


def prepare():
    append(-1, is_first=True)


def f(x):
    for _ in range(200):
        try:
            return append(int(x))
        except Exception as error:
            # Another one holds it.
            if "lock" not in str(error) and "transaction" not in str(error):
                raise
            time.sleep(0.05)
    raise RuntimeError("another one always holds it")


def check(results):
    import sqlite3

    base = sqlite3.connect("shared.gpkg")
    assert base.execute("pragma integrity_check").fetchall() == [("ok",)]
    found = base.execute("select n, count(*) from points group by n order by n").fetchall()
    assert found == [(n, 5) for n in range(-1, 40)], found
