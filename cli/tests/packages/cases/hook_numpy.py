"""What runs when Python starts imports numpy, in each interpreter."""

NEEDS = ["numpy"]
OPTIONS = [[], ["--extensions", "private"], ["--extensions", "process"]]
INPUTS = range(8)


def prepare():
    with open("site/sitecustomize.py", "w") as file:
        file.write("import sys, numpy\nsys.hook = int(numpy.arange(4).sum())\n")


def f(x):
    import sys

    return sys.hook + int(x)


def check(results):
    assert results == [6 + x for x in INPUTS], results
