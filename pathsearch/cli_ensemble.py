"""The command `pathsearch ensemble`."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Optional

import typer

from pathsearch.files import expanded


def ensemble(
    where: Annotated[Path, typer.Argument(metavar="RUN", parser=expanded, help="A run's folder or its path.h5.")],
    points: Annotated[
        int, typer.Option(min=2, help="So many, as far apart along the path as one another, both ends among them.")
    ] = 5,
    logits: Annotated[
        Optional[Path],
        typer.Option(
            metavar="FILE",
            parser=expanded,
            help="Keep what every point predicts, .h5 or .npz: t [k], log_probabilities [k, n, classes] in float16 "
            "(logits less the logarithm of the sum of their exponentials), labels [n].",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Every figure, as JSON.")] = False,
) -> None:
    """Networks on the path as an ensemble, on the test set: one by one, their predictions and their weights averaged.

    Error, negative log-likelihood and calibration error; which points predict different classes. Statistics of batch
    norm are averaged over the training data at every point, as in measuring.
    """
    from pathsearch import reading
    from pathsearch.storage import predictions

    opened = reading.Opened(where)
    if logits is not None:
        predictions.refuse(logits)

    from pathsearch import report_ensemble
    from pathsearch.progress import display
    from pathsearch.run.finish import console, put

    with display(Path(os.devnull)) as watcher:  # on the terminal alone: a reader writes nothing beside the run

        def watch(what: str, done: int, total: int) -> None:
            watcher.tick(1) if done else watcher.phase(what, total)

        found = opened.ensemble(points, logits is not None, watch)
    if as_json:
        print(json.dumps({"file": str(opened.file), **report_ensemble.figures(found)}, indent=2))
    else:
        screen = console()
        screen.print(report_ensemble.headline(found), soft_wrap=True)
        for table in report_ensemble.tables(found):
            put(table, screen)
        for line in report_ensemble.warnings(found):
            screen.print(f"warning: {line}", soft_wrap=True)
    sys.stdout.flush()
    if logits is not None and found.kept is not None:  # last: a disk that is full takes no figures away
        predictions.write(logits, found.t, *found.kept)
        if not as_json:
            print(f"kept in {logits}")
