"""What a run ends with: its picture and its table."""

import sys

from rich.console import Console

from pathsearch import report, storage


def finish(found: storage.Run) -> None:
    """Draw a run beside its file, unless that is done, and print its table."""
    picture = found.file.with_name("path.png")
    if not picture.exists() or picture.stat().st_mtime_ns < found.file.stat().st_mtime_ns:
        from pathsearch import plots  # matplotlib takes long to import, and what was drawn is still true

        plots.save(found, picture)
    say(found)
    print(f"kept in {found.file}, drawn in {picture}")
    sys.stdout.flush()


def say(found: storage.Run) -> None:
    """Print a run's headline and table."""
    console = Console()
    console.print(report.headline(report.figures(found)), highlight=False, soft_wrap=True)
    console.print(report.table(found))
