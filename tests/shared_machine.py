"""What a run takes on a machine that others use, by how OpenMP's threads wait: `python -m tests.shared_machine`.

Each case runs on the machine as it is and beside one busy loop a core; the machine itself should be quiet.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time

from pathsearch.machine import WAITING, cores

POLICIES = {
    "the program's": {},
    "libgomp's own": {"GOMP_SPINCOUNT": "300000"},
    "passive alone": {"OMP_WAIT_POLICY": "PASSIVE"},
    "one thread": {"OMP_NUM_THREADS": "1"},
}
TRAINING = [f"endpoints.{side}.train.steps=500" for side in ("start", "end")]
RESNET = [
    "objective.data={name: random, examples: 320}",
    "objective.batch=64",
    "measure.points=3",
    "measure.tolerance=9",
]
CASES = {
    "digits, shortened": ["digits", *TRAINING, "steps=1000", "measure.plane=0"],
    "ResNet-20, 40 gradients": [
        "cifar10-resnet20-bezier", *RESNET, *(part.replace("500", "10") for part in TRAINING), "steps=20"
    ],
}  # fmt: skip
ROUNDS, LIMIT = 3, 200.0


def seconds(arguments: list[str], policy: dict[str, str]) -> float:
    """A run from nothing to its table; LIMIT where it is given up."""
    plain = {name: value for name, value in os.environ.items() if name not in (*WAITING, "OMP_NUM_THREADS")}
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        command = [sys.executable, "-m", "pathsearch", "run", *arguments, "--out", folder]
        try:
            subprocess.run(command, env={**plain, **policy}, check=True, capture_output=True, timeout=LIMIT)
        except subprocess.TimeoutExpired:
            return LIMIT
        return time.perf_counter() - begun


def main() -> None:
    """Print the table: medians of rounds in which every policy had its turn."""
    print(f"{'seconds, median of ' + str(ROUNDS):28}" + "".join(f"{name:>16}" for name in POLICIES))
    for beside in (0, cores()):
        busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(beside)]
        try:
            for case, arguments in CASES.items():
                rows = [[seconds(arguments, policy) for policy in POLICIES.values()] for _ in range(ROUNDS)]
                name = f"{case}{', busy' if beside else ''}"
                print(f"{name:28}" + "".join(f"{statistics.median(column):16.1f}" for column in zip(*rows)), flush=True)
        finally:
            for process in busy:
                process.kill()
                process.wait()


if __name__ == "__main__":
    main()
