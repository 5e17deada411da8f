"""Runs in the namespace of bootstrap.py, before fresh.py: what scripts set in modules that stay loaded.

The host gives `retire()`: the worker runs no further script.
"""

import sys


def _put_back_csv(csv):
    csv.field_size_limit(128 * 1024)
    for name in csv.list_dialects():
        csv.unregister_dialect(name)
    for name, dialect in ("excel", csv.excel), ("excel-tab", csv.excel_tab), ("unix", csv.unix_dialect):
        csv.register_dialect(name, dialect)


def _put_back_decimal(decimal):
    default = decimal.DefaultContext
    default.prec, default.rounding, default.capitals, default.clamp = 28, decimal.ROUND_HALF_EVEN, 1, 0
    default.Emin, default.Emax = -999999, 999999
    default.clear_flags()
    for signal in default.traps:
        default.traps[signal] = signal in (decimal.InvalidOperation, decimal.DivisionByZero, decimal.Overflow)


def _put_back_gettext(gettext):
    gettext._current_domain = "messages"
    gettext._localedirs.clear()


def _put_back_multiprocessing(context):
    context._default_context._actual_context = None


def _put_back_process(process):
    # Its name, whether it is a daemon, and a new key by which it knows its children.
    main = process.current_process()
    vars(main).update(vars(type(main)()))


def _put_back_sqlite(dbapi2):
    dbapi2.enable_callback_tracebacks(False)
    if _forget_of_scripts(dbapi2.adapters) | _forget_of_scripts(dbapi2.converters):
        # Registers its own, which a script may have replaced.
        dbapi2.__spec__.loader.exec_module(dbapi2)


def _put_back_ssl(ssl):
    ssl._create_default_https_context = ssl.create_default_context


def _put_back_tempfile(tempfile):
    tempfile.tempdir, tempfile.template = None, "tmp"


def _put_back_threading(threading):
    threading.excepthook = threading.__excepthook__
    threading._trace_hook = threading._profile_hook = None
    threading.main_thread()._name = "MainThread"


# What scripts set in modules that stay loaded, as it is when a module is imported.
_OF_MODULES = {
    "csv": _put_back_csv,
    "calendar": lambda calendar: calendar.setfirstweekday(calendar.MONDAY),
    "decimal": _put_back_decimal,
    "gettext": _put_back_gettext,
    "locale": lambda locale: vars(locale).update(_override_localeconv={}),
    "mimetypes": lambda mimetypes: vars(mimetypes).update(inited=False, _db=None),
    "multiprocessing.context": _put_back_multiprocessing,
    # It has the environment and the modules of the script that started it.
    "multiprocessing.forkserver": lambda forkserver: (forkserver._forkserver._stop(), forkserver._forkserver.__init__()),
    "multiprocessing.process": _put_back_process,
    "multiprocessing.reduction": lambda reduction: _forget_of_scripts(reduction.ForkingPickler._extra_reducers),
    "multiprocessing.spawn": lambda spawn: spawn.set_executable(sys.executable),
    "numpy.random.mtrand": lambda random: random.seed(),
    "random": lambda random: random.seed(),
    "shutil": lambda shutil: _forget_of_scripts(shutil._ARCHIVE_FORMATS, 0) | _forget_of_scripts(shutil._UNPACK_FORMATS, 1),
    "socket": lambda socket: socket.setdefaulttimeout(None),
    "sqlite3.dbapi2": _put_back_sqlite,
    "ssl": _put_back_ssl,
    "tempfile": _put_back_tempfile,
    "threading": _put_back_threading,
    "unittest.mock": lambda mock: mock.patch.stopall(),
    "urllib.request": lambda request: vars(request).update(_opener=None),
    "webbrowser": lambda webbrowser: vars(webbrowser).update(_browsers={}, _tryorder=None, _os_preferred_browser=None),
}


def _forget_of_scripts(registry, place=None):
    """Drops the functions that belong to no module that stays; whether there are any. Each may be in a tuple."""
    gone = []
    for key, entry in registry.items():
        function = entry if place is None else entry[place]
        if getattr(function, "__module__", None) == "builtins":
            retire()  # A package may have registered it, or a script.
        elif not _is_of_package_that_stays(function):
            gone.append(key)
    for key in gone:
        del registry[key]
    return bool(gone)


# What scripts and packages add to the standard library, where it is that of the module when it has been imported: by
# dotted names, of dicts, lists and other values.
_REGISTRIES = {
    "doctest": ("master", "OPTIONFLAGS_BY_NAME"),
    "email.charset": ("ALIASES", "CHARSETS", "CODEC_MAP"),
    "encodings.aliases": ("aliases",),
    "fileinput": ("_state",),
    "http.client": ("HTTPConnection.debuglevel",),
    "urllib.parse": ("uses_fragment", "uses_netloc", "uses_params", "uses_query", "uses_relative"),
    "xml.etree.ElementTree": ("_namespace_map",),
}
# What each held then.
_noted_registries = {}


def _note_options(numpy):
    """Called when numpy has been imported. Since its version 2.2 each script has options of its own."""
    options, handling = numpy.get_printoptions(), (numpy.geterr(), numpy.geterrcall(), numpy.getbufsize())

    def put_back(numpy):
        if numpy.get_printoptions() != options:
            numpy.set_printoptions(**options)
        if (numpy.geterr(), numpy.geterrcall(), numpy.getbufsize()) != handling:
            numpy.seterr(**handling[0])
            numpy.seterrcall(handling[1])
            numpy.setbufsize(handling[2])

    _OF_MODULES["numpy"] = put_back


def _find_registry(module, path):
    *owners, name = path.split(".")
    owner = sys.modules[module]
    for part in owners:
        owner = getattr(owner, part)
    return owner, name


def _note_registries(module):
    """Called when a module has been imported."""
    if module == "numpy" and module in sys.modules:
        _note_options(sys.modules[module])
    for path in _REGISTRIES.get(module, ()) if module in sys.modules else ():
        value = getattr(*_find_registry(module, path))
        _noted_registries[module, path] = value, value.copy() if isinstance(value, (dict, list)) else None


def _put_back_registry(module, path):
    owner, name = _find_registry(module, path)
    value, content = _noted_registries[module, path]
    if getattr(owner, name) is not value:
        setattr(owner, name, value)
    if content is not None and value != content:
        if isinstance(value, list):
            value[:] = content
        else:
            value.clear()
            value.update(content)
