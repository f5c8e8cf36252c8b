"""What a run ends with: its table and its picture."""

import sys
from pathlib import Path

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from pathsearch import report, storage
from pathsearch.errors import PathsearchError, complain
from pathsearch.storage.landscape import Landscape


def finish(found: storage.Run) -> None:
    """Print a run's table and draw its picture; where that fails, say so: the run itself is kept."""
    say(found)
    picture = found.file.with_name("path.png")
    storage.sweep(picture)
    try:
        if _missing(picture, found.file):
            from pathsearch import plots  # matplotlib takes long to import, and what was drawn is still true

            plots.save(found, picture)
        print(f"kept in {found.file}, drawn in {picture}")
    except PathsearchError as error:
        print(f"kept in {found.file}")
        complain(error)
    sys.stdout.flush()


def _missing(picture: Path, file: Path) -> bool:
    """Whether a picture is not there, or older than what it shows."""
    return not picture.exists() or picture.stat().st_mtime_ns < file.stat().st_mtime_ns


def say(found: storage.Run) -> None:
    """Print a run's headline, its table, and what is wrong with it."""
    out = console()
    out.print(report.headline(report.figures(found)), soft_wrap=True)
    if "profiles/path" in found.groups or "minimum" in found.summary:
        put(report.table(found), out)
    if (goal := report.goal_table(found)) is not None:
        put(goal, out)
    for point in found.alignment.get("sides", []):
        out.print(report.aligned(point, found.alignment), soft_wrap=True)
    for line in report.warnings(found):
        out.print(f"warning: {line}", soft_wrap=True)


def say_landscape(found: Landscape) -> None:
    """Print a landscape's headline, and its table where there are paths."""
    from pathsearch import report_landscape

    out = console()
    out.print(report_landscape.headline(found), soft_wrap=True)
    if found.paths:
        put(report_landscape.table(found), out)
    for line in report_landscape.gone(found):
        out.print(f"warning: {line}", soft_wrap=True)


def put(table: Table, out: Console) -> None:
    """Print a table, beyond the terminal's edge where it is wider: no number is cut off."""
    wide = Measurement.get(out, out.options.update(width=sys.maxsize), table).maximum
    out.width = max(out.width, wide)
    out.print(table)


def console() -> Console:
    """Where tables are printed: names of files and metrics may look like rich's markup."""
    return Console(markup=False, emoji=False, highlight=False)
