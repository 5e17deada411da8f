"""Databases that keep their data in files or in memory."""

from brief import briefly, locked, until_free
from exercise import digest, raised


@briefly("duckdb")
def duckdb(seed):
    import duckdb

    with duckdb.connect() as base:
        base.execute("create table t as select i, i * ? % 17 as k from range(1000) r(i)", [seed + 1])
        rows = base.execute("select k, count(*), sum(i) from t group by k order by k").fetchall()
        return [digest(rows), raised(duckdb.CatalogException, base.execute, "select * from nowhere")]


@duckdb.together(lambda path: _duckdb_rows(path))
def duckdb_writes(path, me):
    import duckdb

    for i in range(8):
        # DuckDB 2.0.1 loses rows of plain processes that open one file in turns, although it locks the file.
        with locked(path), duckdb.connect(path) as base:
            base.execute("create table if not exists t (who int, i int)")
            base.execute("insert into t values (?, ?)", [me, i])


def _duckdb_rows(path):
    import duckdb

    with until_free(lambda: duckdb.connect(path), duckdb.IOException) as base:
        return base.execute("select who, count(*), sum(i) from t group by who order by who").fetchall()


@briefly("lmdb")
def lmdb(seed):
    import tempfile

    import lmdb

    with tempfile.TemporaryDirectory() as folder, lmdb.open(folder, map_size=1 << 20) as base:
        with base.begin(write=True) as change:
            for i in range(50):
                change.put(b"k%02d" % (i * (seed + 1) % 53), b"%d" % i)
        with base.begin() as look, look.cursor() as cursor:
            keys = [key.decode() for key in cursor.iternext(values=False)]
        return [
            digest(keys),
            len(keys),
            raised(lmdb.BadValsizeError, put_nothing, base),
        ]


def put_nothing(base):
    with base.begin(write=True) as change:
        change.put(b"", b"a")


@lmdb.together(lambda path: _lmdb_count(path))
def lmdb_writes(path, me):
    import lmdb

    with lmdb.open(path, map_size=1 << 22, subdir=False) as base:
        for _ in range(60):
            with base.begin(write=True) as change:
                change.put(b"n", b"%d" % (int(change.get(b"n", b"0")) + 1))


def _lmdb_count(path):
    import lmdb

    with lmdb.open(path, map_size=1 << 22, subdir=False) as base, base.begin() as look:
        return int(look.get(b"n"))


def _sqlite_works(connect, error, seed):
    """What any module with the interface of `sqlite3` does."""
    base = connect(":memory:")
    base.create_function("twice", 1, lambda n: n * 2)
    base.execute("create table t (a integer primary key, b text)")
    base.executemany("insert into t values (?, ?)", [(i, f"é{i * seed % 7}") for i in range(50)])
    rows = base.execute("select b, count(*), sum(twice(a)) from t group by b order by b").fetchall()
    return [digest(rows), raised(error, base.execute, "select * from nowhere")]


def _sqlite_writes(connect, busy, path):
    base = connect(path, timeout=60, isolation_level=None)
    until_free(lambda: base.execute("create table if not exists t (n int)"), busy)
    for _ in range(20):
        until_free(lambda: base.execute("begin immediate"), busy)
        (n,) = base.execute("select coalesce(max(n), 0) from t").fetchone()
        base.execute("insert into t values (?)", (n + 1,))
        until_free(lambda: base.execute("commit"), busy)
    base.close()


def _sqlite_reads(connect, path):
    base = connect(path)
    found = [
        base.execute("pragma integrity_check").fetchone()[0],
        *base.execute("select count(*), max(n) from t").fetchone(),
    ]
    base.close()
    return found


@briefly("pysqlite3-binary")
def pysqlite3(seed):
    from pysqlite3 import dbapi2

    return _sqlite_works(dbapi2.connect, dbapi2.OperationalError, seed)


@pysqlite3.together(lambda path: _sqlite_reads(__import__("pysqlite3.dbapi2", fromlist=["connect"]).connect, path))
def pysqlite3_writes(path, me):
    from pysqlite3 import dbapi2

    _sqlite_writes(dbapi2.connect, dbapi2.OperationalError, path)


