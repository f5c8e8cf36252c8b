"""Who wrote to a file."""

import pytest

from pathsearch import storage
from pathsearch.errors import Interrupted
from pathsearch.run import versions
from tests.runs import carried_out

RUN = ("two-modes", "measure={points: 3, plane: 0}", "optimizer={name: sgd}", "tolerance=null", "steps=6")


def test_a_process_enters_itself_once_and_leaves_the_earlier_ones(tmp_path, monkeypatch):
    """However many checkpoints it writes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    with pytest.raises(Interrupted):
        carried_out(*RUN, "checkpoint.steps=1", out="x", stop_at=3)
    first = storage.read("x")
    (one,) = first.writers
    assert one.keys() == {"when", "host", "device", "job", "origin", "versions"}
    assert (one["device"], one["job"]) == ("cpu", None)
    assert (first.origin, first.versions) == (versions.origin(), versions.versions())
    monkeypatch.setenv("SLURM_JOB_ID", "71")
    monkeypatch.setattr(versions, "origin", lambda: "host b, slurm job 71")
    found = carried_out(*RUN, "checkpoint.steps=1", out="x")
    assert found.writers[0] == one
    assert [entry["job"] for entry in found.writers] == [None, "71"]
    assert found.origin == "host b, slurm job 71"
    assert carried_out(*RUN, out="x").writers == found.writers  # a finished run is looked at
