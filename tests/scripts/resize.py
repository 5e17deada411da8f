"""Stands for a script that resizes pictures: it takes the arguments of one."""

import argparse
import os

parser = argparse.ArgumentParser()
parser.add_argument("picture", nargs="?")
parser.add_argument("--size", type=int, default=100)
parser.add_argument("--out")
arguments = parser.parse_args()

picture = arguments.picture or os.path.basename(arguments.out)
assert picture.endswith(".jpg")
print(f"{picture} to {arguments.size} pixels")
