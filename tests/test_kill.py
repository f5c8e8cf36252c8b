"""kill -9 at random moments: it always opens, continues, and ends with the same weights."""

import random
import shutil
import time

import numpy as np

from pathsearch import storage
from tests.commands import SMALL, pathsearch, started

KILLS = 20
# checkpoints at every step, so that many kills fall into writing
EVERY = SMALL.replace("{steps: 20}", "{steps: 1}")
SHORT = EVERY.replace("steps: 150}", "steps: 10}").replace("steps: 150", "steps: 30")
CONFIG = SHORT.replace("{points: 9, plane: 5}", "{points: 5, plane: 3}")


def test_twenty_kills(tmp_path):
    (tmp_path / "small.yaml").write_text(CONFIG)
    begun = time.monotonic()
    pathsearch("run", "small.yaml", "--out", "undisturbed/run", cwd=tmp_path)
    whole = time.monotonic() - begun
    draw = random.Random(0)
    kills = opened = 0
    place = tmp_path / "killed"  # of the run and of its minima
    while kills < KILLS:
        process = started("run", "small.yaml", "--out", "killed/run", cwd=tmp_path)
        if kills % 3:  # most kills fall into the work, wherever it is; some into start-up
            known = written(place)
            while process.is_alive() and written(place) == known:
                time.sleep(0.002)
            time.sleep(draw.uniform(0, 0.1 * whole))
        else:
            time.sleep(draw.uniform(0, 0.3 * whole))
        if not process.is_alive():  # it came to its end: begin anew
            assert process.exitcode == 0
            compare(tmp_path)
            shutil.rmtree(place)
            continue
        process.kill()
        process.join()
        kills += 1
        for file in (kept := list(place.rglob("path.h5"))):
            storage.read(file)
            assert np.isfinite(storage.read_vectors(file)[0]).all()
        opened += bool(kept)
    assert opened > KILLS // 2
    pathsearch("run", "small.yaml", "--out", "killed/run", cwd=tmp_path)
    compare(tmp_path)
    assert not list(place.rglob("*.tmp"))


def written(place):
    """When each file of a run or a minimum was written."""
    return {file: file.stat().st_mtime_ns for file in place.rglob("path.h5")}


def compare(folder):
    one, other = (storage.read(folder / name / "run") for name in ("undisturbed", "killed"))
    np.testing.assert_array_equal(storage.read_vectors(one.file)[0], storage.read_vectors(other.file)[0])
    for group, arrays in one.groups.items():
        for name, values in arrays.items():
            np.testing.assert_array_equal(values, other.groups[group][name], err_msg=f"{group}/{name}")
