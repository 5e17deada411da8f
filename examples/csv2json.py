"""Writes the rows of a CSV file as JSON: python csv2json.py FROM TO."""

import csv
import json
import sys

with open(sys.argv[1], encoding="utf-8", newline="") as table:
    rows = list(csv.DictReader(table))
with open(sys.argv[2], "w", encoding="utf-8") as file:
    json.dump(rows, file, ensure_ascii=False)
