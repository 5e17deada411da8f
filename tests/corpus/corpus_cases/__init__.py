"""The functions of the corpus, and the inputs that each is called with.

A case is a function of plain arguments whose value, or exception, is the same in every run: it reads no clock, holds
no address and depends on no hash seed. What it changes beyond its own objects it puts back.
"""

import functools
import threading

# name -> (function, the tuples of arguments that it is called with)
CASES = {}

_TURN = threading.Lock()


def case(*inputs):
    """Registers a function, to be called with each tuple of arguments; without any, once with none."""

    def register(function):
        name = function.__name__
        assert name not in CASES, f"two cases are called {name}"
        CASES[name] = (function, inputs or ((),))
        return function

    return register


def one_at_a_time(function):
    """For what belongs to the whole interpreter, such as warning filters: workers may share one."""

    @functools.wraps(function)
    def turn(*arguments):
        with _TURN:
            return function(*arguments)

    return turn
