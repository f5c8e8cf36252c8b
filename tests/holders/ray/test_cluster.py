"""Clusters that a user started by hand, and what goes wrong with them."""

import os
import re
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pathsearch import clusters, storage
from tests.commands import ENVIRONMENT, SMALL, command, pathsearch, started
from tests.slurm.host import PATIENCE, free_ports, until

NET = """
from torch.nn import Flatten, Linear, Sequential
Net = lambda: Sequential(Flatten(), Linear(64, 10))
"""
# data that actors import nothing for
CONFIG = SMALL.replace("data: digits", "data: {name: random, shape: [1, 8, 8], examples: 200}")
RAY = Path(sys.executable).with_name("ray")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A head of two declared GPUs and a worker of one; gives address, environment and the worker."""
    folder = tmp_path_factory.mktemp("cluster")
    token = folder / "token"
    token.touch(0o600)
    token.write_text(secrets.token_hex(32))
    environment = {**ENVIRONMENT, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
    port = free_ports(1)
    nodes = []

    def start(gpus, *options):
        declared = [f"--num-cpus={gpus}", f"--num-gpus={gpus}", "--disable-usage-stats", "--block"]
        arguments = [RAY, "start", *options, *declared]
        file = folder / f"node{len(nodes)}.log"
        with file.open("w") as log:
            nodes.append(subprocess.Popen(arguments, env=environment, stdout=log, stderr=log, cwd=folder))
        until(lambda: "Ray runtime started" in file.read_text())

    sockets = f"/tmp/ps{port}"  # their names must be short
    start(2, "--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={sockets}")
    start(1, f"--address=127.0.0.1:{port}")
    yield f"127.0.0.1:{port}", environment, nodes[1]
    for node in reversed(nodes):
        node.terminate()
    for node in nodes:
        node.wait(timeout=60)
    shutil.rmtree(sockets, ignore_errors=True)


def descendants(pid, name):
    """Processes below a process whose command line has a name in it."""
    return [one for one in clusters.descendants(pid) if name in " ".join(one.cmdline())]


def test_a_worker_node_dies_and_the_run_goes_on(cluster, tmp_path):
    address, environment, worker = cluster
    (tmp_path / "small.yaml").write_text(CONFIG)
    pathsearch("run", "small.yaml", "--out", "serial", "holder=serial", cwd=tmp_path)
    said, done = tmp_path / "said", tmp_path / "run" / "path.h5"
    # once in several runs Ray does not tell that an actor died with its node: then it is given up as one that hangs
    arguments = ("run", "small.yaml", "--out", "run", f"holder.address={address}", "holder.timeout=60")
    process = started(*arguments, cwd=tmp_path, environment=environment, err=said)
    until(
        lambda: not process.is_alive() or (done.exists() and storage.read(done).position["moves"] >= 20), said.read_text
    )
    assert process.is_alive(), said.read_text()
    (raylet,) = descendants(worker.pid, "raylet/raylet")
    raylet.kill()
    process.join(PATIENCE)
    text = said.read_text()
    assert process.exitcode == 0, text
    assert "on 3 Ray actors" in text
    assert re.search(r"actor \d .*; goes on from the last checkpoint\n2 actors where there were 3", text), text
    ours, wanted = (storage.read_vectors(tmp_path / name)[0] for name in ("run", "serial"))
    np.testing.assert_array_equal(ours, wanted)


def test_what_is_asked_for_and_what_there_is(cluster, tmp_path, rng):
    address, environment, _ = cluster
    (tmp_path / "small.yaml").write_text(CONFIG)
    for side in ("start", "end"):
        np.save(tmp_path / f"{side}.npy", rng.normal(size=64 * 16 + 16 + 16 * 10 + 10))
    ends = "endpoints={start: start.npy, end: end.npy}"

    def said(*options):
        arguments = ("run", "small.yaml", "--out", "none", f"holder.address={address}", ends, *options)
        (line,) = pathsearch(*arguments, cwd=tmp_path, status=1, **environment).stderr.splitlines()
        return line

    assert re.search(r"asks for 7 actors with 1 GPU and 1 CPU each, the cluster has \d GPUs", said("holder.actors=7"))
    assert "nothing answers there" in said(f"holder.address=127.0.0.1:{free_ports(1)}")


def test_a_module_that_only_this_machine_has(cluster, tmp_path, rng):
    address, environment, _ = cluster
    (tmp_path / "small.yaml").write_text(CONFIG)
    only = tmp_path / "only"
    only.mkdir()
    (only / "mine.py").write_text(NET)
    ends = {side: tmp_path / f"{side}.npy" for side in ("start", "end")}
    for file in ends.values():
        np.save(file, rng.normal(size=64 * 10 + 10))
    options = [f"endpoints.{side}={file}" for side, file in ends.items()]
    places = os.pathsep.join([str(only), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        command("run", "small.yaml", f"holder.address={address}", "objective.model=mine:Net", *options),
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": places},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
    assert re.search(
        r"cannot import 'mine' .*, on actor \d \(process \d+ on .*every node must have the same", done.stderr
    )


def test_another_version_of_ray(cluster, tmp_path):
    address, environment, _ = cluster
    (tmp_path / "small.yaml").write_text(CONFIG)
    code = f"""
import ray, sys
ray.__version__ = "2.0.0"
sys.argv = ["pathsearch", "run", "small.yaml", "holder.address={address}"]
from pathsearch.cli import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 1
    assert "Version mismatch" in done.stderr.splitlines()[-1]
    assert "install the cluster's Ray" in done.stderr.splitlines()[-1]
