"""Functions that record their calls: some fail a given number of times, some take a given time."""

import os
import subprocess
import sys
import time


def note(what):
    """Writes a line to the file CALLS, in one piece."""
    descriptor = os.open(os.environ["CALLS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, f"{what}\n".encode())
    os.close(descriptor)


def counted(line):
    note(line)
    return {"input": line, "padding": "x" * (int(line) % 200)}


def by_a_program(line):
    """As counted, with a program that prints, as many do."""
    subprocess.run(["echo", "from", "a", "program"], check=True)
    return counted(line)


def several(line):
    """Yields one item, or up to 70, with time between them to be killed in."""
    note(line)
    for item in range(int(line) % 70 + 1):
        if item % 20 == 9:
            time.sleep(0.001)
        yield f"{line} {item}"


def unless_seven(line):
    note(line)
    if line.endswith("7"):
        raise ValueError(f"{line} ends with a seven")
    return line


def third_time(line):
    """Succeeds when it is called for the third time with that line."""
    note(line)
    with open(os.environ["CALLS"]) as calls:
        n = calls.read().split().count(line)
    if n < 3:
        raise ValueError(f"call {n} with {line}")
    return f"{line} after {n}"


def sleeping(line):
    time.sleep(float(line))
    return line


def hungry(line):
    return len(bytearray(int(line)))


started = []


def start():
    note("started")
    started.append(True)


def is_started(line):
    return len(started)


if __name__ == "__main__":
    (line,) = sys.argv[1:]
    note(line)
    print(f"{line} {'x' * (int(line) % 200)}")
    if line.endswith("7"):
        sys.exit(3)
