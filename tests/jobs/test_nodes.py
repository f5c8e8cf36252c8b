"""What Ray's nodes in a job need before Ray is there."""

import os
import signal
import subprocess
import sys

import psutil
import pytest

from pathsearch.errors import PathsearchError
from pathsearch.jobs import nodes
from pathsearch.jobs.allocation import Allocation

GIVEN = Allocation("41_3", 2, 2, 0, 1, 0)


def test_rays_token_is_never_for_others_to_read(tmp_path, monkeypatch):
    looked = []

    def head(given, sockets, token):
        looked.append((token.stat().st_mode & 0o777, token.parent.stat().st_mode & 0o777, len(token.read_text())))
        raise PathsearchError("that is all")

    monkeypatch.setattr(nodes, "_head", head)
    opened = os.open

    def watched(file, flags, mode=0o777, **more):
        if str(file).endswith("token"):
            looked.append((mode, flags & os.O_EXCL))
        return opened(file, flags, mode, **more)

    monkeypatch.setattr(os, "open", watched)
    old = os.umask(0)
    try:
        with pytest.raises(PathsearchError, match="that is all"), nodes.head(tmp_path, GIVEN, lambda said: 1):
            pass
    finally:
        os.umask(old)
    assert looked == [(0o600, os.O_EXCL), (0o600, 0o700, 64)]
    assert list(tmp_path.iterdir()) == []


def test_sockets_have_short_names_whatever_the_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / ("long" * 30)))
    with nodes._sockets(GIVEN) as folder:
        assert len(str(folder)) < 107 - 64
        assert folder.stat().st_mode & 0o777 == 0o700
    assert not folder.exists()
    monkeypatch.setattr(nodes, "PLACES", (str(tmp_path / "gone"), str(tmp_path)))
    with nodes._sockets(GIVEN) as folder:
        assert folder.parent == tmp_path
    monkeypatch.setattr(nodes, "PLACES", (str(tmp_path / "gone"),))
    says = r"no folder for Ray's sockets on .*gone \(No such file or directory\)"
    with pytest.raises(PathsearchError, match=says), nodes._sockets(GIVEN):
        pass


def test_all_that_ray_started_ends_with_it():
    script = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(flush=True); input()'])"
    child = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    child.stdout.readline()
    (below,) = psutil.Process(child.pid).children()
    nodes._end(child)
    assert child.returncode == -signal.SIGTERM
    below.wait(10)
    assert not below.is_running()
    child.stdin.close()
    child.stdout.close()
