"""Numbers: arrays, solvers, statistics, tables."""

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
    return [total(data, 99.0), total(data + seed, 99.0), raised(ValueError, total, data, 3.0), raised(numba.TypingError, total, "a", 1)[:10]]


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
    return [round(float(parts[0].sum()), 6), bool(np.allclose(pywt.waverec(parts, "db4"), data)), raised(ValueError, pywt.Wavelet, "none")[:20]]


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
    return [str(matrix.det()), str(poly), str(poly.factor()), with_bits.str(10), raised(ZeroDivisionError, lambda: flint.fmpz(1) // 0)]


@briefly("cvxopt")
def cvxopt(seed):
    from cvxopt import lapack, matrix, solvers

    a = matrix([[4.0, 1.0], [1.0, 3.0]])
    b = matrix([1.0 + seed, 2.0])
    lapack.gesv(+a, b)
    found = solvers.lp(
        matrix([-4.0, -5.0]), matrix([[2.0, 1.0, -1.0, 0.0], [1.0, 2.0, 0.0, -1.0]]), matrix([3.0, 3.0, 0.0, 0.0]), options={"show_progress": False}
    )
    return [[round(v, 5) for v in b], [round(v, 4) for v in found["x"]], pickled(a)[0], raised(ArithmeticError, lapack.gesv, matrix(0.0, (2, 2)), b)]


@briefly("osqp", "scipy")
def osqp(seed):
    import numpy as np
    import osqp
    from scipy import sparse

    made = osqp.OSQP()
    p = sparse.csc_matrix([[4.0, 1.0], [1.0, 2.0]])
    a = sparse.csc_matrix([[1.0, 1.0], [1.0, 0.0], [0.0, 1.0]])
    made.setup(p, np.array([1.0, 1.0 + seed / 10]), a, np.array([1.0, 0, 0]), np.array([1.0, 0.7, 0.7]), verbose=False)
    return [[round(float(v), 2) for v in made.solve().x], raised(Exception, osqp.OSQP().setup, p, np.ones(3), verbose=False)[:8]]


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
    return [[round(float(v), 6) for v in made.solve(np.array([1.0, 2.0]))], raised(TypeError, qdldl.Solver, "a")[:12]]


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
    return [solver.status_name(status), solver.objective_value, bag.solve(), raised(TypeError, model.new_int_var, "a", 1, "x")[:9]]


@briefly("cftime", "numpy")
def cftime(seed):
    import cftime

    when = cftime.num2date(seed * 11.5, "days since 2000-01-01", calendar="360_day")
    return [str(when), float(cftime.date2num(when, "hours since 2000-01-01")), pickled(when) == when, raised(ValueError, cftime.num2date, 1, "none")[:20]]


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
    return [made.newshape((40, 5)), str(made.reduce((40, 5))), pickled(made) == made, raised(IndexError, ndindex(9).reduce, 3)]


@briefly("cramjam")
def cramjam(seed):
    import cramjam

    data = b"text %d" % seed * 500
    found = [bytes(cramjam.snappy.compress(data)), bytes(cramjam.zstd.compress(data)), bytes(cramjam.brotli.compress(data))]
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
        return [int(back["a"].sum()), round(float(back["b"].sum()), 6), raised(Exception, fastparquet.ParquetFile, path + "none")[:10]]


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
    return [digest(bytes(texts)), list(VLenUTF8().decode(texts)), raised(ValueError, numcodecs.get_codec, {"id": "none"})]


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
    return [cell, sorted(h3.grid_disk(cell, 1)), h3.get_resolution(cell), raised(Exception, h3.cell_to_latlng, "zz")[:12]]


@briefly("pyxirr")
def pyxirr(seed):
    import datetime

    import pyxirr

    days = [datetime.date(2020, month, 1) for month in (1, 4, 9)]
    return [round(pyxirr.xirr(days, [-1000, 400 + seed, 700]), 8), round(pyxirr.npv(0.1, [-40, 5 + seed, 60]), 6), raised(Exception, pyxirr.xirr, days, [1])[:20]]


@briefly("lap", "numpy")
def lap(seed):
    import lap
    import numpy as np

    costs = np.random.default_rng(seed).integers(0, 90, (6, 6)).astype(float)
    cost, rows, columns = lap.lapjv(costs)
    return [float(cost), rows.tolist(), raised(Exception, lap.lapjv, np.zeros(3))[:10]]


@briefly("hmmlearn", "scikit-learn")
def hmmlearn(seed):
    import numpy as np
    from hmmlearn import hmm

    made = hmm.CategoricalHMM(n_components=2, n_features=3, random_state=0)
    made.startprob_ = np.array([0.6, 0.4])
    made.transmat_ = np.array([[0.7, 0.3], [0.4, 0.6]])
    made.emissionprob_ = np.array([[0.1, 0.4, 0.5], [0.6, 0.3, 0.1]])
    score, states = made.decode(np.array([[0, 1, 2, seed % 3]]).T)
    return [round(float(score), 6), states.tolist(), raised(ValueError, made.decode, np.zeros((0, 1)))[:10]]


@briefly("hdbscan")
def hdbscan(seed):
    import hdbscan
    import numpy as np

    points = np.random.default_rng(seed).normal(size=(40, 2)) + np.repeat([[0, 0], [9, 9]], 20, axis=0)
    found = hdbscan.HDBSCAN(min_cluster_size=5, core_dist_n_jobs=1, algorithm="generic").fit(points)
    return [sorted(set(found.labels_.tolist())), raised(ValueError, hdbscan.HDBSCAN(min_cluster_size=5).fit, points[:0])[:10]]


@briefly("nlopt")
def nlopt(seed):
    import nlopt

    made = nlopt.opt(nlopt.LN_COBYLA, 2)
    made.set_min_objective(lambda x, gradient: float((x[0] - 1 - seed) ** 2 + (x[1] - 2) ** 2))
    made.set_xtol_rel(1e-6)
    found = made.optimize([0.5, 0.5])
    return [[round(float(v), 3) for v in found], raised(Exception, made.set_lower_bounds, [1.0, 2.0, 3.0])[:12]]


@briefly("sparse_dot_topn", "scipy")
def sparse_dot_topn(seed):
    import numpy as np
    from scipy import sparse
    from sparse_dot_topn import sp_matmul_topn

    a = sparse.csr_matrix(np.random.default_rng(seed).integers(0, 3, (8, 6)).astype(float))
    found = sp_matmul_topn(a, a.T.tocsr(), top_n=2)
    return [found.nnz, float(found.sum()), raised(Exception, sp_matmul_topn, a, a, top_n=2)[:10]]


@briefly("pyfftw", "numpy")
def pyfftw(seed):
    import numpy as np
    import pyfftw

    data = np.random.default_rng(seed).normal(size=64).astype(complex)
    made = pyfftw.builders.fft(data)
    return [bool(np.allclose(made(), np.fft.fft(data))), raised(ValueError, pyfftw.FFTW, np.zeros(3), np.zeros(4, complex))[:10]]


@briefly("fastcluster", "numpy")
def fastcluster(seed):
    import fastcluster
    import numpy as np

    points = np.random.default_rng(seed).normal(size=(12, 2))
    return [round(float(fastcluster.linkage(points, "ward").sum()), 6), raised(ValueError, fastcluster.linkage, np.zeros(2))[:10]]


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
    return [histogram1d(data, range=[0, 17], bins=5).tolist(), raised(ValueError, histogram1d, data, range=[1, 0], bins=5)]


@briefly("z3-solver", loads="ctypes")
def z3(seed):
    import z3

    own = z3.Context()
    x, y = z3.Int("x", own), z3.Int("y", own)
    solver = z3.Solver(ctx=own)
    solver.add(x + y == 10 + seed, x - y == 2 - seed)
    return [str(solver.check()), str(solver.model()[x]), raised(z3.Z3Exception, z3.parse_smt2_string, "(bad", ctx=own)[:12]]


@briefly("python-sat")
def pysat(seed):
    from pysat.solvers import Glucose3, Minisat22

    found = []
    for kind in (Glucose3, Minisat22):
        with kind(bootstrap_with=[[1, 2], [-1, 3], [-3, -(seed % 2 + 1)]]) as solver:
            found.append([solver.solve(), solver.solve(assumptions=[1, -3])])
    return [found, raised(TypeError, lambda: Glucose3().add_clause(["a"]))[:10]]


@briefly("awkward-cpp", "awkward")
def awkward(seed):
    import awkward as ak

    made = ak.Array([[1, 2, seed], [], [4]])
    return [ak.to_list(made[:, ::-1]), ak.to_list(ak.sum(made, axis=1)), ak.to_list(ak.sort(made)), raised(Exception, lambda: made[:, 5])[:10]]


@briefly("lightgbm", loads="ctypes")
def lightgbm(seed):
    import lightgbm
    import numpy as np

    random = np.random.default_rng(seed)
    x = random.normal(size=(80, 3))
    y = (x[:, 0] + x[:, 1] > 0).astype(int)
    options = {"objective": "binary", "verbose": -1, "num_threads": 1, "min_data_in_leaf": 5, "deterministic": True}
    made = lightgbm.train(options, lightgbm.Dataset(x, y), num_boost_round=5)
    return [round(float(made.predict(x).sum()), 4), raised(Exception, lightgbm.train, options | {"objective": "none"}, lightgbm.Dataset(x, y))[:13]]


@briefly("faiss-cpu", "numpy")
def faiss(seed):
    import faiss
    import numpy as np

    data = np.random.default_rng(seed).normal(size=(100, 8)).astype("float32")
    made = faiss.IndexFlatL2(8)
    made.add(data)
    distances, found = made.search(data[:3], 4)
    copy = faiss.deserialize_index(faiss.serialize_index(made))
    return [found[:, 0].tolist(), copy.ntotal, raised(Exception, made.search, data[:, :3], 1)[:10]]


@briefly("usearch", "numpy")
def usearch(seed):
    import numpy as np
    from usearch.index import Index

    data = np.random.default_rng(seed).normal(size=(50, 8)).astype("float32")
    made = Index(ndim=8, metric="l2sq")
    made.add(np.arange(50), data, threads=1)
    found = made.search(data[7], 3)
    return [int(found.keys[0]), len(made), raised(Exception, made.add, 1, np.zeros(3, "float32"))[:10]]


@briefly("simsimd", "numpy")
def simsimd(seed):
    import numpy as np
    import simsimd

    a, b = np.arange(1.0, 17.0), np.arange(1.0, 17.0)[::-1] + seed
    return [round(float(simsimd.cosine(a, np.ascontiguousarray(b))), 6), round(float(simsimd.sqeuclidean(a, np.ascontiguousarray(b))), 3), raised(Exception, simsimd.dot, a, 3)[:9]]


@briefly("onnx")
def onnx(seed):
    from onnx import TensorProto, checker, helper, shape_inference

    node = helper.make_node("Add", ["x", "x"], ["y"])
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [seed + 1, 2]) for name in ("x", "y")]
    model = helper.make_model(helper.make_graph([node], "g", ends[:1], ends[1:]))
    checker.check_model(model)
    inferred = shape_inference.infer_shapes(model)
    broken = helper.make_model(helper.make_graph([helper.make_node("None", ["x"], ["y"])], "g", ends[:1], ends[1:]))
    return [inferred.graph.output[0].name, len(model.SerializeToString()) > 50, raised(checker.ValidationError, checker.check_model, broken)[:20]]


