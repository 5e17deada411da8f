"""Learning and search: models, clusters, nearest neighbours, graphs."""

from brief import briefly
from exercise import digest, pickled, raised


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
    return [
        sorted(set(found.labels_.tolist())),
        raised(ValueError, hdbscan.HDBSCAN(min_cluster_size=5).fit, points[:0])[:10],
    ]


@briefly("sparse_dot_topn", "scipy")
def sparse_dot_topn(seed):
    import numpy as np
    from scipy import sparse
    from sparse_dot_topn import sp_matmul_topn

    a = sparse.csr_matrix(np.random.default_rng(seed).integers(0, 3, (8, 6)).astype(float))
    found = sp_matmul_topn(a, a.T.tocsr(), top_n=2)
    return [found.nnz, float(found.sum()), raised(Exception, sp_matmul_topn, a, a.T.tocsr(), top_n="a")[:9]]


@briefly("fastcluster", "numpy")
def fastcluster(seed):
    import fastcluster
    import numpy as np

    points = np.random.default_rng(seed).normal(size=(12, 2))
    return [
        round(float(fastcluster.linkage(points, "ward").sum()), 6),
        raised(ValueError, fastcluster.linkage, np.zeros(2))[:10],
    ]


@briefly("z3-solver", loads="ctypes")
def z3(seed):
    import z3

    own = z3.Context()
    x, y = z3.Int("x", own), z3.Int("y", own)
    solver = z3.Solver(ctx=own)
    solver.add(x + y == 10 + seed, x - y == 2 - seed)
    return [
        str(solver.check()),
        str(solver.model()[x]),
        raised(z3.Z3Exception, z3.parse_smt2_string, "(bad", ctx=own)[:12],
    ]


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
    return [
        ak.to_list(made[:, ::-1]),
        ak.to_list(ak.sum(made, axis=1)),
        ak.to_list(ak.sort(made)),
        raised(Exception, lambda: made[:, 5])[:10],
    ]


@briefly("lightgbm", loads="ctypes")
def lightgbm(seed):
    import lightgbm
    import numpy as np

    random = np.random.default_rng(seed)
    x = random.normal(size=(80, 3))
    y = (x[:, 0] + x[:, 1] > 0).astype(int)
    options = {"objective": "binary", "verbose": -1, "num_threads": 1, "min_data_in_leaf": 5, "deterministic": True}
    made = lightgbm.train(options, lightgbm.Dataset(x, y), num_boost_round=5)
    return [
        round(float(made.predict(x).sum()), 4),
        raised(Exception, lightgbm.train, options | {"objective": "none"}, lightgbm.Dataset(x, y))[:13],
    ]


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
    return [
        round(float(simsimd.cosine(a, np.ascontiguousarray(b))), 6),
        round(float(simsimd.sqeuclidean(a, np.ascontiguousarray(b))), 3),
        raised(Exception, simsimd.dot, a, 3)[:9],
    ]


@briefly("onnx")
def onnx(seed):
    from onnx import TensorProto, checker, helper, shape_inference

    node = helper.make_node("Add", ["x", "x"], ["y"])
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [seed + 1, 2]) for name in ("x", "y")]
    model = helper.make_model(helper.make_graph([node], "g", ends[:1], ends[1:]))
    checker.check_model(model)
    inferred = shape_inference.infer_shapes(model)
    broken = helper.make_model(helper.make_graph([helper.make_node("None", ["x"], ["y"])], "g", ends[:1], ends[1:]))
    return [
        inferred.graph.output[0].name,
        len(model.SerializeToString()) > 50,
        raised(checker.ValidationError, checker.check_model, broken)[:20],
    ]


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
    return [
        float(back["a"].sum()),
        back["b"].shape,
        digest(data),
        raised(safetensors.SafetensorError, load, b"no")[:20],
    ]


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
    return [
        int(mask.area(coded)),
        mask.toBbox(coded).tolist(),
        digest(coded["counts"]),
        raised(Exception, mask.decode, 3)[:9],
    ]


@briefly("rustworkx")
def rustworkx(seed):
    import rustworkx

    made = rustworkx.PyDiGraph()
    nodes = made.add_nodes_from(list(range(10)))
    made.add_edges_from([(nodes[i], nodes[(i * 3 + seed) % 10], i) for i in range(10)])
    lengths = rustworkx.dijkstra_shortest_path_lengths(made, nodes[1], lambda weight: weight + 1.0)
    made.add_edge(nodes[0], nodes[0], 1)
    return [
        sorted(dict(lengths).items()),
        len(pickled(made).edges()),
        raised(rustworkx.DAGHasCycle, rustworkx.topological_sort, made),
    ]


@briefly("igraph")
def igraph(seed):
    import igraph

    made = igraph.Graph(edges=[(i, (i * 3 + seed + 1) % 12) for i in range(12)])
    return [
        made.vcount(),
        sorted(made.degree()),
        len(made.connected_components()),
        pickled(made).ecount(),
        raised(IndexError, lambda: made.vs[99]),
    ]
