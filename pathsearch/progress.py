"""How a run shows that it goes on: a live bar on a terminal, plain lines in a log file."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import IO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from pathsearch.errors import PathsearchError
from pathsearch.search import Report

LOG_EVERY = 20.0  # seconds between two lines on steps


class Display:
    """A watcher (see `launch.session.Watcher`) with a bar on a terminal and lines in a file."""

    def __init__(self, file: IO[str], console: Console, bar: Progress | None) -> None:
        self._file, self._console, self._bar = file, console, bar
        self._task: TaskID | None = None
        self._stage = ""
        self._said = 0.0

    def log(self, line: str) -> None:
        self._write(line)
        self._console.print(line, highlight=False, soft_wrap=True)

    def step(self, report: Report) -> None:
        at = report.position
        key = f"{at.stage} {report.stage.name}"
        loss = float(report.losses.max())
        if key != self._stage:
            self._stage = key
            self.phase(report.stage.name, report.stage.steps)
        last = report.converged or at.step >= report.stage.steps
        text = f"{report.stage.name}, step {at.step} of {report.stage.steps}: loss {loss:.5g}, force {report.force:.3g}"
        if last or time.monotonic() - self._said > LOG_EVERY:
            self._said = time.monotonic()
            self.log(text + (", converged" if report.converged else ""))
        if self._bar is not None and self._task is not None:
            values = f"loss {loss:.4g}  force {report.force:.3g}"
            self._bar.update(self._task, completed=at.step, values=values)

    def phase(self, name: str, total: int) -> None:
        self._write(f"{name} …")
        if self._bar is not None:
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._task = self._bar.add_task(name, total=total, values="")

    def _write(self, line: str) -> None:
        with suppress(OSError):  # a full disk must not end a run by way of its log
            print(f"{datetime.now():%Y-%m-%d %H:%M:%S} {line}", file=self._file, flush=True)

    def tick(self, count: int) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.advance(self._task, count)


@contextmanager
def display(log: Path) -> Iterator[Display]:
    """A display that appends to `log`, whose folder it makes; the bar appears where stderr is a terminal."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f}  {task.fields[values]}"),
        TimeRemainingColumn(),
    )
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        opened = log.open("a", encoding="utf-8")
    except OSError as error:
        raise PathsearchError(f"cannot use folder {log.parent}: {error.strerror}; name another with --out") from error
    with opened as file:
        if sys.stderr.isatty():
            with Progress(*columns, console=console, transient=True) as bar:
                yield Display(file, console, bar)
        else:
            yield Display(file, console, None)
