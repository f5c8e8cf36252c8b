"""The command `pathsearch compare`."""

import csv
import sys
from pathlib import Path
from typing import Annotated, Optional

import typer

from pathsearch.comparing.published import TABLES
from pathsearch.errors import PathsearchError
from pathsearch.files import expanded
from pathsearch.settings import one_of

FORMATS = ("text", "markdown", "csv", "latex")
LETTERS = 20
"""Of a line of a group's name in text: so that the table fits into 100 columns."""


def compare(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", parser=expanded, help="Folders of runs, or their path.h5.")
    ],
    against: Annotated[
        Optional[str], typer.Option(metavar="TABLE", help="papers: the papers' figures below the groups they fit.")
    ] = None,
    form: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="text, markdown, latex, or csv: every figure, all digits.")
    ] = "text",
) -> None:
    """Runs side by side: those that differ in nothing but seeds are averaged, as mean ± standard deviation."""
    if form not in FORMATS:
        raise PathsearchError(f"no format {one_of(form, FORMATS)}")
    if against is not None and against not in TABLES:
        raise PathsearchError(f"no published figures {one_of(against, TABLES)}")

    from pathsearch import report
    from pathsearch.comparing import columns, formats, groups
    from pathsearch.run.finish import console, put
    from pathsearch.storage.metrics import subset

    found = groups.read(map(str, runs))
    grouped = groups.groups(found)
    known = TABLES[against]() if against else ()
    beside = [groups.published(group, known) for group in grouped]
    if against and not any(beside):
        print("no published figures fit these runs: `pathsearch configs` lists those that some do", file=sys.stderr)
    for name, run in found.items():
        for line in report.warnings(run):
            print(f"warning: {name}: {line}", file=sys.stderr)
    if form == "csv":
        csv.writer(sys.stdout, lineterminator="\n").writerows(columns.csv_rows(grouped, beside))
        return
    longest = None if form == "latex" else columns.LONGEST  # where a legend would be a comment that nobody sees
    sheet = columns.sheet(grouped, beside, subset(next(iter(found.values()))), longest=longest)
    if form == "text":
        put(formats.text(sheet, LETTERS), console())
        sys.stdout.flush()
    else:
        print(formats.markdown(sheet) if form == "markdown" else formats.latex(sheet))
