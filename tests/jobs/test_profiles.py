"""Cluster profiles: files, options over them, times."""

import pytest

from pathsearch.errors import PathsearchError
from pathsearch.jobs.profiles import load, minutes


@pytest.mark.parametrize(
    ("said", "found"),
    [("90", 90), ("1:30", 2), ("2:00:00", 120), ("0:0:1", 1), ("1-0", 1440), ("1-2:30", 1590), ("1-0:0:1", 1441)],
)
def test_times_as_sbatch_takes_them(said, found):
    assert minutes(said) == found


@pytest.mark.parametrize("said", ["", "soon", "1h", "-5", "1:2:3:4", "0"])
def test_what_is_no_time(said):
    with pytest.raises(ValueError, match="time"):
        minutes(said)


def test_options_stand_over_the_file(tmp_path, monkeypatch):
    (tmp_path / "slurm").mkdir()
    (tmp_path / "slurm" / "gpu.yaml").write_text("partition: gpu\ngpus_per_node: 4\ncpus_per_gpu: 3\ntime: 120\n")
    monkeypatch.chdir(tmp_path)
    found = load("gpu", {"gpus_per_node": 2, "partition": None, "nodes": 3})
    assert (found.partition, found.gpus_per_node, found.nodes, found.cpus) == ("gpu", 2, 3, 6)
    assert found.gpu_hours == 12.0
    assert load("slurm/gpu.yaml", {}).gpus_per_node == 4
    assert load(None, {}).partition is None


def test_a_profile_of_the_users_own(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "pathsearch").mkdir()
    (tmp_path / "pathsearch" / "mine.yaml").write_text("account: us\n")
    assert load("mine", {}).account == "us"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "partitoin: gpu",
            r"p.yaml: partitoin: no such option \(did you mean 'partition'\?\): there are partition",
        ),
        ("nodes: 0", "p.yaml: nodes: give a whole number at least 1"),
        ("time: soon", "p.yaml: time: 'soon' is no time"),
        ("time: 2", "p.yaml: time: all of it is the 120 s of `warning`"),
        ("- a\n- b", "not a mapping"),
        ("a: [", "p.yaml: "),
    ],
)
def test_bad_profiles_are_one_line(tmp_path, text, says):
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(PathsearchError, match=says) as raised:
        load(str(tmp_path / "p.yaml"), {})
    assert "\n" not in str(raised.value)


def test_a_profile_nobody_knows_says_where_was_looked():
    with pytest.raises(PathsearchError, match=r"no cluster profile 'nowhere': looked for slurm/nowhere.yaml"):
        load("nowhere", {})
