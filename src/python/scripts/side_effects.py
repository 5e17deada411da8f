"""Runs in the namespace of bootstrap.py, before imports.py: the side effects of an import, to be repeated."""

import _warnings
import builtins
import copyreg
import os
import sys
from _functools import partial

_ABSENT = object()
# Not what a script has from its own run.
_SYS_OF_PACKAGES = [name for name in _OF_SYS if name not in ("argv", "stdin") and not name.startswith("last_")]
_LIMITS = "recursionlimit", "_int_max_str_digits", "switchinterval", "dlopenflags"


def _set_limit(name, value):
    getattr(sys, f"set{name}")(value)


def _set_variable(name, value):
    _environ[os.fsdecode(name)] = os.fsdecode(value)


def _drop_variable(name):
    del _environ[os.fsdecode(name)]


def _types():
    """The types that `mimetypes` knows, by extension."""
    mimetypes = sys.modules.get("mimetypes")
    return dict(mimetypes._db.types_map[True]) if mimetypes and mimetypes.inited else {}


def _add_type(extension, kind):
    import mimetypes

    mimetypes.add_type(kind, extension)


def _dialects():
    csv = sys.modules.get("csv")
    return {name: csv.get_dialect(name) for name in csv.list_dialects()} if csv else {}


def _add_dialect(name, dialect):
    import csv

    csv.register_dialect(name, dialect)


def _shown_warnings():
    warnings = sys.modules.get("warnings")
    return {name: getattr(warnings, name) for name in ("showwarning", "formatwarning")} if warnings else {}


def _registry(module, path, kind):
    """What is there now."""
    return getattr(*_find_registry(module, path)) if module in sys.modules else kind()


def _of_registry(module, path):
    def see():
        return dict(_registry(module, path, dict))

    return see, lambda key, value: _registry(module, path, dict).__setitem__(key, value), None


def _list_of_registry(path):
    return lambda: _registry("urllib.parse", path, list)


# Mappings: what is there now, how to set an entry, and how to drop one.
_MAPPINGS = (
    (lambda: dict(_environ._data), _set_variable, _drop_variable),
    (lambda: {name: getattr(sys, name) for name in _SYS_OF_PACKAGES if hasattr(sys, name)}, sys.__setattr__, sys.__delattr__),
    (lambda: {name: getattr(sys, f"get{name}")() for name in _LIMITS}, _set_limit, None),
    (lambda: dict(vars(builtins)), builtins.__setattr__, builtins.__delattr__),
    (_shown_warnings, lambda name, value: setattr(sys.modules["warnings"], name, value), None),
    (_types, _add_type, None),
    (_dialects, _add_dialect, None),
    (lambda: dict(copyreg._extension_registry), lambda key, code: copyreg.add_extension(*key, code), None),
    _of_registry("xml.etree.ElementTree", "_namespace_map"),
    *(_of_registry("email.charset", path) for path in _REGISTRIES["email.charset"]),
    _of_registry("encodings.aliases", "aliases"),
)


def _same(one, other):
    return one is other or (type(one) is type(other) and isinstance(one, (bytes, str, int, float)) and one == other)


class _MappingChange:
    def __init__(self, see, set, drop, before, after):
        self._see, self._set, self._drop = see, set, drop
        self._entries = {}
        for key in before.keys() | after.keys():
            kept, now = before.get(key, _ABSENT), after.get(key, _ABSENT)
            if not _same(kept, now):
                self._entries[key] = kept, now

    def __bool__(self):
        return bool(self._entries)

    def make(self):
        current = self._see()
        for key, (kept, new) in self._entries.items():
            if not _same(current.get(key, _ABSENT), kept):
                continue  # The script has set another value, which most packages then leave.
            if new is not _ABSENT:
                self._set(key, new)
            elif self._drop is not None:
                self._drop(key)


def _filters():
    # Within `warnings.catch_warnings()` they are others.
    warnings = sys.modules.get("warnings")
    return warnings.filters if warnings else _warnings.filters


# Lists: what is there now.
_LISTS = (
    _filters,
    lambda: sys.path,
    lambda: sys.meta_path,
    lambda: sys.path_hooks,
    lambda: sys.warnoptions,
    *(_list_of_registry(path) for path in _REGISTRIES["urllib.parse"]),
)


