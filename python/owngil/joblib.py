"""A backend for joblib: `import owngil.joblib`, then `joblib.parallel_config(backend="owngil")`.

>>> import joblib, owngil.joblib
>>> with joblib.parallel_config(backend="owngil", n_jobs=2):
...     joblib.Parallel()(joblib.delayed(pow)(i, 2) for i in range(4))
[0, 1, 4, 9]

Further keywords of `parallel_config` go to `owngil.Executor`. The workers stay for the next call that wants the same.
"""

import threading
from collections.abc import Callable
from concurrent.futures import wait
from typing import Any

from joblib import cpu_count, register_parallel_backend
from joblib.parallel import AutoBatchingMixin, ParallelBackendBase, SequentialBackend
from joblib.parallel import FallbackToBackend

from owngil import worker_id
from owngil._executor import Executor
from owngil._future import Future

# What joblib says to each backend, for processes that get arrays in files. Here buffers cross beside the pickle.
_OF_OTHER_BACKENDS = {"context", "max_nbytes", "mmap_mode", "temp_folder", "verbose"}

# How many seconds calls that are stopped may take to end: they need a tenth.
_PATIENCE = 2.0

_kept: tuple[dict[str, Any], Executor] | None = None
_making = threading.RLock()


def _executor(**options: Any) -> Executor:
    """An executor of these options; that of the last call, if it had the same."""
    global _kept
    with _making:
        if _kept is not None:
            kept_options, kept = _kept
            if kept_options == options and not kept._is_over:
                return kept
            # Calls of another thread may still run there. In a process that was forked off there are none.
            if not kept._is_over:
                kept.shutdown(wait=False)
        executor = Executor(**options, daemon=True)
        _kept = options, executor
        return executor


def _forget(executor: Executor) -> None:
    """Keeps this executor for no later call. It ends with the last of its users."""
    global _kept
    with _making:
        if _kept is not None and _kept[1] is executor:
            _kept = None


class OwngilBackend(AutoBatchingMixin, ParallelBackendBase):  # type: ignore[misc]
    """Runs the calls of `joblib.Parallel` on an `owngil.Executor`."""

    supports_retrieve_callback = True

    _workers: "_Share | None" = None

    # joblib has no annotations, and what its base class returns is not what it promises.
    def effective_n_jobs(self, n_jobs: int | None) -> int:  # pyright: ignore[reportIncompatibleMethodOverride]
        """How many calls run at a time. A worker has no workers of its own."""
        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        if n_jobs is None or worker_id() is not None:
            return 1
        return n_jobs if n_jobs > 0 else max(int(cpu_count()) + 1 + n_jobs, 1)

    def configure(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, n_jobs: int = 1, parallel: Any = None, prefer: Any = None, require: Any = None, **options: Any
    ) -> int:
        """Has as many workers as there are jobs."""
        n_jobs = self.effective_n_jobs(n_jobs)
        if n_jobs == 1:
            raise FallbackToBackend(SequentialBackend(nesting_level=self.nesting_level))
        self.parallel = parallel
        own = {name: value for name, value in options.items() if name not in _OF_OTHER_BACKENDS}
        self._workers = _Share(_executor(max_workers=n_jobs, **{**self.backend_kwargs, **own}))
        return n_jobs

    def submit(self, func: Callable[[], Any], callback: Callable[[Any], Any] | None = None) -> Future[Any]:
        """Gives a batch of calls to a worker."""
        assert self._workers is not None, "joblib configures a backend first"
        return self._workers.submit(func, callback)

    def retrieve_result_callback(self, out: Future[Any]) -> Any:
        """The results of a batch."""
        return out.result()

    def terminate(self) -> None:
        """The workers stay for the next call."""
        self._workers = None
        self.reset_batch_stats()

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """Stops what runs. Where they can, the workers stay, and with them what they have imported."""
        if self._workers is not None:
            self._workers.stop()
            self._workers = None
        if ensure_ready:
            self.configure(self.parallel.n_jobs, self.parallel, **self.parallel._backend_kwargs)


class _Share:
    """The calls of one user of an executor. Others may have calls there, too."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._unfinished: set[Future[Any]] = set()

    def submit(self, func: Callable[[], Any], callback: Callable[[Any], Any] | None) -> Future[Any]:
        future = self._executor.submit(_Batch(func))
        self._unfinished.add(future)
        future.add_done_callback(self._unfinished.discard)
        if callback is not None:
            future.add_done_callback(callback)
        return future

    def stop(self) -> None:
        """Stops its calls. The next user has other workers if one of them was importing.

        Python does not finish an import that was interrupted: what the package had imported by then stays without it.
        """
        stopped = [future for future in list(self._unfinished) if future.interrupt()]
        _, running = wait(stopped, timeout=_PATIENCE)
        if running or any(_was_importing(future) for future in stopped):
            _forget(self._executor)


def _was_importing(future: Future[Any]) -> bool:
    if future.cancelled() or future.exception() is None:
        return False  # It has ended by itself.
    stack: str = getattr(future.exception(), "stack", "")
    # What has not begun yet is read by `pickle`, which imports.
    return "importlib" in stack or _Batch.__call__.__qualname__.rpartition(".")[2] not in stack


class _Batch:
    """A batch of joblib's. What is known of its function, such as that it needs a process, goes by `func`."""

    def __init__(self, batch: Any) -> None:
        items = getattr(batch, "items", None)
        self.func = items[0][0] if items else batch
        self._batch = batch

    def __call__(self) -> Any:
        return self._batch()


register_parallel_backend("owngil", OwngilBackend)
