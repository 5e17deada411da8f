"""A plugin that adds up by currency, with version 2 of the package `money`, and that can misbehave."""

import collections
import os
import sys

import money


def handle(lines):
    """The sum of each currency."""
    sums = collections.Counter()
    for line in lines:
        amount = money.Money.of(line)
        sums[amount.currency] += amount.cents
    shown = ", ".join(f"{cents / 100:.2f} {currency}" for currency, cents in sorted(sums.items()))
    return f"{shown} by money {money.__version__}"


def misbehave(how):
    """Does one of the things that a plugin must not do."""
    return globals()[f"_{how}"]()


def _loop():
    while True:
        pass


def _loop_that_catches_all():
    while True:
        try:
            _loop()
        except BaseException:
            pass


def _native_loop():
    # One call of a C function, which nothing interrupts: some seconds.
    return sum(range(2 * 10**8))


def _hoard():
    held = []
    while True:
        held.append(bytearray(1_000_000))


def _recurse():
    return _recurse()


def _flood():
    while True:
        print("spam " * 1_000)


def _leave():
    sys.exit(3)


def _leave_at_once():
    os._exit(3)


def _crash():
    import ctypes

    ctypes.string_at(1)
