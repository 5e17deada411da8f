"""A plugin for pytest: `pytest --own-gil` runs test files in parallel, each in a worker of an `owngil.Executor`."""

from collections.abc import Iterator
from typing import Any

import pytest

from owngil import worker_id
from owngil.pytest import _worker


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the options."""
    group = parser.getgroup("owngil")
    group.addoption(
        "--own-gil",
        action="store_true",
        help="run test files in parallel, in interpreters that each have their own GIL, and in processes where needed",
    )
    group.addoption("--own-gil-workers", type=int, metavar="N", help="how many at a time; one per core by default")
    group.addoption(
        "--own-gil-backend",
        choices=["auto", "interpreter", "process"],
        default="auto",
        help="where they run (default: auto)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Has the tests run elsewhere, unless this is there."""
    if config.getoption("own_gil") and worker_id() is None:
        config.pluginmanager.register(_Parallel(config), "owngil-parallel")


class _Parallel:
    """Runs the tests that pytest has collected, a file at a time, and reports what became of them."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        if session.testsfailed or session.config.option.collectonly:
            return None
        # Each run of pytest imports this module.
        from concurrent.futures import Future, as_completed

        from owngil import Executor

        files: dict[str, list[pytest.Item]] = {}
        for item in session.items:
            files.setdefault(item.nodeid.partition("::")[0], []).append(item)
        options = _options(self._config)
        backend = self._config.getoption("own_gil_backend") or "auto"
        executor = Executor(self._config.getoption("own_gil_workers"), backend=backend, daemon=True)
        try:
            calls: dict[Future[Any], list[pytest.Item]]
            calls = {executor.submit(_worker.run, options, [item.nodeid for item in items]): items for items in files.values()}
            for call in as_completed(calls):
                error = call.exception()
                reports = _lost(calls[call], error) if error is not None else self._reports(call.result())
                for report in reports:
                    self._config.hook.pytest_runtest_logreport(report=report)
                if session.shouldfail:
                    raise session.Failed(session.shouldfail)
                if session.shouldstop:
                    raise session.Interrupted(session.shouldstop)
        finally:
            executor.kill_workers()
        return True

    def _reports(self, found: list[dict[str, Any]]) -> Iterator[pytest.TestReport]:
        for data in found:
            report = self._config.hook.pytest_report_from_serializable(config=self._config, data=data)
            if report.when == "setup":
                self._config.hook.pytest_runtest_logstart(nodeid=report.nodeid, location=report.location)
            yield report
            if report.when == "teardown":
                self._config.hook.pytest_runtest_logfinish(nodeid=report.nodeid, location=report.location)


def _options(config: pytest.Config) -> list[str]:
    """The options that a worker's pytest has: those of this one, without its tests and files."""
    options = [word for word in config.invocation_params.args if word not in config.args]
    if config.option.capture == "fd":
        # Descriptors belong to all interpreters of the process.
        options.append("--capture=sys")
    return [*(str(word) for word in options), "--junit-xml="]


def _lost(items: list[pytest.Item], error: BaseException) -> Iterator[pytest.TestReport]:
    """The reports of tests whose worker gave none."""
    for item in items:
        text = f"{type(error).__name__}: {error}"
        yield pytest.TestReport(item.nodeid, item.location, {}, "failed", text, "call")
