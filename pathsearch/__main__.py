"""`python -m pathsearch`."""

from pathsearch.cli import main

main()
