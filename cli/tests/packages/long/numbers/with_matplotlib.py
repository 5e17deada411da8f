"""matplotlib on Agg: plots of many kinds drawn to pixels, text, paths, SVG, errors."""

import io

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import dates, font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.path import Path

from exercise import digest, in_threads, pickled, raised

DISTRIBUTION = "matplotlib"

# Its figures are numbered in one place.
threads = False


def pixels(figure):
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return digest(bytes(canvas.buffer_rgba()))


def inside(seed):
    star = Path.unit_regular_star(5 + seed % 3, 0.5)
    return int(star.contains_points(np.random.default_rng(seed).uniform(-1, 1, (200, 2))).sum())


def work(seed):
    random = np.random.default_rng(seed)
    figure = Figure(figsize=(3, 2.4), dpi=60, layout="constrained")
    axes = figure.subplots(2, 2)
    axes[0, 0].plot(random.normal(size=80).cumsum(), label=f"seed {seed} $x^2$")
    axes[0, 0].legend()
    axes[0, 1].hist(random.normal(size=200), 12)
    x, y = np.meshgrid(np.linspace(-2, 2, 20), np.linspace(-2, 2, 20))
    axes[1, 0].contourf(x, y, np.sin(x * (seed % 5 + 1)) + y)
    axes[1, 1].imshow(random.random((8, 8)))
    axes[1, 1].set_title("title")
    copy = pickled(figure)
    found = {"figure": pixels(figure), "threads": in_threads(inside, range(seed, seed + 5))}
    assert pixels(copy) == found["figure"]
    plotted, one = plt.subplots(subplot_kw={"projection": "polar"}, figsize=(2, 2), dpi=50)
    one.scatter(random.random(20) * 6, random.random(20))
    kept = io.BytesIO()
    plotted.savefig(kept, format="png")
    found["png"] = digest(plt.imread(io.BytesIO(kept.getvalue())).tobytes())
    with matplotlib.rc_context({"svg.hashsalt": "same"}):
        kept = io.StringIO()
        plotted.savefig(kept, format="svg", metadata={"Date": None})
    found["svg"] = digest(kept.getvalue())
    plt.close(plotted)
    found["open"] = plt.get_fignums()
    found["date"] = dates.num2date(19782.5 + seed).isoformat()
    found["font"] = font_manager.get_font(font_manager.findfont("DejaVu Sans")).family_name
    found["errors"] = [
        raised(ValueError, axes[0, 0].plot, [1, 2], [1]),
        raised(ValueError, axes[0, 0].set_facecolor, "no colour"),
        raised(ValueError, lambda: figure.savefig(io.BytesIO(), format="odd")),
        raised(ValueError, lambda: plt.get_cmap("no map")),
    ]
    return found
