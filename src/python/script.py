"""Runs in the namespace of bootstrap.py, in an interpreter that is to run its first script."""

import _io
import builtins
import time

# sys.argv and __main__ belong to the interpreter: scripts take turns.
_script_turn = _lock_of_interpreter("script_turn")


def load_script(path, shown):
    path = os.fsdecode(path)
    source = _read(path)
    try:
        code = compile(source, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        raise LoadError("Syntax", f"it does not compile: {_shown(error)}") from error
    _add_path(os.path.dirname(path))
    return _Script(code, path, shown)


class _Script:
    """Runs as __main__ at each call, in a namespace of its own."""

    def __init__(self, code, path, shown):
        self._code, self._path, self._shown = code, path, shown

    def __call__(self, *arguments, stdin=None, slot=None):
        if slot is not None:
            number = str(sys.modules["owngil"].worker_id() + 1)
            arguments = [argument.replace(slot, number) for argument in arguments]
        with _script_turn:
            status, left_executors = self._run(arguments, stdin)
        if left_executors:
            # Those of the script's own namespace, which is gone now, end with it.
            import gc

            gc.collect()
        return status

    def _run(self, arguments, stdin):
        main = type(sys)("__main__")
        main.__file__ = self._path
        main.__builtins__ = builtins
        kept = sys.modules.get("__main__"), sys.argv, sys.stdin, sys.stdout, sys.stderr
        threads = _threads()
        busy = [executor for executor in _executors(threads) if _is_busy(executor)]
        sys.modules["__main__"], sys.argv = main, [self._shown, *arguments]
        if stdin is not None:
            sys.stdin = io.TextIOWrapper(io.BytesIO(stdin), "utf-8")
        try:
            exec(self._code, main.__dict__)
            status = 0
        except SystemExit as exit:
            status = _status(exit.code)
        finally:
            left_executors = _await_threads(threads, busy)
            sys.modules["__main__"], sys.argv, sys.stdin, sys.stdout, sys.stderr = kept
            _flush(main.__dict__)
        return status, left_executors


def _flush(variables):
    """What the script has left open is in its files when its run is told; all else is closed when the worker ends."""
    for value in list(variables.values()):
        if issubclass(type(value), _io._IOBase):
            try:
                if not value.closed and value.writable():
                    value.flush()
            except Exception:
                pass


def _await_threads(before, busy_before):
    """Waits for the threads that a script started, as Python does before it ends.

    Those of a ThreadPoolExecutor would wait for work without end: Python tells them when it ends. Here
    they are waited for until they are idle, since the executor may be one that an imported module keeps
    for the next script. Says whether the script left such threads.
    """
    while True:
        present = _threads()
        executors = _executors(present)
        pooled = {thread for executor in executors for thread in executor._threads}
        started = present - before
        _shut_down_process_pools(started)
        for thread in started - pooled:
            thread.join()
        if any(_is_busy(one) for one in executors if not any(one is other for other in busy_before)):
            time.sleep(0.01)
        elif started <= pooled:
            return bool(started)


def _shut_down_process_pools(threads):
    """As threading's exit functions do, of concurrent.futures and of loky: what is submitted is still done."""
    managers = [thread for thread in threads if type(thread).__name__ == "_ExecutorManagerThread"]
    if not managers:
        return
    import gc

    for found in gc.get_objects():
        is_pool = any(kind.__name__ == "ProcessPoolExecutor" for kind in type(found).__mro__)
        if is_pool and getattr(found, "_executor_manager_thread", None) in managers:
            found.shutdown(wait=True)


def _executors(threads):
    futures = sys.modules.get("concurrent.futures.thread")
    if futures is None or threads.isdisjoint(futures._threads_queues.keys()):
        return []
    import gc

    return [
        found
        for found in gc.get_objects()
        if issubclass(type(found), futures.ThreadPoolExecutor)
        and not threads.isdisjoint(getattr(found, "_threads", ()))
    ]


def _is_busy(executor):
    alive = sum(thread.is_alive() for thread in executor._threads)
    return executor._work_queue.qsize() > 0 or executor._idle_semaphore._value < alive


def _threads():
    """The threads that Python waits for before it ends."""
    threading = sys.modules.get("threading")
    if threading is None:
        return set()
    # A dummy stands for a thread that threading did not start, such as this one.
    return {
        thread
        for thread in threading.enumerate()
        # One without an identity is being started by another.
        if thread.ident and not thread.daemon and not isinstance(thread, (threading._DummyThread, threading._MainThread))
    }


def _status(code):
    """Python/pythonrun.c, handle_system_exit"""
    if code is None:
        return 0
    if isinstance(code, int):
        # What no C long holds is -1 there.
        return code & 0xFF if -(2**63) <= code < 2**63 else 255
    print(code, file=sys.stderr)
    return 1
