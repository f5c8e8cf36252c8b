"""Which process is which."""

import os
import subprocess
import sys

from pathsearch.jobs.process import identity, lives, of_submitit


def test_a_process_is_the_one_of_its_boot_and_start():
    boot, started = identity(os.getpid())
    assert started > 0
    assert lives(os.getpid(), boot, started)
    assert not lives(os.getpid(), "another boot", started)
    assert not lives(os.getpid(), boot, started - 60)
    assert not lives(os.getpid(), boot, 0.0)  # of which no start was kept
    assert not lives(1, boot, started)


def test_a_process_that_ended_lives_no_more_though_nobody_waited_for_it():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    boot, started = identity(process.pid)
    assert lives(process.pid, boot, started)
    process.stdin.close()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it is a zombie
    assert not lives(process.pid, boot, started)
    process.wait()
    assert not lives(process.pid, boot, started)
    assert identity(process.pid) == ("", 0.0)
    assert not lives(2**40, boot, started)


def test_a_process_of_submitit_is_known_by_its_folder(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "jobs")
    command = [sys.executable, "-c", "print(flush=True); input()", "submitit", str(tmp_path / "link")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        assert of_submitit(process.pid, tmp_path / "jobs")
        assert not of_submitit(process.pid, tmp_path)
        assert not of_submitit(os.getpid(), tmp_path / "jobs")
        process.communicate(b"\n")
    assert not of_submitit(process.pid, tmp_path / "jobs")
