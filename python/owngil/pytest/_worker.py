"""What runs in a worker: a pytest of its own, for the tests of one file."""

import contextlib
import io
import sys
from typing import Any

import pytest


def run(options: list[str], tests: list[str]) -> list[dict[str, Any]]:
    """Runs tests, and gives their reports."""
    reports = _Reports()
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        status = pytest.main([*options, *tests], plugins=[reports])
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        sys.stderr.write(printed.getvalue())
        raise RuntimeError(f"pytest ended with status {int(status)} in a worker")
    return reports.found


class _Reports:
    """Keeps the reports of a worker's pytest."""

    def __init__(self) -> None:
        self.found: list[dict[str, Any]] = []
        self._config: pytest.Config | None = None

    def pytest_configure(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        assert self._config is not None
        data = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        self.found.append(data)
