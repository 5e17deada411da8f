"""Runs after loaded.py: tells the parameters of a function that is loaded already."""

import inspect


def parameters(reference):
    """The name and kind of each, and whether it may be left out; None where Python does not know."""
    try:
        found = inspect.signature(loaded(reference))
    except (TypeError, ValueError):
        return None
    return [
        (one.name, one.kind.name, one.default is not one.empty) for one in found.parameters.values()
    ]
