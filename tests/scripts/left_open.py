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


def read(folder):
    """What is there after the end, as text."""
    found = {name: repr(open(f"{folder}/{name}", "rb").read()) for name in [*NAMES, "csv", "last", "cycle"]}
    found["zip"] = zipfile.ZipFile(f"{folder}/zip").read("member").decode()
    with shelve.Shelf(dbm.dumb.open(f"{folder}/shelf", "r")) as shelf:
        found["shelf"] = shelf["list"]
    return found


if __name__ == "__main__":
    print(read(sys.argv[2]) if sys.argv[1] == "read" else leave(sys.argv[1]))
