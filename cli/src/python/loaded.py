"""Finds a function that is loaded already."""

import sys


def loaded(reference):
    place, _, name = reference.rpartition(":")
    found = sys.modules.get(place)
    if found is None:
        for module in list(sys.modules.values()):
            # Not the attribute itself, at which some modules begin to import.
            if getattr(module, "__dict__", {}).get("__file__") == place:
                found = module
    if found is None:
        raise LookupError(f"{place} is not in sys.modules, where it is looked for")
    for part in name.split("."):
        found = getattr(found, part)
    return found
