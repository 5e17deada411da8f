"""A pool for Celery's workers, in place of its processes that are forked off.

    CELERY_CUSTOM_WORKER_POOL=owngil.celery:TaskPool celery --app jobs worker --pool custom --concurrency 4
"""

import os
import sys
import time
from collections.abc import Callable
from typing import Any

from billiard.einfo import ExceptionInfo
from celery.app.trace import trace_task_ret
from celery.concurrency.base import BasePool
from celery.signals import worker_process_init

from owngil import _main_module
from owngil._errors import TimedOut
from owngil._executor import Executor
from owngil._future import Future


class TaskPool(BasePool):  # type: ignore[misc]
    """Runs the tasks of a Celery worker on an `owngil.Executor`."""

    signal_safe = False

    _executor: Executor | None = None

    def on_start(self) -> None:
        """Workers start as tasks come."""
        self._executor = Executor(self.limit, initializer=_prepare, initargs=_place_of(self.app))

    def on_stop(self) -> None:
        """Waits for tasks that run."""
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)

    def on_terminate(self) -> None:
        """Stops tasks that run."""
        if self._executor is not None:
            self._executor.kill_workers()

    def on_apply(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        target: Callable[..., Any],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
        callback: Callable[[Any], Any] | None = None,
        error_callback: Callable[[Any], Any] | None = None,
        accept_callback: Callable[[int, float], Any] | None = None,
        timeout_callback: Callable[[bool, float], Any] | None = None,
        timeout: float | None = None,
        **_: Any,
    ) -> Future[Any]:
        """Gives a worker a task, unlike `target`, which finds the task where Celery has set up its own processes."""
        assert self._executor is not None, "Celery starts a pool first"

        def ended(future: Future[Any]) -> None:
            if future.cancelled():
                return
            try:
                result = future.result()
            except TimedOut:
                if timeout_callback is not None:
                    timeout_callback(False, timeout or 0)
            except BaseException:
                if error_callback is not None:
                    # It reads the exception that is being handled.
                    error_callback(ExceptionInfo())
            else:
                if callback is not None:
                    callback(result)

        future = self._executor.with_options(timeout=timeout).submit(_trace, *args, **kwargs or {})
        if accept_callback is not None:
            accept_callback(os.getpid(), time.monotonic())
        future.add_done_callback(ended)  # type: ignore[arg-type]
        return future


def _place_of(app: Any) -> tuple[str, str]:
    """The module that has the app, and its name there: an app itself would arrive without its tasks."""
    for name, module in list(sys.modules.items()):
        # Celery itself notes the current one, which in a worker is none yet.
        if name == _main_module.NAME or name.partition(".")[0] == "celery":
            continue
        for attribute, value in list(getattr(module, "__dict__", {}).items()):
            if value is app:
                return (_main_module.NAME if name == "__main__" else name), attribute
    raise ValueError(f"no module has {app!r} under a name, by which workers would find it")


def _prepare(module: str, name: str) -> None:
    """Makes the app that of this worker, with its tasks."""
    __import__(module)
    app = getattr(sys.modules[module], name)
    app.set_default()
    app.loader.init_worker()
    app.loader.init_worker_process()
    app.finalize()
    # Celery keeps the settings of its log where its processes find them.
    app.log.setup(int(os.environ.get("CELERY_LOG_LEVEL") or 0), os.environ.get("CELERY_LOG_FILE") or None)
    worker_process_init.send(sender=None)


def _trace(*args: Any, **kwargs: Any) -> Any:
    return trace_task_ret(*args, **kwargs)
