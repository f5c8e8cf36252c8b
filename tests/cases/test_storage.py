"""Cases on the file a run is kept in."""

import os
import shutil
import subprocess
import sys

import pytest

NO_LOCKS = """
#include <errno.h>
#include <stdlib.h>
int flock(int fd, int op) { errno = atoi(getenv("LOCK_ERRNO")); return -1; }
"""
# one process for all: torch takes seconds to import
RUNS = """
import fcntl, os, sys
from pathsearch.cli import main
for number in (37, 524):
    os.environ["LOCK_ERRNO"] = str(number)
    try:
        fcntl.flock(0, fcntl.LOCK_SH)
        sys.exit("the library is not in the way")
    except OSError as error:
        assert error.errno == number
    folder = f"runs/{number}"
    beside = ["endpoints={start: {run: runs/37, pivot: 0}, end: runs/37/path.h5}"] if number != 37 else []
    for command in (["run", "two-modes", "measure.plane=0", "steps=3", *beside, "--out", folder], ["show", folder]):
        sys.argv = ["pathsearch", *command]
        try:
            main()
        except SystemExit as ended:
            assert not ended.code, (number, command)
"""


@pytest.mark.skipif(sys.platform != "linux" or shutil.which("gcc") is None, reason="needs LD_PRELOAD and gcc")
def test_case_13_locks(tmp_path):
    """A run with its picture, a look at it, endpoints from another run, where the file system has no flock."""
    (tmp_path / "nolock.c").write_text(NO_LOCKS)
    library = tmp_path / "nolock.so"
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, tmp_path / "nolock.c"], check=True)
    environment = {**os.environ, "LD_PRELOAD": str(library)}
    done = subprocess.run(
        [sys.executable, "-c", RUNS], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("step budget used") == 4
    assert done.stdout.count("kept in") == 2
    assert "cannot" not in done.stderr
