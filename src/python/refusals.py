"""Runs in the namespace of bootstrap.py, where calls that an interpreter refuses are made elsewhere."""

import _frozen_importlib_external as _external
import _thread
import os
import posix
import sys


def note_refusals(note):
    """Has `note(text)` called where an extension module cannot be loaded, or the process forked; it says whether the call that asks is to stop.

    The standard library can do without those of its own that refuse.
    """
    loader, worker = _external.ExtensionFileLoader, _thread.get_ident()

    def noting(load):
        def noted(self, what):
            try:
                return load(self, what)
            except Exception as error:
                is_standard = self.name.partition(".")[0] in sys.stdlib_module_names
                if is_standard or not note(str(error)) or _thread.get_ident() != worker:
                    # Another thread may hand an exception on to who waits for it.
                    raise
                raise Refused(str(error)) from error

        return noted

    def noting_call(call):
        def noted(*arguments, **keywords):
            try:
                return call(*arguments, **keywords)
            except (RuntimeError, ValueError) as error:
                if not note(str(error)) or _thread.get_ident() != worker:
                    raise
                raise Refused(str(error)) from error

        return noted

    def refuse_noting(text, kind=RuntimeError):
        if not note(text) or _thread.get_ident() != worker:
            raise kind(text)
        raise Refused(text)

    owngil = sys.modules["_owngil_worker"]
    owngil._refuse, owngil._moves = refuse_noting, True
    loader.create_module = noting(loader.create_module)
    loader.exec_module = noting(loader.exec_module)

    # CPython itself refuses these.
    def note_processes(_posixsubprocess):
        _posixsubprocess.fork_exec = noting_call(_posixsubprocess.fork_exec)

    def note_signals(_signal):
        for name in "signal", "set_wakeup_fd":
            replace(name, noting_call(getattr(_signal, name)), _signal)

    owngil._when_loaded("_posixsubprocess", note_processes)
    owngil._when_loaded("_signal", note_signals)
    for name in "fork", "forkpty":
        replace(name, noting_call(getattr(posix, name)), posix, os)
