"""Runs the module `site` in an interpreter with its own GIL, and tells what of it failed.

The host calls `run(site, failed, changes)` with the module, whose main() has not run yet, a function that takes a text,
and what the main interpreter's hooks have changed in the environment: names, and values before and after.
What `site` would print of an error is for those who start Python, and the main interpreter has printed it if it is no
fault of this one.
"""

import os
import sys


def _teller(failed):
    def tell(hook, error):
        if isinstance(error, ModuleNotFoundError):
            # Nor is it there for the main interpreter: what is left of a package that was uninstalled.
            return
        while error.__cause__ is not None:
            error = error.__cause__
        text = str(error).strip().partition("\n")[0]
        name = type(error).__name__
        failed(f"{hook} fails in an interpreter with its own GIL: {name}: {text}".removesuffix(": "))

    return tell


def _printer(tell):
    """What takes the place of the `print` by which `site` tells of lines of .pth files and of entry points."""
    shown = None

    def take(*values, **settings):
        nonlocal shown
        error = sys.exception()
        if error is None:
            print(*values, **settings)
        elif error is not shown:
            shown = error
            message = " ".join(map(str, values)).strip().removesuffix(":")
            tell(message.removeprefix("Error processing ").removeprefix("Error in "), error)

    return take


def _importing(name, tell):
    def customize():
        try:
            __import__(name)
        except Exception as error:
            tell(name, error)

    return customize


def _restore(changes):
    """Has hooks find the environment that those of the main interpreter found: they do to it what these did."""
    variables = os.environ._data
    for name, before, after in changes:
        if variables.get(name) == after:
            if before is None:
                variables.pop(name, None)
            else:
                variables[name] = before


def run(site, failed, changes):
    _restore(changes)
    if sys.flags.verbose:
        site.main()
        return
    tell = _teller(failed)
    plain = site.execsitecustomize, site.execusercustomize
    site.execsitecustomize = _importing("sitecustomize", tell)
    site.execusercustomize = _importing("usercustomize", tell)
    site.print = _printer(tell)
    try:
        site.main()
    finally:
        del site.print
        site.execsitecustomize, site.execusercustomize = plain
