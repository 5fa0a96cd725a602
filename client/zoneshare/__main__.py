"""The command ``zoneshare``, also as ``python -m zoneshare``."""

import sys


def main() -> None:
    """The console script. Everything is imported inside, so that Ctrl-C during the start is quiet too."""
    try:
        from zoneshare.cli.main import run

        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


if __name__ == "__main__":
    main()
