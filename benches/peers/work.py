"""The functions that peers call, importable in every process and interpreter."""


def f(x):
    return x + 1
