"""What several test files share."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
import torch

from pathsearch.holders import SerialHolder
from pathsearch.holders.protocol import pivots
from pathsearch.methods.stages import Stage
from pathsearch.objectives import SURFACES
from pathsearch.objectives.function import FunctionObjective
from pathsearch.objectives.protocol import Objective
from pathsearch.run import config, whole
from pathsearch.run.settings import Asked
from pathsearch.run.stop import Stop
from pathsearch.search import State, Step, search
from tests import commands, runs

torch.set_num_threads(1)  # the workers of pytest-xdist share the cores


FIRST = (  # what waits for Slurm or Ray, and beside each what works for long, so that neither comes alone, nor last
    "tests/slurm/test_disturbed.py",
    "tests/test_style.py",
    "tests/test_digits.py",
    "tests/slurm/test_runs.py",
    "tests/run/test_papers.py",
    "tests/test_kill.py",
    "tests/slurm/",
    "tests/holders/ray/test_same_path.py",
    "tests/landscape/test_explore.py",
    "tests/cases/test_cli.py",
    "tests/holders/ray/",
    "tests/landscape/test_at_once.py",
    "tests/run/test_tasks.py",
    "tests/run/test_coordinator.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Those that take long go first.

    Of those that use this process's Ray none follows one that forks readers of data: twice Ray hung in its own code.
    """
    items.sort(key=lambda item: next((n for n, place in enumerate(FIRST) if item.nodeid.startswith(place)), len(FIRST)))


def surface(name: str) -> FunctionObjective:
    """A built-in surface in float64."""
    known = SURFACES[name]
    return FunctionObjective(known.function, len(known.start), torch.float64, torch.device("cpu"))


def searched(objective: Objective, chain: Any, stages: list[Stage], seed: int = 0) -> tuple[SerialHolder, list[Step]]:
    """Carry out stages on the serial holder from a chain of points."""
    holder = SerialHolder(objective)
    holder.load(np.asarray(chain, dtype=float), [], {})
    return holder, list(search(holder, stages, State(len(chain)), seed, objective.stochastic))


def path_of(holder: SerialHolder) -> np.ndarray:
    """All pivots [N, M]."""
    return pivots(holder, holder.block.count)


@pytest.fixture(autouse=True)
def ended() -> Iterator[None]:
    """End what a failed test started: it would have the cores, or the cluster's, while the others run."""
    yield
    while commands.STARTED:
        commands.STARTED.pop().kill()


@pytest.fixture(autouse=True)
def own_modules(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Forget the modules that a test wrote: another one may write others of the same names."""
    yield
    written = str(tmp_path_factory.getbasetemp())
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(written):
            del sys.modules[name]


@pytest.fixture(scope="session")
def ray_cluster():
    """A Ray of twelve declared cores and GPUs in this process, whatever hardware there is."""
    ray.init(
        address="local",
        num_cpus=12,
        num_gpus=12,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        object_store_memory=200 << 20,
    )
    yield
    ray.shutdown()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def gram_of(vectors: np.ndarray) -> np.ndarray:
    """Gram matrices [n, k, k] of vectors [n, k, M]."""
    return np.asarray(np.einsum("njm,nkm->njk", vectors, vectors))


Function = Callable[[torch.Tensor], torch.Tensor]


class Silent:
    """A watcher that says nothing."""

    def log(self, line):
        pass

    def step(self, step):
        pass

    def phase(self, name, total):
        pass

    def tick(self, count):
        pass


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory):
    """A small run from its beginning to its end, not to be changed."""
    settings, where = config.load("muller-brown", ["measure.plane=7"])
    return whole.run(Asked(settings, where), tmp_path_factory.mktemp("run"), Silent(), Stop())


@pytest.fixture(scope="session")
def network_runs(tmp_path_factory):
    """A folder with runs of a network with batch norm, `neb` and `bezier`, that is no longer the working one."""
    folder = tmp_path_factory.mktemp("networks")
    (folder / "own.py").write_text(runs.OWN)
    before = os.getcwd()
    os.chdir(folder)
    for name, method in (("neb", "{name: neb, images: 2}"), ("bezier", "bezier")):
        Path(f"{name}.yaml").write_text(runs.CONFIG.replace("METHOD", method))
        runs.carried_out(f"{name}.yaml", out=name)
    os.chdir(before)
    return folder


@pytest.fixture
def blank(monkeypatch):
    """For tests of what becomes of a picture: an empty one is quick."""
    monkeypatch.setattr("pathsearch.plots.figure.picture", commands.blank)
