"""Runs in the namespace of bootstrap.py, before fresh.py: which installed packages stay loaded from script to script.

A script sets options, opens figures and fills registries in the packages that it imports. So the next script imports
them again, as it does its own modules. Extension modules cannot be imported again: `retire()` has another interpreter
or process run the next script. A process starts faster than an interpreter loads private copies, so scripts move there.
"""

import _frozen_importlib_external as _external
import _thread
import os
import sys

# Those that keep nothing that scripts set, but for what is put back after each: see modules.py and patches.py.
_KEEPING_NOTHING = {"numpy"}


def _folders_of(names):
    return tuple(os.path.join(path, "") for path in names)


_standard_folder = os.path.dirname(os.__file__)
_standard_folders = _folders_of({_standard_folder, os.path.realpath(_standard_folder)})


class _Packages:
    def __init__(self):
        self.folders = _folders_of(path for path in sys.path if path.endswith(("site-packages", "dist-packages")))
        # What has been loaded for functions, or by the site, is theirs.
        self._staying = _KEEPING_NOTHING | {name.partition(".")[0] for name in sys.modules}
        # Workers that share an interpreter share what they have imported.
        self._is_shared = isinstance(sys.modules["_owngil_worker"]._own, _thread._local)
        self._all_stay = False
        if getattr(sys.modules["_owngil_worker"], "_moves", False):
            self._move_extension_modules()

    def _move_extension_modules(self):
        create = _external.ExtensionFileLoader.create_module

        def create_module(loader, spec):
            if _runs_script() and not self.keep(spec.name, spec.origin):
                package = spec.name.partition(".")[0]
                shares = " (`--isolate namespace` shares it between runs)" if spec.origin.startswith(self.folders) else ""
                # As src/refusal.rs knows it.
                text = (
                    f"{spec.name} cannot have a private copy: each run imports {package} again, and a process can"
                    f" import extension modules only once{shares}"
                )
                sys.modules["_owngil_worker"]._refuse(text, ImportError)
            return create(loader, spec)

        _external.ExtensionFileLoader.create_module = create_module

    def begin(self, keeps_packages):
        self._all_stay = keeps_packages or self._is_shared

    def keep(self, name, path):
        """Whether the module of that name and file stays loaded."""
        if path.startswith(self.folders):
            return self._all_stay or name.partition(".")[0] in self._staying
        return path.startswith(_standard_folders)

    def drop(self, module):
        """Called when a module has been dropped."""
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and file.endswith(".so") and not self._is_shared:
            retire()


_packages = _Packages()