class _ListChange:
    def __init__(self, see, before, after):
        self._see = see
        places = [place for place, item in enumerate(after) if item in before]
        first, last = (places[0], places[-1]) if places else (len(after), len(after))
        added = [(place, item) for place, item in enumerate(after) if item not in before]
        self._first = [item for place, item in added if place < first]
        self._last = [item for place, item in added if place > last]
        # Each with what comes after it, the last first.
        self._between = [(item, after[place + 1]) for place, item in reversed(added) if first < place < last]
        self._gone = [item for item in before if item not in after]

    def __bool__(self):
        return bool(self._first or self._last or self._between or self._gone)

    def make(self):
        items = self._see()
        rest = [item for item in items if item not in self._first and item not in self._gone]
        for item, following in self._between:
            if item not in rest:
                rest.insert(rest.index(following) if following in rest else len(rest), item)
        items[:] = self._first + rest + [item for item in self._last if item not in rest]
        if self._see is _filters:
            _note_filters()


def _note_filters():
    """Has modules warn again of what they have warned of before, as Python does when its filters change."""
    if hasattr(_warnings, "_filters_mutated"):
        _warnings._filters_mutated()
        return
    _warnings._acquire_lock()
    try:
        _warnings._filters_mutated_lock_held()
    finally:
        _warnings._release_lock()


def _loggers_now():
    logging = sys.modules.get("logging")
    return {logger: _set_up(logger) for logger in _loggers(logging)} if logging else {}


class _LoggersChange:
    def __init__(self, before, after):
        logging = sys.modules.get("logging")
        self._loggers = []
        for logger, now in after.items():
            kept = before.get(logger) or _set_up_at_first(logging, logger)
            # The end of a script drops a new one, which `logging.config` of the next would disable.
            if kept != now or (logger not in before and logger.name.partition(".")[0] not in sys.stdlib_module_names):
                self._loggers.append((logger, kept, now))
            if any(hasattr(handler, "baseFilename") for handler in now[1] if handler not in kept[1]):
                retire()  # The end of the script closes it.

    def __bool__(self):
        return bool(self._loggers)

    def names(self):
        return {logger.name for logger, *_ in self._loggers}

    def make(self):
        logging = sys.modules["logging"]
        for logger, kept, now in self._loggers:
            # The script may have made one of the same name.
            for logger in {logger, self._registered(logging, logger)}:
                self._change(logging, logger, kept, now)

    @staticmethod
    def _change(logging, logger, kept, now):
        """What the script has set up itself stays, as `logging.basicConfig` has it."""
        level, handlers, filters, *flags = kept
        if logger is logging.root and now[1] != handlers != logger.handlers:
            return
        if level != now[0] and logger.level == level:
            logger.setLevel(now[0])
        for handler in now[1]:
            if handler not in handlers:
                logger.addHandler(handler)
                logging._addHandlerRef(handler)
        for known in now[2]:
            if known not in filters:
                logger.addFilter(known)
        for name, flag, new in zip(("propagate", "disabled"), flags, now[3:]):
            if flag != new and getattr(logger, name) == flag:
                setattr(logger, name, new)

    @staticmethod
    def _registered(logging, logger):
        """The logger of that name: this one, unless there is another."""
        manager = logging.root.manager
        known = manager.loggerDict.get(logger.name)
        if logger is logging.root or isinstance(known, logging.Logger):
            return known or logger
        manager.loggerDict[logger.name] = logger
        if known is not None:
            manager._fixupChildren(known, logger)
        manager._fixupParents(logger)
        logger._cache.clear()
        return logger


def _look():
    """What packages may change, as it is now."""
    seen = [see() for see, *_ in _MAPPINGS] + [list(see()) for see in _LISTS]
    return [*seen, _loggers_now()]


# Of each part of that, what makes a change of two looks at it.
_KINDS = [
    *(partial(_MappingChange, *part) for part in _MAPPINGS),
    *(partial(_ListChange, see) for see in _LISTS),
    _LoggersChange,
]
