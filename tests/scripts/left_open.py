"""Leaves open what Python flushes, closes and destroys when it ends."""

import bz2
import csv
import dbm.dumb
import gzip
import io
import lzma
import shelve
import sys
import zipfile

kept = []


def opened(folder, name):
    path = f"{folder}/{name}"
    if name == "text":
        return open(path, "w")
    if name == "utf16":
        return open(path, "w", encoding="utf-16", newline="\r\n")
    if name == "bytes":
        return open(path, "wb")
    if name == "both":
        return open(path, "w+b")
    if name == "gzip":
        return gzip.GzipFile(path, "wb", mtime=0)
    if name == "gzip_text":
        return io.TextIOWrapper(gzip.GzipFile(path, "wb", mtime=0))
    if name == "bz2":
        return bz2.open(path, "wt")
    if name == "lzma":
        return lzma.open(path, "wb")
    raise KeyError(name)


NAMES = "text utf16 bytes both gzip gzip_text bz2 lzma".split()


class Last:
    """Writes when it is destroyed, as pyarrow's writers of Parquet do; by then its module is whole."""

    def __init__(self, path):
        self.file = open(path, "w")

    def __del__(self):
        self.file.write(name_of(self) + "\n")


def name_of(found):
    return type(found).__name__


class Cycle:
    def __init__(self, path):
        self.file, self.itself = open(path, "w"), self
        self.file.write("cycle")


def leave(folder):
    for name in NAMES:
        file = opened(folder, name)
        try:
            file.write("left open\n" * 10)
        except TypeError:
            file.write(b"left open\n" * 10)
        kept.append(file)
    rows = csv.writer(open(f"{folder}/csv", "w"))
    rows.writerow([1, "a,b"])
    archive = zipfile.ZipFile(f"{folder}/zip", "w")
    archive.writestr(zipfile.ZipInfo("member"), "inside")
    shelf = shelve.Shelf(dbm.dumb.open(f"{folder}/shelf", "n"), writeback=True)
    shelf["list"] = []
    shelf["list"].append(1)
    kept.extend([rows, archive, shelf, Last(f"{folder}/last"), Cycle(f"{folder}/cycle")])
    return folder


def check(folder):
    """Whether all is there after the end. CPython itself loses what such a layer as gzip's holds, on some versions."""
    text = "left open\n" * 10
    path = lambda name: f"{folder}/{name}"
    for name in ["text", "bytes", "both"]:
        assert open(path(name)).read() == text, name
    assert open(path("utf16"), encoding="utf-16").read() == text
    for name, module in [("gzip", gzip), ("gzip_text", gzip), ("bz2", bz2), ("lzma", lzma)]:
        with module.open(path(name), "rt") as file:
            assert file.read() == text, name
    assert open(path("csv")).read() == '1,"a,b"\n'
    assert open(path("last")).read() == "Last\n"
    assert open(path("cycle")).read() == "cycle"
    assert zipfile.ZipFile(path("zip")).read("member") == b"inside"
    with shelve.Shelf(dbm.dumb.open(path("shelf"), "r")) as shelf:
        assert shelf["list"] == [1]
    return "whole"


if __name__ == "__main__":
    print(check(sys.argv[2]) if sys.argv[1] == "check" else leave(sys.argv[1]))
