"""Its import does not end; it says that it has begun on a descriptor of the process."""

import os

os.write(2, b"importing\n")
while True:
    pass
