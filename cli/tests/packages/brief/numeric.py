"""Numbers: arrays, solvers, statistics, their files."""

from brief import briefly
from exercise import digest, pickled, raised


@briefly("Bottleneck", "numpy")
def bottleneck(seed):
    import bottleneck as bn
    import numpy as np

    data = np.arange(40.0) * seed
    return [float(bn.move_mean(data, 4)[7]), float(bn.nansum(data)), raised(TypeError, bn.move_mean, data, "a")]


@briefly("numexpr", "numpy")
def numexpr(seed):
    import numexpr
    import numpy as np

    a = np.arange(5000.0)
    return [
        round(float(numexpr.evaluate("sum(sin(a) * seed + a ** 2)", {"a": a, "seed": seed})), 3),
        raised(SyntaxError, numexpr.evaluate, "a +"),
    ]


@briefly("numba")
def numba(seed):
    import numba
    import numpy as np

    @numba.njit
    def total(values, limit):
        found = 0.0
        for value in values:
            if value > limit:
                raise ValueError("too much")
            found += value * value
        return found

    data = np.arange(50.0)
    return [
        total(data, 99.0),
        total(data + seed, 99.0),
        raised(ValueError, total, data, 3.0),
        raised(numba.TypingError, total, "a", 1)[:10],
    ]


@briefly("llvmlite", loads="ctypes")
def llvmlite(seed):
    import ctypes

    import llvmlite.binding as llvm
    from llvmlite import ir

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    module = ir.Module("m")
    kind = ir.FunctionType(ir.IntType(32), [ir.IntType(32)])
    made = ir.Function(module, kind, "f")
    builder = ir.IRBuilder(made.append_basic_block())
    builder.ret(builder.add(made.args[0], ir.Constant(ir.IntType(32), seed)))
    parsed = llvm.parse_assembly(str(module))
    parsed.verify()
    machine = llvm.Target.from_default_triple().create_target_machine()
    with llvm.create_mcjit_compiler(parsed, machine) as engine:
        call = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_int32)(engine.get_function_address("f"))
        return [call(40), raised(RuntimeError, llvm.parse_assembly, "nothing")[:20]]


@briefly("statsmodels")
def statsmodels(seed):
    import numpy as np
    import statsmodels.api as sm
    from statsmodels.tsa.arima.model import ARIMA
    from statsmodels.tsa.statespace import _statespace  # noqa: F401

    random = np.random.default_rng(seed)
    x = sm.add_constant(random.normal(size=(50, 2)))
    y = x @ [1, 2, 3] + random.normal(size=50) / 10
    found = sm.OLS(y, x).fit()
    series = ARIMA(y, order=(1, 0, 0)).fit()
    return [
        [round(float(v), 4) for v in found.params],
        round(float(series.params[1]), 2),
        round(float(sm.nonparametric.lowess(y, x[:, 1])[0][1]), 4),
        raised(ValueError, sm.OLS(y[:3], x).fit) if seed < 0 else raised(ValueError, sm.OLS, y[:3], x)[:20],
    ]


@briefly("PyWavelets")
def pywt(seed):
    import numpy as np
    import pywt

    data = np.sin(np.arange(64) * (seed + 1) / 9)
    parts = pywt.wavedec(data, "db4", level=3)
    return [
        round(float(parts[0].sum()), 6),
        bool(np.allclose(pywt.waverec(parts, "db4"), data)),
        raised(ValueError, pywt.Wavelet, "none")[:20],
    ]


@briefly("gmpy2")
def gmpy2(seed):
    import gmpy2

    big = gmpy2.mpz(3) ** (200 + seed)
    with gmpy2.context(precision=100):
        root = str(gmpy2.sqrt(gmpy2.mpfr(2 + seed)))
    return [
        str(big),
        root,
        int(gmpy2.next_prime(1000 * seed)),
        pickled(big) == big,
        raised(ZeroDivisionError, gmpy2.invert, 2, 4),
    ]


