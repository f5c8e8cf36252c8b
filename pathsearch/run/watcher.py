"""Who is told how a run goes on: a terminal's display, an actor's log, nobody."""

from typing import Protocol

from pathsearch.search import Step


class Watcher(Protocol):
    """Who is told how a run goes on."""

    def log(self, line: str) -> None:
        """Something worth a line."""

    def step(self, step: Step) -> None:
        """A step of the search is done."""

    def phase(self, name: str, total: int) -> None:
        """A stretch of work of about so many pieces begins."""

    def tick(self, count: int) -> None:
        """So many pieces of it are done."""
