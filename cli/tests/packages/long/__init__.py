"""Workloads of more than a few lines, each a file with_NAME.py: `numbers` are arrays, tables, models and images; `text`
is documents, records, keys and databases."""

import importlib
import pathlib

FOLDER = pathlib.Path(__file__).parent


def files():
    """The files of the workloads, by the names of their packages."""
    return {file.stem.removeprefix("with_"): file for file in FOLDER.glob("*/with_*.py")}


def load(name):
    """The workload, or None."""
    file = files().get(name)
    return file and importlib.import_module(f"long.{file.parent.name}.{file.stem}")
