"""The command `pathsearch`, and `python -m pathsearch`."""

import sys


def main() -> None:
    """Run the command line; Ctrl-C is heard while that is imported, too."""
    try:
        from pathsearch.cli import main as run
    except KeyboardInterrupt:
        print("pathsearch: stopped by SIGINT", file=sys.stderr)
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
