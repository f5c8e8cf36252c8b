"""Where an aligned minimum is kept: in a folder of the store of minima, a run of one pivot as the others are.

It is the end of a path, of the store, aligned with the start, of the store too: whichever runs join these two, by
whatever method, the permutation is found once. It is the one that was found, whether or not the line became better.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from pathsearch import storage
from pathsearch.alignment.groups import Permutations, Symmetries
from pathsearch.errors import Interrupted, PathsearchError
from pathsearch.locks import alone
from pathsearch.objectives.network import NetworkObjective
from pathsearch.run import measuring, minima
from pathsearch.run.minima import Minimum
from pathsearch.run.settings import RunSettings
from pathsearch.run.shared import shared
from pathsearch.run.stop import Stop
from pathsearch.run.versions import writer
from pathsearch.storage import Arrays
from pathsearch.storage.permuted import permutations_in, symmetries_in


@dataclass(frozen=True)
class Shelf:
    """A folder in the store for the minimum at `end` aligned with the one at `start`.

    minima: what a file says of both; known: the permutations that are kept already; mine: held to be written to.
    """

    folder: Path
    end: Minimum
    minima: list[dict[str, str]]
    known: Permutations | None
    mine: bool
    log: Callable[[str], None]

    def keep(
        self,
        aligned: NDArray[Any],
        figures: dict[str, float],
        said: dict[str, Any],
        arrays: dict[str, Arrays],
        objective: NetworkObjective,
    ) -> None:
        """Keep the aligned end [M], if it is not there, with its metrics; where the disk does not take it, say so."""
        if not self.mine or self.known is not None:
            return
        common = shared(objective)
        try:
            trained = storage.read(self.end.folder)
            kept = storage.Kept(
                state="finished",
                config=trained.config,
                position=trained.position,
                summary={**trained.summary, **measuring.described(objective), "minimum": figures},
                curve=trained.curve,
                minima=self.minima,
                outside=trained.outside,
                place=trained.place,
                writers=[*trained.writers, writer(objective.device.type)],
                alignment=said,
                weights=aligned[None],
                tensors=objective.table,
                buffers=common.brought,
                made=common.made,
                history=trained.groups["history"],
                aligned=arrays,
            )
            storage.write(self.folder / "path.h5", kept)
        except PathsearchError as error:
            self.log(f"warning: {error}; this run goes on without")


@contextmanager
def shelf(
    ends: dict[str, Minimum],
    weights: dict[str, NDArray[Any]],
    settings: RunSettings,
    symmetries: Symmetries,
    log: Callable[[str], None],
    stop: Stop,
) -> Iterator[Shelf | None]:
    """The place of the aligned end, held alone as long as nothing is there; None where an end is not of the store.

    ends, weights [M]: by side; settings: of the run. Raises Interrupted where `stop` is due while another process
    aligns the same.
    """
    if ends.keys() != {"start", "end"}:
        yield None
        return
    folder = minima.aligned(ends["start"], ends["end"], settings)
    written = [minima.written(side, ends[side], weights[side]) for side in ("start", "end")]
    with ExitStack() as stack:
        known, mine = _known(folder, written, symmetries), False
        if known is None:
            try:
                stack.enter_context(alone(folder, minima.waiting(folder, log, stop, "aligns")))
                mine = True
            except Interrupted:
                raise
            except PathsearchError as error:  # a store that others may only read
                log(f"warning: {error}; this run goes on without")
            known = _known(folder, written, symmetries)  # another process found it meanwhile
        if known is not None:
            log(f"takes {folder}")
        yield Shelf(folder, ends["end"], written, known, mine, log)


def _known(folder: Path, written: list[dict[str, str]], symmetries: Symmetries) -> Permutations | None:
    """What is kept there of these minima, and of a network that is understood in the same way."""
    try:
        run = storage.read(folder)
    except PathsearchError:  # nothing, or damaged
        return None
    weights = [[(each["side"], each["sha256"]) for each in both] for both in (run.minima, written)]
    if weights[0] != weights[1] or "alignment/groups" not in run.groups:
        return None
    there = symmetries_in(run)
    same = all(getattr(there, part) == getattr(symmetries, part) for part in ("atoms", "blocks", "moved"))
    return permutations_in(run, "end") if same else None
