import os
import subprocess
import sys

import pytest

from pathsearch import machine


def test_cores_are_those_this_process_may_use(monkeypatch):
    monkeypatch.setattr(machine, "_quota", lambda cgroup: None)
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert machine.cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert machine.cores() == len(allowed)


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        ({"cpu.max": "150000 100000\n"}, 2),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({}, None),
    ],
)
def test_a_containers_quota(tmp_path, files, wanted):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert machine._quota(tmp_path) == wanted


def test_threads_wait_asleep_unless_the_user_says_otherwise(monkeypatch):
    for name in machine.WAITING:
        monkeypatch.delenv(name, raising=False)
    machine.wait_asleep()
    assert {name: os.environ[name] for name in machine.WAITING} == machine.WAITING
    for name in machine.WAITING:
        monkeypatch.delenv(name)
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    machine.wait_asleep()
    assert "GOMP_SPINCOUNT" not in os.environ


def test_the_policy_is_set_before_torch_is_imported():
    code = (
        "import os, sys; import pathsearch; set = 'OMP_WAIT_POLICY' in os.environ; "
        "assert set and 'torch' not in sys.modules"
    )
    environment = {name: value for name, value in os.environ.items() if name not in machine.WAITING}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
