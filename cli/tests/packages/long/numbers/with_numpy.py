"""numpy: arithmetic, linear algebra, FFT, sorting, text, records and objects in arrays, errors, pickles."""

import io

import numpy as np

from exercise import digest, in_threads, pickled, raised

DISTRIBUTION = "numpy"


def decomposed(seed):
    matrix = np.random.default_rng(seed).normal(size=(12, 12))
    u, s, v = np.linalg.svd(matrix)
    assert np.allclose(u @ np.diag(s) @ v, matrix)
    return round(float(s.sum()), 6), round(float(np.linalg.det(matrix)), 4)


def work(seed):
    random = np.random.default_rng(seed)
    ints = random.integers(0, 1000, 5000)
    floats = random.normal(size=(40, 50))
    found = {
        "sorted": digest(np.sort(ints).tobytes(), np.argsort(ints, kind="stable").tobytes()),
        "unique": [int(part.sum()) for part in np.unique(ints, return_counts=True)],
        "fft": round(float(np.abs(np.fft.rfft(floats[0])).sum()), 6),
        "sum": round(float(np.einsum("ij,kj->ik", floats, floats).trace()), 6),
        "threads": in_threads(decomposed, range(seed, seed + 4)),
        "solved": round(float(np.linalg.solve(floats @ floats.T + np.eye(40), floats[:, 0]).sum()), 6),
    }
    rows = np.array([(i, f"row {i}", i / 3) for i in range(50)], dtype=[("n", "i4"), ("name", "U10"), ("part", "f8")])
    rows.sort(order="name")
    found["rows"] = digest(rows["name"].tolist(), rows[rows["n"] % 3 == 0]["n"].tolist())
    objects = np.array([[seed] * n for n in range(20)] + [None], dtype=object)[:-1]
    found["objects"] = int(sum(len(item) for item in objects + objects))
    found["texts"] = np.strings.upper(np.array(["a", "bc", f"d{seed}"])).tolist()
    found["mapped"] = np.vectorize(lambda x: x * x + seed, otypes=[int])(np.arange(20)).tolist()
    kept = io.BytesIO()
    np.savez(kept, ints=ints, floats=floats)
    kept.seek(0)
    with np.load(kept) as back:
        assert (back["ints"] == ints).all() and (back["floats"] == floats).all()
    assert (pickled(floats) == floats).all() and pickled(rows.dtype) == rows.dtype
    assert pickled(random).integers(1 << 40) == random.integers(1 << 40)
    found["errors"] = [
        raised(ValueError, lambda: floats @ floats),
        raised(IndexError, lambda: ints[6000]),
        raised(np.linalg.LinAlgError, np.linalg.inv, np.zeros((3, 3))),
        raised(TypeError, np.add, "a", 1),
    ]
    with np.errstate(divide="raise"):
        found["errors"].append(raised(FloatingPointError, lambda: np.ones(3) / np.zeros(3)))
    return found
