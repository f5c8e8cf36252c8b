"""The sbatch text against golden files; `python -m tests.jobs.test_script` writes them anew."""

from pathlib import Path

import pytest

from pathsearch.jobs.profiles import ClusterProfile
from pathsearch.jobs.script import text

GOLDEN = Path(__file__).parent / "golden"
FULL = ClusterProfile(
    partition="gpu",
    account="us",
    nodes=2,
    gpus_per_node=4,
    cpus_per_gpu=8,
    mem="64GB",
    time="1-12",
    warning=180,
    parallel=3,
    modules=["cuda/12.4", "python"],
    prologue=["source ~/venv/bin/activate"],
    sbatch={"mail-type": "FAIL", "exclusive": True},
)
CASES = {
    "plain": lambda: text(ClusterProfile(), "digits", Path("/shared/run/jobs"), 1, [], "python"),
    "full": lambda: text(FULL, "resnet", Path("/shared/a run/jobs"), 1, [], "python"),
    "array": lambda: text(FULL, "resnet", Path("/shared/sweep/jobs"), 16, ["41"], "python"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_script_is_the_golden_one(case):
    assert CASES[case]() == (GOLDEN / f"{case}.sbatch").read_text()


if __name__ == "__main__":
    for name, made in CASES.items():
        (GOLDEN / f"{name}.sbatch").write_text(made())
