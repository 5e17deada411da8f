"""A script that shows how it was run."""

import sys

try:
    seen
except NameError:
    seen = 0
seen += 1

print(__name__, seen, sys.argv)
print("warning:", sys.argv[1:], file=sys.stderr)
for argument in sys.argv:
    if argument.startswith("exit="):
        status = argument.removeprefix("exit=")
        sys.exit(int(status) if status.isdigit() else status)
    if argument == "raise":
        raise RuntimeError("as asked")
