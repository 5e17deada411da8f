"""Installs the newest wheel of each distribution that a workload needs, and of what these require, and prints the pins.

    python pins.py > pins/3.14.txt
    python pins.py DISTRIBUTION[==VERSION]… > pins/3.14-oldest.txt

Runs in the environment that it fills. What has no wheel for this Python is left out, and said on standard error. No
version is ever taken back for the sake of another package, as a resolver would do for hours; what that breaks, the
workloads show.
"""

import importlib.metadata
import re
import subprocess
import sys

import exercise
from pip._vendor.packaging.requirements import Requirement

PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]


def plain(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def installed():
    return {plain(found.name): found for found in importlib.metadata.distributions(path=[*sys.path])}


# How many are installed at once: where one of them has no wheel, the others are asked for again.
N_AT_ONCE = 16


def install(wanted):
    """Installs them, and leaves out what has no wheel."""
    for n in range(0, len(wanted), N_AT_ONCE):
        install_some(wanted[n : n + N_AT_ONCE])


def install_some(wanted):
    command = [*PIP, "install", "--no-deps", "--only-binary", ":all:", "--no-compile", "--quiet", *wanted]
    if not subprocess.run(command, stderr=subprocess.PIPE).returncode:
        return
    if len(wanted) == 1:
        print(f"no wheel: {wanted[0]}", file=sys.stderr)
        return
    for part in (wanted[: len(wanted) // 2], wanted[len(wanted) // 2 :]):
        install_some(part)


def lacking(tried):
    """What the installed distributions require and is not there."""
    found = installed()
    wanted = {}
    for distribution in found.values():
        for line in distribution.requires or ():
            requirement = Requirement(line)
            if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
                continue
            name = plain(requirement.name)
            if name not in found and name not in tried:
                wanted.setdefault(name, f"{requirement.name}{requirement.specifier}")
    return wanted


def main():
    named = sys.argv[1:] or sorted({name for needs in exercise.workloads().values() for name in needs})
    install([name for name in named if plain(name) not in installed()])
    tried = set()
    while wanted := lacking(tried):
        tried |= set(wanted)
        install(list(wanted.values()))
    for name, distribution in sorted(installed().items()):
        if name != "pip":
            print(f"{distribution.name}=={distribution.version}")


if __name__ == "__main__":
    main()
