"""Paths at the same time, each a task of Ray: the same landscape, whatever becomes of a worker."""

import shutil
import signal
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest

from pathsearch import storage
from pathsearch.errors import Interrupted
from pathsearch.landscape import choice, explore
from pathsearch.landscape.joins import Joins, trained
from pathsearch.run import config
from pathsearch.run.stop import Stop
from pathsearch.storage import landscape as file
from pathsearch.storage.glance import glance
from tests.commands import SMALL
from tests.runs import Heard

STEPS = 600  # some seconds: long enough to be disturbed
RAY = ("holder={name: ray, gpus_per_actor: 0}",)


def joined(folder, store, stop=None, heard=None, changes=RAY, how=choice.star):
    """A star of three minima of `small.yaml` beside the folder."""
    source = folder.parent / "small.yaml"
    source.write_text(SMALL)
    few = [f"steps={STEPS}", "measure.points=3", "measure.plane=0", "checkpoint.steps=50"]
    settings, where = config.load(str(source), [*few, *changes])
    points = trained(settings.endpoints.start.train, range(3))
    return explore.explore(Joins(settings, where, points, folder), how, heard or Heard(), stop or Stop(), store)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def one_by_one(tmp_path_factory, store):
    return joined(tmp_path_factory.mktemp("serial") / "a", store, changes=["holder=serial"])[0]


def same(one, other):
    assert one.paths
    assert [(way.one, way.other, way.folder) for way in one.paths] == [
        (way.one, way.other, way.folder) for way in other.paths
    ]
    np.testing.assert_array_equal(one.saddles, other.saddles)
    for way in one.paths:
        both = (storage.read_vectors(each.file.parent / way.folder)[0] for each in (one, other))
        np.testing.assert_array_equal(*both)


class Disturbed(Stop):
    """Acts once, when a path below `folder` has made some steps."""

    def __init__(self, folder, act):
        super().__init__()
        self.folder, self.act = folder, act

    def due(self, ahead):
        seen = [one for run in self.folder.glob("paths/*") if (one := glance(run)) is not None]
        if self.act is not None and any(50 <= one.moves < STEPS for one in seen):
            act, self.act = self.act, None
            act(self)
        return self.number is not None


def workers():
    found = []
    for each in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if "_carried" in " ".join(each.cmdline()):
                found.append(each)
    return found


def test_the_same_landscape_as_one_by_one(ray_cluster, tmp_path, store, one_by_one):
    heard = Heard()
    same(joined(tmp_path / "a", store, heard=heard)[0], one_by_one)
    assert any(line.startswith("joins ") for line in heard.lines)
    assert not any(line.startswith("path ") for line in heard.lines)


def test_a_worker_that_dies_and_a_stop(ray_cluster, tmp_path, store, one_by_one):
    killed = []

    def kill(stop):
        killed.extend(workers()[:1])
        killed[0].kill()

    same(joined(tmp_path / "a", store, Disturbed(tmp_path / "a", kill))[0], one_by_one)
    assert not killed[0].is_running()

    stop = Disturbed(tmp_path / "b", lambda stop: setattr(stop, "number", signal.SIGTERM))
    with pytest.raises(Interrupted, match="stopped by SIGTERM; what was found is kept"):
        joined(tmp_path / "b", store, stop)
    assert not workers()
    same(joined(tmp_path / "b", store)[0], one_by_one)


def test_settings_with_actors_go_one_by_one_on_these(ray_cluster, tmp_path, store, one_by_one):
    heard = Heard()
    same(
        joined(tmp_path / "a", store, heard=heard, changes=["holder={name: ray, actors: 2, gpus_per_actor: 0}"])[0],
        one_by_one,
    )
    assert sum(line.startswith("path ") for line in heard.lines) == 2


def test_one_that_fails_holds_up_none_and_is_tried_again(ray_cluster, tmp_path, store, one_by_one):
    (first, second) = (Path(way.folder) for way in one_by_one.paths)
    shutil.copytree(one_by_one.file.parent, tmp_path / "a")
    (tmp_path / "a" / "landscape.h5").unlink()
    shutil.rmtree(tmp_path / "a" / first)
    (tmp_path / "a" / first).write_text("a file where a folder is to be")
    landscape, failed = joined(tmp_path / "a", store)
    assert [way.folder for way in landscape.paths] == [str(second)]
    assert len(failed) == 1
    assert first.name in failed[0]
    (tmp_path / "a" / first).unlink()
    same(joined(tmp_path / "a", store)[0], one_by_one)
    assert file.read(tmp_path / "a").paths == one_by_one.paths
