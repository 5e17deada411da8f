"""Cases: what people met with packages, in a form of our own. Each is a file of the folder `cases`.

    python case.py all                a JSON object: what each case is
    python case.py prepare NAME       what is done before, in an empty folder
    python case.py check NAME         fails unless the lines of standard input, and the folder, are as plain Python's

NEEDS names its distributions, INPUTS the calls of `f`, or with VERB = "run" the runs of the file as a script. It is run
with each of OPTIONS, and with each of VERSIONS of one of its distributions, where None is the one that is installed.
"""

import importlib.util
import json
import pathlib
import sys

FOLDER = pathlib.Path(__file__).parent / "cases"


def load(name):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    case = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(case)
    return case


def described(case):
    return {
        "needs": case.NEEDS,
        "inputs": [str(x) for x in case.INPUTS],
        "options": getattr(case, "OPTIONS", [[]]),
        "verb": getattr(case, "VERB", "map"),
        "versions": getattr(case, "VERSIONS", {}),
    }


def main(verb, name=None):
    if verb == "all":
        names = sorted(path.stem for path in FOLDER.glob("*.py"))
        print(json.dumps({name: described(load(name)) for name in names}))
    elif verb == "prepare":
        getattr(load(name), "prepare", lambda: None)()
    else:
        load(name).check([json.loads(line) for line in sys.stdin])


if __name__ == "__main__":
    main(*sys.argv[1:])
