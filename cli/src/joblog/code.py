"""Runs after loaded.py: tells where the code is of a function that is loaded already."""


def source_file(reference):
    """The file of the module that defines it, which need not be the one that it was named by."""
    module = sys.modules.get(getattr(loaded(reference), "__module__", None))
    return getattr(module, "__file__", None)
