"""scipy: linear algebra, sparse matrices, optimisation, integration, statistics, signals, images, trees."""

import numpy as np
from scipy import fft, integrate, interpolate, linalg, ndimage, optimize, signal, sparse, spatial, special, stats
from scipy.sparse import csgraph
from scipy.sparse import linalg as sparse_linalg

from exercise import digest, in_threads, pickled, raised

DISTRIBUTION = "scipy"


def least(seed):
    found = optimize.minimize(lambda x: (x[0] - seed) ** 2 + (x[1] + 1) ** 4, [0.0, 0.0], method="Nelder-Mead")
    return round(float(found.x[0]), 2)


def work(seed):
    random = np.random.default_rng(seed)
    matrix = random.normal(size=(15, 15)) + 15 * np.eye(15)
    points = random.random((200, 2))
    net = sparse.random_array((60, 60), density=0.1, rng=random, format="csr")
    grid = sparse.eye_array(60, format="csc") * 4 + net.tocsc()
    tree = spatial.cKDTree(points)
    samples = stats.norm.rvs(loc=2, size=500, random_state=random)
    spline = interpolate.CubicSpline(range(10), random.random(10))
    assert (pickled(net) - net).nnz == 0
    return {
        "lu": round(float(linalg.det(matrix)) / 15**15, 6),
        "exp": round(float(linalg.expm(matrix / 100).sum()), 6),
        "eigen": round(float(linalg.eigvalsh(matrix + matrix.T)[-1]), 6),
        "sparse": [net.nnz, round(float(sparse_linalg.spsolve(grid, np.ones(60)).sum()), 6)],
        "parts": int(csgraph.connected_components(net, directed=False)[0]),
        "threads": in_threads(least, range(seed, seed + 3)),
        "root": round(optimize.brentq(lambda x: x**3 - seed - 1, 0, 200), 8),
        "linear": round(float(optimize.linprog([1, 2], A_ub=[[-1, -1]], b_ub=[-seed - 1]).fun), 6),
        "curve": optimize.curve_fit(lambda x, a, b: a * x + b, np.arange(9), 3.0 * np.arange(9) + seed)[0]
        .round(4)
        .tolist(),
        "area": round(integrate.quad(lambda x: np.sin(x) * seed, 0, np.pi)[0], 8),
        "orbit": integrate.odeint(lambda y, t: [y[1], -y[0]], [1, 0], [0, 1, seed % 5 + 2])[-1].round(4).tolist(),
        "spline": round(float(spline(4.5)), 8),
        "test": [round(float(x), 8) for x in stats.ttest_1samp(samples, 2)],
        "near": digest(tree.query(points[:20], k=3)[1].tolist()),
        "hull": len(spatial.ConvexHull(points).vertices),
        "filter": round(float(signal.lfilter(*signal.butter(3, 0.2), samples).sum()), 6),
        "image": round(float(ndimage.gaussian_filter(points, 1.5).sum()), 6),
        "fft": round(float(np.abs(fft.dct(samples)).sum()), 4),
        "special": [round(float(special.jv(1, seed / 3)), 8), round(float(special.gamma(4.5)), 8)],
        "errors": [
            raised(linalg.LinAlgError, linalg.inv, np.zeros((2, 2))),
            raised(ValueError, optimize.brentq, lambda x: x * x + 1, -1, 1),
            raised(ValueError, interpolate.CubicSpline, [1, 1], [1, 2]),
            raised(spatial.QhullError, spatial.ConvexHull, np.zeros((5, 2))),
        ],
    }
