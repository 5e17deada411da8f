"""A script of five lines, for a name."""

import sys

name = sys.argv[1]
total = sum(ord(letter) for letter in name)
print(name, total)
