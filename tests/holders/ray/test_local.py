"""A Ray that a run starts for itself: who can reach it, where it keeps its files, and its sudden end."""

import os
import re
import signal
import stat
from pathlib import Path

import pytest

from pathsearch import clusters, storage
from pathsearch.errors import Interrupted
from pathsearch.run import config, whole
from pathsearch.run.settings import Asked
from pathsearch.run.stop import Stop
from tests.commands import ENVIRONMENT, started
from tests.holders.ray.test_faults import Watcher
from tests.slurm.host import PATIENCE, until

LISTENS = "0A"  # the state of a socket in /proc/net/tcp


def listening(pids):
    """Addresses at which processes listen, as the kernel writes them."""
    inodes = set()
    for pid in pids:
        for file in Path(f"/proc/{pid}/fd").iterdir():
            inodes |= set(re.findall(r"socket:\[(\d+)\]", os.readlink(file)))
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENS and fields[9] in inodes:
                found.add(fields[1].partition(":")[0])
    return found


def called(pids, name):
    return [pid for pid in pids if name in Path(f"/proc/{pid}/cmdline").read_text()]


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="looks into /proc")
def test_a_run_on_a_ray_of_its_own_that_dies(tmp_path):
    long = tmp_path / ("x" * 150)
    long.mkdir()
    environment = {**ENVIRONMENT, "TMPDIR": str(long), "HOME": "/nonexistent"}
    changes = ["method={name: neb, images: 3}", "optimizer={name: sgd, lr: 1.0e-6}", "steps=1000000"]
    changes += ["checkpoint.steps=20"]
    arguments = ("run", "two-modes", "--out", "run", *changes, "holder.actors=2")
    said = tmp_path / "said"
    done = tmp_path / "run" / "path.h5"
    process = started(*arguments, cwd=tmp_path, environment=environment, err=said)
    until(lambda: done.exists() and storage.read(done).position["moves"] >= 20)
    below = [one.pid for one in clusters.descendants(process.pid)]
    assert len(called(below, "ray::Worker")) == 2
    # 127.0.0.1, alone and as IPv6 has it
    assert listening([process.pid, *below]) == {"0100007F", "0000000000000000FFFF00000100007F"}
    (gcs,) = called(below, "gcs_server")
    flags = Path(f"/proc/{gcs}/cmdline").read_text().split("\0")
    (logs,) = (flag.partition("=")[2] for flag in flags if flag.startswith("--log_dir="))
    folder = Path(logs).parents[2]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "token").stat().st_mode) == 0o600
    assert list(long.glob("ray*")) == []

    os.kill(gcs, signal.SIGKILL)
    process.join(PATIENCE)
    assert process.exitcode == 75
    assert said.read_text().splitlines()[-1].startswith("pathsearch: Ray ended on this machine before its time")
    assert not folder.exists()
    until(lambda: not any(Path(f"/proc/{pid}").exists() and _alive(pid) for pid in below))
    stop = Stop()
    watcher = Watcher([storage.read(done).position["moves"] + 1], act=lambda: setattr(stop, "number", signal.SIGTERM))
    settings, _ = config.load("two-modes", changes)
    with pytest.raises(Interrupted):
        whole.run(Asked(settings, tmp_path), tmp_path / "run", watcher, stop)
    assert re.match(r"continues after \d\d+ steps", watcher.lines[0])


def _alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
