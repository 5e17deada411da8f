"""Runs in each worker of a host's pool before its first call: the host's search path, and its initializer."""

import sys


def prepare(path, module, name, arguments):
    if path is not None:
        sys.path[:] = path
    if module is None:
        return
    from _pickle import loads

    __import__(module)
    function = sys.modules[module]
    for part in name.split("."):
        function = getattr(function, part)
    function(*loads(arguments))
