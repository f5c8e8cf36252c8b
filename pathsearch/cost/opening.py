"""What it takes to look at a large `path.h5`: `python -m pathsearch.cost.opening [GIGABYTES]`, 5 if not said.

The file is written into the working folder's file system and removed again. `pathsearch show` is a process of its own,
start-up included, and so is a program that opens the run and draws its profile; `storage.read` is compared with opening
the same file with h5py and reading nothing. *Cold*: the system was told to drop the file from its page cache, which
file systems of the network may ignore; *warm*: it has just been read. What is imported is warm in both.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from pathsearch import storage
from pathsearch.cost.peak import peak
from pathsearch.search import State
from pathsearch.storage.seal import hdf5

PIVOTS, STEPS, ROUNDS = 20, 5000, 7
SHOW = """
import sys
from pathsearch.cli import main
try:
    main()
finally:
    from pathsearch.cost.peak import peak
    print(peak(), file=sys.stderr)
"""
DRAW = """
import sys
import pathsearch
pathsearch.open(sys.argv[1]).plot.profile().figure.savefig(sys.argv[2])
from pathsearch.cost.peak import peak
print(peak(), file=sys.stderr)
"""


@dataclass(frozen=True)
class Opening:
    """Seconds, cold and warm, and bytes, of memory at the peak; `written`: those that writing took, in rows."""

    size: int
    written: float
    show: tuple[float, float]
    memory: int
    drawn: tuple[float, float]
    drawing: int
    read: tuple[float, float]
    bare: tuple[float, float]


def opening(size: int) -> Opening:
    """Write a file of about so many bytes, and time what looks at it."""
    with tempfile.TemporaryDirectory(dir=".") as folder:
        file = Path(folder) / "path.h5"
        vectors = 2 * PIVOTS - 2  # and the momentum of those that move
        row = np.random.default_rng(0).standard_normal(size // (4 * vectors), dtype=np.float32)
        storage.write(file, _kept(row[:100]))  # what is imported and made once is no memory of the file
        before = peak()
        storage.write(file, _kept(row))
        written = (peak() - before) / row.nbytes
        memory: list[int] = []
        drawing: list[int] = []
        return Opening(
            size=file.stat().st_size,
            written=written,
            show=_both(lambda: memory.append(_memory(SHOW, "show", file)), file),
            memory=max(memory),
            drawn=_both(lambda: drawing.append(_memory(DRAW, file, Path(folder) / "profile.png")), file),
            drawing=max(drawing),
            read=_both(lambda: storage.read(file), file),
            bare=_both(lambda: _opened(file), file),
        )


def _kept(row: np.ndarray) -> storage.Kept:
    """A finished run of a band of so many steps, whose vectors are all the same."""
    points, t = np.ones((STEPS, PIVOTS)), np.linspace(0, 1, 61)
    columns = ("step", "stage", "force", "length", "evaluations", "coordinator_bytes", "actor_bytes")
    line = {name: t for name in ("t", "arc_length", "train_loss", "train_error", "test_loss", "test_error")}
    return storage.Kept(
        state="finished",
        config={"method": {"name": "neb"}, "measure": {"plane": 0}},
        position=asdict(State(PIVOTS, stage=1, step=STEPS, moves=STEPS)),
        summary={"stages": ["neb"], "steps": [STEPS], "path_uncertainty": 0.0, "linear_uncertainty": 0.0},
        curve="polygon",
        weights=storage.Rows((PIVOTS, len(row)), row.dtype, lambda n: row.copy()),
        moving=range(1, PIVOTS - 1),
        optimizer={"velocity": storage.Rows((PIVOTS - 2, len(row)), row.dtype, lambda n: row.copy())},
        tensors=[("weight", (len(row),))],
        history={**{name: np.zeros(STEPS) for name in columns}, "t": points, "loss": points},
        profiles={"path": line, "linear": line},
    )


def _memory(code: str, *arguments: str | Path) -> int:
    """Peak memory of a program."""
    done = subprocess.run([sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True)
    return int(done.stderr)


def _opened(file: Path) -> None:
    with file.open("rb", buffering=0) as raw, hdf5(raw):
        pass


def _both(look: Callable[[], Any], file: Path) -> tuple[float, float]:
    """Seconds that it takes to look at a cold file and at a warm one: medians."""
    seconds = []
    for n in range(2 * ROUNDS):
        if n % 2 == 0 and hasattr(os, "posix_fadvise"):  # not on macOS: there both are warm
            with file.open("rb") as raw:
                os.posix_fadvise(raw.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        begun = time.perf_counter()
        look()
        seconds.append(time.perf_counter() - begun)
    return median(seconds[::2]), median(seconds[1::2])


def table(found: Opening) -> list[str]:
    """What was found, in lines."""
    ratio = [one / other for one, other in zip(found.read, found.bare)]
    return [
        f"path.h5 of {found.size / 1e9:.3g} GB; writing it took {found.written:.1f} rows of memory",
        f"{'':34}{'cold':>8}{'warm':>8}",
        f"{'pathsearch show, s':34}{found.show[0]:8.2f}{found.show[1]:8.2f}",
        f"{'  its memory at the peak, MB':34}{found.memory / 1e6:16.0f}",
        f"{'opened, profile drawn, s':34}{found.drawn[0]:8.2f}{found.drawn[1]:8.2f}",
        f"{'  its memory at the peak, MB':34}{found.drawing / 1e6:16.0f}",
        f"{'storage.read, ms':34}{1e3 * found.read[0]:8.1f}{1e3 * found.read[1]:8.1f}",
        f"{'opened with h5py, nothing read, ms':34}{1e3 * found.bare[0]:8.1f}{1e3 * found.bare[1]:8.1f}",
        f"{'  the ratio of the two':34}{ratio[0]:8.0f}{ratio[1]:8.0f}",
    ]


if __name__ == "__main__":
    print("\n".join(table(opening(int(1e9 * float((*sys.argv, "5")[1]))))))
