"""Scripts that draw and set options, and leave both: each finds matplotlib and pandas as if it were the first."""

import json

NEEDS = ["matplotlib", "pandas"]
INPUTS = range(6)
OPTIONS = [[], ["--backend", "process"]]
VERB = "run"


def draw():
    import matplotlib

    matplotlib.use("Agg")
    import pandas
    from matplotlib import pyplot

    options = matplotlib.rcParams["lines.linewidth"], pandas.get_option("display.max_rows")
    found = [pyplot.get_fignums(), *options, hasattr(pandas.Series, "mine")]
    pyplot.plot([1, 2])
    found.append(len(pyplot.gca().lines))
    matplotlib.rcParams["lines.linewidth"] = 7
    pandas.set_option("display.max_rows", 7)
    pandas.api.extensions.register_series_accessor("mine")(lambda series: series)
    return found


def check(results):
    assert results == [[[], 1.5, 60, False, 1] for _ in INPUTS], results


if __name__ == "__main__":
    print(json.dumps(draw()))
