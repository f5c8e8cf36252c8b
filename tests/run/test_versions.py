"""Who wrote to a file."""

import pytest

from pathsearch import storage
from pathsearch.errors import HolderLost, Interrupted
from pathsearch.run import versions
from tests.runs import Heard, carried_out

RUN = ("two-modes", "measure={points: 3, plane: 0}", "optimizer={name: sgd}", "tolerance=null", "steps=6")


def test_a_process_enters_itself_once_and_leaves_the_earlier_ones(tmp_path, monkeypatch):
    """However many checkpoints it writes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    with pytest.raises(Interrupted):
        carried_out(*RUN, "checkpoint.steps=1", out="x", stop_at=3)
    first = storage.read("x")
    (one,) = first.writers
    assert one.keys() == {"when", "host", "device", "job", "origin", "versions", "device_seconds"}
    assert (one["device"], one["job"]) == ("cpu", None)
    assert (first.origin, first.versions) == (versions.origin(), versions.versions())
    monkeypatch.setenv("SLURM_JOB_ID", "71")
    monkeypatch.setattr(versions, "origin", lambda: "host b, slurm job 71")
    found = carried_out(*RUN, "checkpoint.steps=1", out="x")
    assert found.writers[0] == one
    assert [entry["job"] for entry in found.writers] == [None, "71"]
    assert found.origin == "host b, slurm job 71"
    assert carried_out(*RUN, out="x").writers == found.writers  # a finished run is looked at


def test_a_process_that_lost_its_vectors_and_goes_on_is_the_same(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lost = []

    def lose(moves):
        if moves == 3 and not lost:
            lost.append(moves)
            raise HolderLost("an actor is gone")

    found = carried_out(*RUN, "checkpoint.steps=1", out="x", watcher=Heard(at=lose))
    assert lost == [3]
    assert len(found.writers) == 1
