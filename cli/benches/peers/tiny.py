"""A function and no import, which the command loads."""


def f(x):
    return x + 1