@briefly("onnxruntime", "onnx")
def onnxruntime(seed):
    import numpy as np
    import onnxruntime
    from onnx import TensorProto, helper

    node = helper.make_node("Mul", ["x", "x"], ["y"])
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [3]) for name in ("x", "y")]
    graph = helper.make_graph([node], "g", ends[:1], ends[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    x = np.array([1, 2, seed], np.float32)
    return [session.run(None, {"x": x})[0].tolist(), raised(Exception, session.run, None, {"z": x})[:12]]


@briefly("ctranslate2")
def ctranslate2(seed):
    import ctranslate2
    import numpy as np

    data = np.arange(6, dtype=np.float32).reshape(2, 3) * (seed + 1)
    made = ctranslate2.StorageView.from_array(data)
    return [made.shape, np.array(made).tolist(), raised(Exception, ctranslate2.Translator, "/nowhere")[:12]]


@briefly("safetensors", "numpy")
def safetensors(seed):
    import numpy as np
    import safetensors
    from safetensors.numpy import load, save

    data = save({"a": np.arange(6.0) * seed, "b": np.ones((2, 2), np.int32)})
    back = load(data)
    return [float(back["a"].sum()), back["b"].shape, digest(data), raised(safetensors.SafetensorError, load, b"no")[:20]]


@safetensors.together(lambda path: _safetensors_sum(path))
def safetensors_writes(path, me):
    import fcntl
    import os

    import numpy as np
    from safetensors.numpy import load_file, save_file

    for i in range(6):
        with open(path + ".lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            found = load_file(path) if os.path.exists(path) else {"n": np.zeros(4, np.int64)}
            found["n"][me] += i
            save_file(found, path + ".new")
            os.replace(path + ".new", path)


def _safetensors_sum(path):
    from safetensors.numpy import load_file

    return load_file(path)["n"].tolist()


@briefly("pycocotools", "numpy")
def pycocotools(seed):
    import numpy as np
    from pycocotools import mask

    bits = np.zeros((10, 12), np.uint8, order="F")
    bits[2:6, 3 : 6 + seed % 5] = 1
    coded = mask.encode(bits)
    return [int(mask.area(coded)), mask.toBbox(coded).tolist(), digest(coded["counts"]), raised(Exception, mask.decode, 3)[:9]]


@briefly("triangle", "numpy")
def triangle(seed):
    import numpy as np
    import triangle

    points = np.array([[0, 0], [1, 0], [1, 1], [0, 1], [0.5, 0.3 + seed / 50]])
    found = triangle.triangulate({"vertices": points}, "q")
    return [len(found["triangles"]), raised(Exception, triangle.triangulate, {}, "q")[:8]]


@briefly("rustworkx")
def rustworkx(seed):
    import rustworkx

    made = rustworkx.PyDiGraph()
    nodes = made.add_nodes_from(list(range(10)))
    made.add_edges_from([(nodes[i], nodes[(i * 3 + seed) % 10], i) for i in range(10)])
    lengths = rustworkx.dijkstra_shortest_path_lengths(made, nodes[1], lambda weight: weight + 1.0)
    made.add_edge(nodes[0], nodes[0], 1)
    return [sorted(dict(lengths).items()), len(pickled(made).edges()), raised(rustworkx.DAGHasCycle, rustworkx.topological_sort, made)]


@briefly("igraph")
def igraph(seed):
    import igraph

    made = igraph.Graph(edges=[(i, (i * 3 + seed + 1) % 12) for i in range(12)])
    return [
        made.vcount(),
        sorted(made.degree()),
        len(made.connected_components()),
        pickled(made).ecount(),
        raised(igraph.InternalError, made.add_edge, 0, 99).partition(" at ")[0][:20],
    ]
