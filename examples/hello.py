"""Counts the words of text files with the Python package, on all cores."""

import owngil
from wordcount import count

files = ["LICENSE-MIT", "LICENSE-APACHE"]  # any iterable, however long
for result in owngil.map(count, files):
    print(result["file"], result["words"])