@briefly("sqlcipher3")
def sqlcipher3(seed):
    from sqlcipher3 import dbapi2

    return _sqlite_works(dbapi2.connect, dbapi2.OperationalError, seed)


@sqlcipher3.together(lambda path: _sqlite_reads(__import__("sqlcipher3.dbapi2", fromlist=["connect"]).connect, path))
def sqlcipher3_writes(path, me):
    from sqlcipher3 import dbapi2

    _sqlite_writes(dbapi2.connect, dbapi2.OperationalError, path)


@briefly("sqlean.py")
def sqlean(seed):
    import sqlean

    sqlean.extensions.enable_all()
    return [
        *_sqlite_works(sqlean.connect, sqlean.OperationalError, seed),
        sqlean.connect(":memory:").execute("select text_reverse('abc')").fetchone()[0],
    ]


@sqlean.together(lambda path: _sqlite_reads(__import__("sqlean").connect, path))
def sqlean_writes(path, me):
    import sqlean

    _sqlite_writes(sqlean.connect, sqlean.OperationalError, path)


@briefly("apsw")
def apsw(seed):
    import apsw

    base = apsw.Connection(":memory:")
    base.create_scalar_function("twice", lambda n: n * 2)
    base.execute("create table t (a, b)")
    base.executemany("insert into t values (?, ?)", [(i, f"é{i * seed % 7}") for i in range(50)])
    rows = list(base.execute("select b, count(*), sum(twice(a)) from t group by b order by b"))
    return [digest(rows), raised(apsw.SQLError, base.execute, "select * from nowhere")]


@apsw.together(lambda path: _apsw_count(path))
def apsw_writes(path, me):
    import apsw

    base = apsw.Connection(path)
    base.set_busy_timeout(60_000)
    until_free(lambda: base.execute("create table if not exists t (n)"), apsw.BusyError)
    for _ in range(20):
        until_free(lambda: base.execute("begin immediate"), apsw.BusyError)
        base.execute("insert into t select coalesce(max(n), 0) + 1 from t")
        until_free(lambda: base.execute("commit"), apsw.BusyError)
    base.close()


def _apsw_count(path):
    import apsw

    base = apsw.Connection(path)
    return [list(base.execute("pragma integrity_check")), list(base.execute("select count(*), max(n) from t"))]


@briefly("rocksdict")
def rocksdict(seed):
    import tempfile

    import rocksdict

    with tempfile.TemporaryDirectory() as folder:
        base = rocksdict.Rdict(folder)
        for i in range(50):
            base[f"k{i * (seed + 1) % 53:02}"] = {"n": i}
        found = [list(base.keys())[:3], base["k00"], raised(KeyError, lambda: base["none"])[:8]]
        base.close()
        return found


@rocksdict.together(lambda path: int(_rocks(path)[b"n"]))
def rocksdict_writes(path, me):
    for _ in range(6):
        base = until_free(lambda: _rocks(path), Exception)
        base[b"n"] = b"%d" % (int(base.get(b"n", b"0")) + 1)
        base.close()


def _rocks(path):
    """Open with raw keys: for others the package keeps a file of its own, which nothing locks."""
    import rocksdict

    return rocksdict.Rdict(path, rocksdict.Options(raw_mode=True))


@briefly("plyvel")
def plyvel(seed):
    import tempfile

    import plyvel

    with tempfile.TemporaryDirectory() as folder, plyvel.DB(folder, create_if_missing=True) as base:
        with base.write_batch() as batch:
            for i in range(50):
                batch.put(b"k%02d" % (i * (seed + 1) % 53), b"%d" % i)
        found = [key.decode() for key, _ in base.iterator(start=b"k40")]
        return [found, raised(TypeError, base.put, "a", b"b")[:9], raised(plyvel.Error, plyvel.DB, "/nowhere/x")[:7]]


