"""`python -m owngil`: the command."""

import sys


def main() -> None:
    """Runs the command with the arguments of this process, and ends the process."""
    from owngil._native import main

    sys.exit(main(["owngil", *sys.argv[1:]]))


if __name__ == "__main__":
    main()
