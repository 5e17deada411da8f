"""Fetches the source archive of a distribution as pip would, and unpacks one folder of it.

    python archive.py lxml==6.1.3 src/lxml/tests FOLDER

`pip download` does not do: it prepares the package to be built, which needs a compiler and what the package links.
"""

import io
import pathlib
import sys
import tarfile
import tempfile

from pip._internal.commands.download import DownloadCommand
from pip._vendor.packaging.requirements import Requirement


def fetch(requirement):
    """The archive, with pip's settings and its check of the hash."""
    command = DownloadCommand("download", "")
    options, _ = command.parse_args(["--no-binary", ":all:"])
    with command.main_context():
        session = command.get_default_session(options)
        finder = command._build_package_finder(options, session)
        found = finder.find_best_candidate(requirement.name, requirement.specifier).best_candidate
        if found is None:
            raise LookupError(f"{requirement} has no source archive")
        answer = session.get(found.link.url_without_fragment)
        answer.raise_for_status()
    hashes = found.link.as_hashes()
    if hashes:
        hashes.check_against_chunks([answer.content])
    return answer.content


def unpack(archive, part, folder):
    """The part of the archive, below the folder that everything in it is in."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as files, tempfile.TemporaryDirectory(dir=folder.parent) as whole:
        files.extractall(whole, filter="data")
        (inside,) = pathlib.Path(whole).iterdir()
        (folder / part).parent.mkdir(parents=True, exist_ok=True)
        (inside / part).rename(folder / part)


if __name__ == "__main__":
    requirement, part, folder = sys.argv[1:]
    folder = pathlib.Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    unpack(fetch(Requirement(requirement)), part, folder)