@plyvel.together(lambda path: _plyvel_count(path))
def plyvel_writes(path, me):
    import plyvel

    for i in range(6):
        with until_free(lambda: plyvel.DB(path, create_if_missing=True), plyvel.IOError) as base:
            base.put(b"n", b"%d" % (int(base.get(b"n", b"0")) + 1))


def _plyvel_count(path):
    import plyvel

    with plyvel.DB(path) as base:
        return int(base.get(b"n"))


@briefly("h5py")
def h5py(seed):
    import io

    import h5py
    import numpy as np

    kept = io.BytesIO()
    with h5py.File(kept, "w") as file:
        file.create_dataset("a/b", data=np.arange(500) * seed, compression="gzip")
        file["a"].attrs["name"] = "é"
    with h5py.File(kept, "r") as file:
        return [int(file["a/b"][10:20].sum()), file["a"].attrs["name"], raised(KeyError, lambda: file["none"])]


@h5py.together(lambda path: _hdf5_rows(path))
def h5py_writes(path, me):
    import h5py
    import numpy as np

    for i in range(8):
        with until_free(lambda: h5py.File(path, "a"), OSError) as file:
            file.create_dataset(f"w{me}/{len(file.get(f'w{me}', ()))}", data=np.full(50, me))


def _hdf5_rows(path):
    import h5py

    with h5py.File(path) as file:
        return {name: [len(group), int(sum(part[:].sum() for part in group.values()))] for name, group in file.items()}


@briefly("tables", threads=False)
def tables(seed):
    import os
    import tempfile

    import numpy as np
    import tables

    with tempfile.TemporaryDirectory() as folder:
        with tables.open_file(os.path.join(folder, "x.h5"), "w") as file:
            made = file.create_table("/", "t", {"n": tables.Int32Col(), "s": tables.StringCol(8)})
            made.append([(i * seed % 11, f"s{i}") for i in range(40)])
            made.flush()
            made.cols.n.create_index()
            found = sorted(row["s"].decode() for row in made.where("n > 8"))
            file.create_carray("/", "c", obj=np.arange(100), filters=tables.Filters(5, "blosc"))
            return [found, int(file.root.c[10:20].sum()), raised(tables.NoSuchNodeError, file.get_node, "/none")]


