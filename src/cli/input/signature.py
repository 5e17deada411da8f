"""Tells the parameters of a function that is loaded already."""

import inspect
import sys


def parameters(reference):
    """The name and kind of each, and whether it may be left out; None where Python does not know."""
    try:
        found = inspect.signature(_find(reference))
    except (TypeError, ValueError):
        return None
    return [
        (one.name, one.kind.name, one.default is not one.empty) for one in found.parameters.values()
    ]


def _find(reference):
    place, _, name = reference.rpartition(":")
    found = sys.modules.get(place)
    if found is None:
        for module in list(sys.modules.values()):
            # Not the attribute itself, at which some modules begin to import.
            if getattr(module, "__dict__", {}).get("__file__") == place:
                found = module
    if found is None:
        raise LookupError(f"{place} is not loaded where it was looked for")
    for part in name.split("."):
        found = getattr(found, part)
    return found
