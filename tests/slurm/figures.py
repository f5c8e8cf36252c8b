"""Figures on the Slurm of the tests, alone on a machine: `python -m tests.slurm.figures`."""

import os
import shutil
import statistics
import subprocess
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from pathsearch.jobs import records, registry
from pathsearch.jobs.states import statuses
from pathsearch.storage.glance import glance
from tests.commands import SMALL, command
from tests.slurm import host
from tests.slurm.conftest import LOSS, SLOW

TWO = ("--nodes", 2, "--gpus-per-node", 2, "--time", 30)


def main() -> None:
    folder = Path(tempfile.mkdtemp(prefix="figures"))
    (folder / "slurm").mkdir()
    try:
        with host.slurm(folder / "slurm") as environment:
            os.environ.update(environment, XDG_STATE_HOME=str(folder / "state"), NAP="0.05")
            os.chdir(folder)
            Path("small.yaml").write_text(SMALL)
            Path("slow.py").write_text(LOSS)
            Path("slow.yaml").write_text(SLOW)
            first = [first_step(Path(f"run{i}")) for i in range(3)]
            print(f"from submit to the first step on two nodes: {statistics.median(first):.1f} s of {first}")
            print("steps lost by a requeue:", requeued(Path("again")))
            first_look, later = thousand(Path("run0"))
            print(f"pathsearch jobs over 1,000 runs: {first_look:.2f} s the first time, then {later:.2f} s")
    finally:
        shutil.rmtree(folder)


def first_step(run: Path) -> float:
    """Seconds from the command until the first step is kept."""
    begun = time.monotonic()
    call("submit", "small.yaml", *TWO, "--out", run)
    host.until((run / "path.h5").exists)
    seconds = time.monotonic() - begun
    host.until(lambda: statuses([run])[0].state == "COMPLETED")
    return round(seconds, 1)


def requeued(run: Path) -> int:
    """Steps that were done when a warning came, less those the next attempt goes on from."""
    call("submit", "slow.yaml", *TWO, "--out", run)
    host.until(lambda: (seen := glance(run)) is not None and seen.moves >= 10)
    (one,) = statuses([run])
    done = glance(run).moves
    subprocess.run(["scancel", "--signal=USR2", one.record.job], check=True)
    host.until(lambda: statuses([run])[0].attempts == 2)
    lost = max(0, done - glance(run).moves)
    host.until(lambda: statuses([run])[0].state == "COMPLETED")
    return lost


def thousand(run: Path) -> tuple[float, float]:
    """Seconds of `pathsearch jobs`: the first time, when all files are new to it, and the median of five more."""
    kept = records.record(run)
    for i in range(1000 - len(registry.known_runs())):
        copy = Path(f"copy{i}")
        shutil.copytree(run, copy)
        records.submitted(copy, replace(kept, run=str(copy.resolve())))
    times = []
    for _ in range(6):
        begun = time.monotonic()
        shown = call("jobs")
        times.append(time.monotonic() - begun)
    assert shown.count("COMPLETED") == 1000
    return times[0], statistics.median(times[1:])


def call(*arguments: object) -> str:
    return subprocess.run(command(*arguments), check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main()