@tables.together(lambda path: _tables_rows(path))
def tables_writes(path, me):
    import fcntl

    import tables

    for i in range(8):
        with open(path + ".lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with tables.open_file(path, "a") as file:
                if "t" not in file.root:
                    file.create_table("/", "t", {"n": tables.Int32Col()})
                file.root.t.append([(me * 100 + i,)])


def _tables_rows(path):
    import tables

    with tables.open_file(path) as file:
        return sorted(int(n) for n in file.root.t.cols.n[:])


@briefly("netCDF4", threads=False)
def netcdf4(seed):
    import netCDF4
    import numpy as np

    file = netCDF4.Dataset("memory.nc", "w", memory=1024)
    file.createDimension("x", 20)
    made = file.createVariable("v", "f8", ("x",), zlib=True)
    made[:] = np.arange(20) * seed
    made.units = "é"
    data = bytes(file.close())
    with netCDF4.Dataset("memory.nc", memory=data) as back:
        return [float(back["v"][3:6].sum()), back["v"].units, raised(IndexError, lambda: back["none"])]


@netcdf4.together(lambda path: _netcdf_rows(path))
def netcdf4_writes(path, me):
    import fcntl
    import os

    import netCDF4

    for i in range(8):
        with open(path + ".lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with netCDF4.Dataset(path, "a" if os.path.exists(path) else "w") as file:
                if "x" not in file.dimensions:
                    file.createDimension("x", None)
                    file.createVariable("v", "i4", ("x",))
                file["v"][len(file["v"])] = me * 100 + i


def _netcdf_rows(path):
    import netCDF4

    with netCDF4.Dataset(path) as file:
        return sorted(int(n) for n in file["v"][:])


@briefly("tiledb")
def tiledb(seed):
    import os
    import tempfile

    import numpy as np
    import tiledb

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "a")
        tiledb.from_numpy(path, np.arange(60).reshape(6, 10) * (seed + 1)).close()
        with tiledb.open(path) as made:
            return [
                int(made[1:3, 4].sum()),
                str(made.schema.domain.shape),
                raised(tiledb.TileDBError, tiledb.open, path + "none")[:12],
            ]


@tiledb.together(lambda path: _tiledb_rows(path))
def tiledb_writes(path, me):
    import fcntl

    import numpy as np
    import tiledb

    with open(path + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not tiledb.array_exists(path):
            domain = tiledb.Domain(tiledb.Dim("x", (0, 99), tile=10, dtype=np.int32))
            schema = tiledb.ArraySchema(domain, [tiledb.Attr("a", dtype=np.int64)], sparse=True)
            tiledb.Array.create(path, schema)
    for i in range(6):
        with tiledb.open(path, "w") as made:
            made[np.array([me * 10 + i])] = np.array([me * 100 + i])


def _tiledb_rows(path):
    import tiledb

    with tiledb.open(path) as made:
        return sorted(int(n) for n in made[:]["a"])


@briefly("deltalake", "pyarrow")
def deltalake(seed):
    import tempfile

    import deltalake
    import pyarrow as pa

    with tempfile.TemporaryDirectory() as folder:
        for i in range(2):
            deltalake.write_deltalake(folder, pa.table({"a": [seed, i], "b": ["x", "é"]}), mode="append")
        table = deltalake.DeltaTable(folder)
        return [
            table.version(),
            table.to_pyarrow_table().num_rows,
            raised(Exception, deltalake.DeltaTable, folder + "/none")[:18],
        ]


@deltalake.together(lambda path: _delta_rows(path))
def deltalake_writes(path, me):
    import deltalake
    import pyarrow as pa

    for i in range(4):
        until_free(lambda: deltalake.write_deltalake(path, pa.table({"n": [me * 100 + i]}), mode="append"), Exception)


def _delta_rows(path):
    import deltalake

    return sorted(deltalake.DeltaTable(path).to_pyarrow_table()["n"].to_pylist())


@briefly("datafusion", "pyarrow")
def datafusion(seed):
    import datafusion

    context = datafusion.SessionContext()
    context.from_pydict({"a": [1, 2, 3], "b": [seed, 5, 6]}, "t")
    found = context.sql("select a % 2 as k, sum(b) as s from t group by 1 order by 1").to_pydict()
    return [found, raised(Exception, context.sql, "select * from nowhere")[:12]]


@briefly("adbc-driver-sqlite", "adbc-driver-manager", "pyarrow", loads="other")
def adbc_sqlite(seed):
    import uuid

    from adbc_driver_manager import ProgrammingError
    from adbc_driver_sqlite import dbapi

    # The default database is one for all threads of the process.
    name = f"file:{uuid.uuid4()}?mode=memory&cache=shared"
    with dbapi.connect(name) as base, base.cursor() as cursor:
        cursor.execute("create table t (a int, b text)")
        cursor.executemany("insert into t values (?, ?)", [(seed, "é"), (2, None)])
        cursor.execute("select * from t order by a")
        return [
            [list(row) for row in cursor.fetchall()],
            raised(Exception, cursor.execute, "select * from nowhere")[:16],
            ProgrammingError.__name__,
        ]


@adbc_sqlite.together(lambda path: _adbc_count(path))
def adbc_sqlite_writes(path, me):
    from adbc_driver_sqlite import dbapi

    for _ in range(15):
        # It does not wait for a schema that another process changes.
        with locked(path):
            with dbapi.connect(f"file:{path}", autocommit=True) as base, base.cursor() as cursor:
                cursor.execute("create table if not exists t (n int)")
                cursor.execute("insert into t select coalesce(max(n), 0) + 1 from t")


def _adbc_count(path):
    import sqlite3

    base = sqlite3.connect(path)
    return [
        base.execute("pragma integrity_check").fetchall(),
        base.execute("select count(*), max(n) from t").fetchall(),
    ]
