"""The progress of a run: a live bar on a terminal, plain lines in a log file."""

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
from pathsearch.search import Step

LOG_EVERY = 20.0  # seconds between two lines on steps


class Display:
    """A watcher (see `run.watcher.Watcher`) with a bar on a terminal and lines in a file."""

    def __init__(self, file: IO[str], bar: Progress | None) -> None:
        self._file, self._bar = file, bar
        self._task: TaskID | None = None
        self._stage = ""
        self._said = 0.0

    def log(self, line: str) -> None:
        self._write(line)
        with suppress(OSError):  # stderr may be a file on a full disk too
            if self._bar is not None:
                self._bar.console.print(line, soft_wrap=True)
            else:
                print(line, file=sys.stderr, flush=True)

    def step(self, step: Step) -> None:
        at = step.state
        key = f"{at.stage} {step.stage.name}"
        loss = float(step.losses.max())
        if key != self._stage:
            self._stage = key
            self.phase(step.stage.name, step.stage.steps)
        last = step.converged or at.step >= step.stage.steps
        text = f"{step.stage.name}, step {at.step} of {step.stage.steps}: loss {loss:.5g}, force {step.force:.3g}"
        if last or time.monotonic() - self._said > LOG_EVERY:
            self._said = time.monotonic()
            self.log(text + (", converged" if step.converged else ""))
        if self._bar is not None and self._task is not None:
            values = f"loss {loss:.4g}  force {step.force:.3g}"
            self._bar.update(self._task, completed=at.step, values=values)

    def phase(self, name: str, total: int) -> None:
        self._write(f"{name} …")
        if self._bar is not None:
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._task = self._bar.add_task(name, total=total, values="")

    def _write(self, line: str) -> None:
        with suppress(OSError):  # a log that cannot be written must not end the run
            print(f"{datetime.now():%Y-%m-%d %H:%M:%S} {line}", file=self._file, flush=True)

    def tick(self, count: int) -> None:
        if self._bar is not None and self._task is not None:
            self._bar.advance(self._task, count)


@contextmanager
def display(log: Path) -> Iterator[Display]:
    """A display that appends to `log`, whose folder it makes; the bar appears where stderr is a terminal."""
    # lines quote names and errors, which may look like rich's markup
    console = Console(stderr=True, markup=False, emoji=False, highlight=False)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f}  {task.fields[values]}"),
        TimeRemainingColumn(),
    )
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        file = log.open("a", encoding="utf-8", errors="backslashreplace")  # names of files may be any bytes
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) else error
        raise PathsearchError(
            f"cannot use folder {log.parent}: {said}; name another with --out (--minima for minima)"
        ) from error
    try:
        if sys.stderr.isatty():
            with Progress(*columns, console=console, transient=True) as bar:
                yield Display(file, bar)
        else:
            yield Display(file, None)
    finally:
        with suppress(OSError):  # closing writes the rest, which a full disk refuses
            file.close()
