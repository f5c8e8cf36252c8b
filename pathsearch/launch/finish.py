"""What a run ends with: its picture and its table."""

import sys

from rich.console import Console

from pathsearch import plots, report, storage


def finish(found: storage.Run) -> None:
    """Draw a run beside its file, print its table."""
    picture = found.file.with_name("path.png")
    plots.save(found, picture)
    say(found)
    print(f"kept in {found.file}, drawn in {picture}")
    sys.stdout.flush()


def say(found: storage.Run) -> None:
    """Print a run's headline and table."""
    console = Console()
    console.print(report.headline(report.figures(found)), highlight=False, soft_wrap=True)
    console.print(report.table(found))
