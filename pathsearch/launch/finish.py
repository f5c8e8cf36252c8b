"""What a run ends with: its table and its picture."""

import sys

from rich.console import Console

from pathsearch import report, storage
from pathsearch.errors import PathsearchError, complain


def finish(found: storage.Run) -> None:
    """Print a run's table, draw it beside its file. A picture that fails is said: the run itself is kept."""
    from pathsearch import plots  # matplotlib takes half a second, which `say` does without

    say(found)
    picture = found.file.with_name("path.png")
    storage.sweep(picture)
    try:
        plots.save(found, picture)
        print(f"kept in {found.file}, drawn in {picture}")
    except PathsearchError as error:
        print(f"kept in {found.file}")
        complain(error)
    sys.stdout.flush()


def say(found: storage.Run) -> None:
    """Print a run's headline, its table, and what is wrong with it."""
    console = Console(markup=False, emoji=False, highlight=False)
    console.print(report.headline(report.figures(found)), soft_wrap=True)
    if "profiles/path" in found.groups:
        console.print(report.table(found))
    for line in report.warnings(found):
        console.print(f"warning: {line}", soft_wrap=True)