@briefly("python-flint")
def flint(seed):
    import flint

    matrix = flint.fmpz_mat([[2, seed], [3, 4]])
    poly = flint.fmpz_poly([1, 2, seed + 1]) * flint.fmpz_poly([1, 1])
    with_bits = flint.arb(2).sqrt()
    return [
        str(matrix.det()),
        str(poly),
        str(poly.factor()),
        with_bits.str(10),
        raised(ZeroDivisionError, lambda: flint.fmpz(1) // 0),
    ]


@briefly("cvxopt")
def cvxopt(seed):
    from cvxopt import lapack, matrix, solvers

    a = matrix([[4.0, 1.0], [1.0, 3.0]])
    b = matrix([1.0 + seed, 2.0])
    lapack.gesv(+a, b)
    found = solvers.lp(
        matrix([-4.0, -5.0]),
        matrix([[2.0, 1.0, -1.0, 0.0], [1.0, 2.0, 0.0, -1.0]]),
        matrix([3.0, 3.0, 0.0, 0.0]),
        options={"show_progress": False},
    )
    return [
        [round(v, 5) for v in b],
        [round(v, 4) for v in found["x"]],
        pickled(a)[0],
        raised(ArithmeticError, lapack.gesv, matrix(0.0, (2, 2)), b),
    ]


@briefly("osqp", "scipy")
def osqp(seed):
    import numpy as np
    import osqp
    from scipy import sparse

    made = osqp.OSQP()
    p = sparse.csc_matrix([[4.0, 1.0], [1.0, 2.0]])
    a = sparse.csc_matrix([[1.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    made.setup(p, np.array([1.0, 1.0 + seed / 10]), a, np.array([1.0, 0, 0]), np.array([1.0, 0.7, 0.7]), verbose=False)
    return [
        [round(float(v), 2) for v in made.solve().x],
        raised(Exception, osqp.OSQP().setup, p, np.ones(3), verbose=False)[:8],
    ]


@briefly("scs", "scipy")
def scs(seed):
    import numpy as np
    import scs
    from scipy import sparse

    data = {
        "P": sparse.csc_matrix([[3.0, -1.0], [-1.0, 2.0]]),
        "A": sparse.csc_matrix([[-1.0, 1.0], [1.0, 0.0], [0.0, 1.0]]),
        "b": np.array([-1, 0.3, -0.5]),
        "c": np.array([-1.0, -1.0 - seed / 10]),
    }
    found = scs.SCS(data, {"z": 1, "l": 2}, verbose=False).solve()
    return [[round(float(v), 2) for v in found["x"]], found["info"]["status"], raised(ValueError, scs.SCS, {}, {})[:10]]


@briefly("clarabel", "scipy")
def clarabel(seed):
    import clarabel
    import numpy as np
    from scipy import sparse

    settings = clarabel.DefaultSettings()
    settings.verbose = False
    p = sparse.csc_matrix([[6.0, 0.0], [0.0, 4.0]])
    a = sparse.csc_matrix([[1.0, -2.0], [1.0, 0.0], [0.0, 1.0]])
    cones = [clarabel.ZeroConeT(1), clarabel.NonnegativeConeT(2)]
    made = clarabel.DefaultSolver(p, np.array([-1.0, -4.0 - seed]), a, np.array([0.0, 1.0, 1.0]), cones, settings)
    found = made.solve()
    return [[round(v, 4) for v in found.x], str(found.status), raised(TypeError, clarabel.ZeroConeT, "a")]


@briefly("highspy", "numpy")
def highspy(seed):
    import highspy

    made = highspy.Highs()
    made.setOptionValue("output_flag", False)
    x, y = made.addVariable(lb=0, ub=4), made.addVariable(lb=1, ub=7)
    made.addConstr(x + 2 * y >= 6 + seed % 3)
    made.minimize(x + y)
    values = list(made.getSolution().col_value)
    return [[round(v, 5) for v in values], str(made.getModelStatus()), raised(TypeError, made.setOptionValue)[:20]]


@briefly("qdldl", "scipy")
def qdldl(seed):
    import numpy as np
    import qdldl
    from scipy import sparse

    matrix = sparse.csc_matrix([[4.0 + seed, 1.0], [1.0, 3.0]])
    made = qdldl.Solver(matrix)
    return [[round(float(v), 6) for v in made.solve(np.array([1.0, 2.0]))], raised(Exception, qdldl.Solver, "a")[:9]]


@briefly("ortools")
def ortools(seed):
    from ortools.algorithms.python import knapsack_solver
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    x, y = model.new_int_var(0, 10, "x"), model.new_int_var(0, 10, "y")
    model.add(x + 2 * y <= 14 + seed % 5)
    model.maximize(3 * x + 4 * y)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    status = solver.solve(model)
    bag = knapsack_solver.KnapsackSolver(knapsack_solver.SolverType.KNAPSACK_DYNAMIC_PROGRAMMING_SOLVER, "bag")
    bag.init([10, 20, 30 + seed], [[1, 2, 3]], [4])
    return [
        solver.status_name(status),
        solver.objective_value,
        bag.solve(),
        raised(TypeError, model.new_int_var, "a", 1, "x")[:9],
    ]


@briefly("cftime", "numpy")
def cftime(seed):
    import cftime

    when = cftime.num2date(seed * 11.5, "days since 2000-01-01", calendar="360_day")
    return [
        str(when),
        float(cftime.date2num(when, "hours since 2000-01-01")),
        pickled(when) == when,
        raised(ValueError, cftime.num2date, 1, "none")[:20],
    ]


@briefly("dm-tree")
def dm_tree(seed):
    import tree

    value = {"a": [seed, (2, 3)], "b": 4}
    return [
        tree.flatten(value),
        tree.map_structure(lambda x: x * 2, value)["a"][0],
        raised(ValueError, tree.assert_same_structure, value, {"a": 1})[:20],
    ]


@briefly("optree")
def optree(seed):
    import optree

    value = {"a": [seed, (2, 3)], "b": None}
    leaves, shape = optree.tree_flatten(value)
    assert optree.tree_unflatten(shape, leaves) == value
    return [leaves, str(shape), pickled(shape) == shape, raised(ValueError, optree.tree_unflatten, shape, [1])[:20]]


@briefly("ml_dtypes", "numpy")
def ml_dtypes(seed):
    import ml_dtypes
    import numpy as np

    made = np.arange(10).astype(ml_dtypes.bfloat16) * (seed + 1) / 7
    small = np.array([0.3, 1.7, seed], ml_dtypes.float8_e4m3fn)
    return [
        [float(v) for v in made],
        [float(v) for v in small],
        digest(pickled(made).tobytes()),
        raised(TypeError, ml_dtypes.bfloat16, "a" if seed < 0 else {}),
    ]


@briefly("boost-histogram")
def boost_histogram(seed):
    import boost_histogram as bh
    import numpy as np

    made = bh.Histogram(bh.axis.Regular(10, 0, 1), storage=bh.storage.Weight())
    made.fill(np.arange(100) * (seed + 1) % 97 / 97)
    return [
        [float(v) for v in made.view().value],
        pickled(made) == made,
        float(made.sum().value),
        raised(Exception, bh.axis.Regular, 0, 1, 0)[:10],
    ]


@briefly("iminuit")
def iminuit(seed):
    from iminuit import Minuit

    def cost(x, y):
        return (x - 2 - seed) ** 2 + (y - 1) ** 4 + y**2

    made = Minuit(cost, x=0, y=0)
    made.migrad()

    def broken(x):
        raise KeyError("inside")

    return [round(made.values["x"], 3), made.valid, raised(KeyError, Minuit(broken, x=1).migrad)]


@briefly("ndindex")
def ndindex(seed):
    from ndindex import ndindex

    made = ndindex((slice(0, 10 + seed, 3), 2))
    return [
        made.newshape((40, 5)),
        str(made.reduce((40, 5))),
        pickled(made) == made,
        raised(IndexError, ndindex(9).reduce, 3),
    ]


@briefly("cramjam")
def cramjam(seed):
    import cramjam

    data = b"text %d" % seed * 500
    found = [
        bytes(cramjam.snappy.compress(data)),
        bytes(cramjam.zstd.compress(data)),
        bytes(cramjam.brotli.compress(data)),
    ]
    assert bytes(cramjam.zstd.decompress(found[1])) == data
    return [digest(*found), raised(cramjam.DecompressionError, cramjam.snappy.decompress, b"no frame")[:20]]


@briefly("fastparquet")
def fastparquet(seed):
    import os
    import tempfile

    import fastparquet
    import pandas as pd

    frame = pd.DataFrame({"a": range(seed, seed + 50), "b": [i / 3 for i in range(50)]})
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "x.parquet")
        fastparquet.write(path, frame, compression="SNAPPY")
        back = fastparquet.ParquetFile(path).to_pandas()
        return [
            int(back["a"].sum()),
            round(float(back["b"].sum()), 6),
            raised(Exception, fastparquet.ParquetFile, path + "none")[:10],
        ]


@briefly("numcodecs")
def numcodecs(seed):
    import numcodecs
    import numpy as np
    from numcodecs.blosc import Blosc
    from numcodecs.vlen import VLenUTF8

    data = np.arange(2000) * (seed + 1)
    codec = Blosc("lz4", 5)
    assert (np.frombuffer(codec.decode(codec.encode(data)), data.dtype) == data).all()
    texts = VLenUTF8().encode(np.array(["a", "é", str(seed)], dtype=object))
    return [
        digest(bytes(texts)),
        list(VLenUTF8().decode(texts)),
        raised(ValueError, numcodecs.get_codec, {"id": "none"}),
    ]


@briefly("blosc2")
def blosc2(seed):
    import blosc2
    import numpy as np

    data = np.arange(3000).reshape(50, 60) * (seed + 1)
    made = blosc2.asarray(data, chunks=(20, 20))
    packed = blosc2.compress2(data.tobytes())
    return [
        int(made[10:20, 3].sum()),
        blosc2.decompress2(packed) == data.tobytes(),
        float(blosc2.sum(made + 1)) if hasattr(blosc2, "sum") else 0,
        raised(Exception, blosc2.decompress2, b"no")[:10],
    ]


@blosc2.together(lambda path: _blosc2_total(path))
def blosc2_writes(path, me):
    import fcntl
    import os

    import blosc2
    import numpy as np

    for i in range(6):
        with open(path + ".lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if os.path.exists(path):
                kept = blosc2.schunk_from_cframe(open(path, "rb").read(), copy=True)
            else:
                kept = blosc2.SChunk(chunksize=8 * 100)
            kept.append_data(np.full(100, me * 10 + i))
            with open(path, "wb") as file:
                file.write(kept.to_cframe())


def _blosc2_total(path):
    import blosc2
    import numpy as np

    kept = blosc2.schunk_from_cframe(open(path, "rb").read())
    parts = [np.frombuffer(kept.decompress_chunk(i), "i8") for i in range(kept.nchunks)]
    return [kept.nchunks, int(sum(part.sum() for part in parts))]


@briefly("blosc")
def blosc(seed):
    import blosc

    data = b"text %d" % seed * 500
    assert blosc.decompress(blosc.compress(data, cname="zstd")) == data
    return [digest(blosc.decompress(blosc.compress(data))), raised(Exception, blosc.decompress, b"no")[:10]]


@briefly("h3")
def h3(seed):
    import h3

    cell = h3.latlng_to_cell(37.77 + seed / 10, -122.4, 8)
    return [
        cell,
        sorted(h3.grid_disk(cell, 1)),
        h3.get_resolution(cell),
        raised(Exception, h3.cell_to_latlng, "zz")[:12],
    ]


@briefly("pyxirr")
def pyxirr(seed):
    import datetime

    import pyxirr

    days = [datetime.date(2020, month, 1) for month in (1, 4, 9)]
    return [
        round(pyxirr.xirr(days, [-1000, 400 + seed, 700]), 8),
        round(pyxirr.npv(0.1, [-40, 5 + seed, 60]), 6),
        raised(Exception, pyxirr.xirr, days, [1])[:20],
    ]


@briefly("nlopt")
def nlopt(seed):
    import nlopt

    made = nlopt.opt(nlopt.LN_COBYLA, 2)
    made.set_min_objective(lambda x, gradient: float((x[0] - 1 - seed) ** 2 + (x[1] - 2) ** 2))
    made.set_xtol_rel(1e-6)
    found = made.optimize([0.5, 0.5])
    return [[round(float(v), 3) for v in found], raised(Exception, made.set_lower_bounds, [1.0, 2.0, 3.0])[:12]]


@briefly("pyfftw", "numpy")
def pyfftw(seed):
    import numpy as np
    import pyfftw

    data = np.random.default_rng(seed).normal(size=64).astype(complex)
    made = pyfftw.builders.fft(data)
    return [
        bool(np.allclose(made(), np.fft.fft(data))),
        raised(ValueError, pyfftw.FFTW, np.zeros(3), np.zeros(4, complex))[:10],
    ]


@briefly("pyamg")
def pyamg(seed):
    import numpy as np
    import pyamg

    matrix = pyamg.gallery.poisson((20, 20), format="csr")
    made = pyamg.ruge_stuben_solver(matrix)
    x = made.solve(np.ones(400) * (seed + 1), tol=1e-10)
    return [round(float(x.sum()), 4), len(made.levels), raised(Exception, made.solve, np.ones(3))[:10]]


@briefly("fast-histogram", "numpy")
def fast_histogram(seed):
    import numpy as np
    from fast_histogram import histogram1d

    data = np.arange(100.0) * (seed + 1) % 17
    return [
        histogram1d(data, range=[0, 17], bins=5).tolist(),
        raised(ValueError, histogram1d, data, range=[1, 0], bins=5),
    ]


@briefly("triangle", "numpy")
def triangle(seed):
    import numpy as np
    import triangle

    points = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0.5, 0.3 + seed / 50]])
    found = triangle.triangulate({"vertices": points}, "q")
    return [len(found["triangles"]), raised(Exception, triangle.triangulate, {}, "q")[:8]]
