"""Records that are damaged, or none: each is told of in a row or line of its own, and hides no other."""

import json
import os
import random
import shutil
import sys
from dataclasses import asdict, replace

import pytest

from pathsearch.errors import PathsearchError
from pathsearch.jobs import registry
from pathsearch.jobs.listing import cancel, facts, forget, show, wanted
from pathsearch.jobs.logs import print_log
from pathsearch.jobs.process import identity
from pathsearch.jobs.records import Attempt, Record, submitted, write
from pathsearch.jobs.resubmit import again
from pathsearch.run.config import load

DAMAGED = 220
ATTEMPT = Attempt("7", 0, "h", 1, 1, 0, 6.0, 3606.0, 0, "failed", "why", 2)
VALUES = [None, True, -1, 0, 1.5, 1e300, 10**30, float("nan"), "", "x", "a\nb", "\0", "\ud800", [], [1], {}, {"a": []}]
VALUES += ["-u root", "../..", "/", {"endpoints": 3}, {"endpoints": {"start": {"run": "x" * 300}, "through": 1}}]


@pytest.fixture
def good(tmp_path, monkeypatch):
    """Records of two runs between which others are to be damaged: of SLURM, and of this machine."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("PATH", str(tmp_path / "no SLURM"))
    monkeypatch.chdir(tmp_path)
    settings, folder = load("two-modes", [])
    config, here = settings.model_dump(mode="json"), str(tmp_path)
    slurm = Record("slurm", config, str(folder), here, 5.0, {"nodes": 1}, "7", f"{here}/jobs/7_0_log.out", "h", "two")
    local = replace(slurm, cluster="local", job="8", host=os.uname().nodename, boot="b", started=3.0)
    for name, kept in (("aaa", slurm), ("zzz", local)):
        submitted(tmp_path / name, kept)
        write(tmp_path / name / "jobs" / "attempt-7-0.json", ATTEMPT)
    return slurm, local


def told(capsys):
    """The table of all runs, by folder; their facts are JSON."""
    found = wanted(None)
    json.dumps([facts(one) for one in found])
    show(found)
    return {one.run.name: one for one in found}, capsys.readouterr().out


def mutated(text, rng):
    """The text of a record or attempt with bytes, keys or values of it changed."""
    kind = rng.randrange(5)
    if kind == 0:
        return text[: rng.randrange(len(text))].encode()
    if kind == 1:
        data = bytearray(text.encode())
        for _ in range(rng.randint(1, 8)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        return bytes(data)
    if kind == 2:
        return rng.choice([b"", b"[]", b"3", b"null", b'"x"', b"\xff\xfe{", b"[" * 100_000, b'{"cluster": 1}'])
    values = json.loads(text)
    key = rng.choice(sorted(values))
    if kind == 3:
        del values[key]
    else:
        values[key] = rng.choice(VALUES)
    return json.dumps(values).encode()


def test_damaged_records_hide_no_run(tmp_path, good, capsys):
    rng = random.Random(0)
    for n in range(DAMAGED):
        run, kept = tmp_path / f"run{n:03}", good[n % 2]
        submitted(run, kept)
        write(run / "jobs" / "attempt-7-0.json", ATTEMPT)
        file = run / "job.json" if n % 3 else run / "jobs" / "attempt-7-0.json"
        file.write_bytes(mutated(file.read_text(), rng))
    found, out = told(capsys)
    assert len(found) == DAMAGED + 2
    damaged = [one for one in found.values() if "is damaged: move it away" in " ".join((one.says, *one.faults))]
    assert DAMAGED / 2 < len(damaged) < DAMAGED  # some changes make another record that is as good
    for name in found:
        assert name in out
    assert (found["aaa"].state, found["aaa"].says) == ("FAILED", "why")
    assert found["zzz"].state == "LOST"
    for one in damaged:
        if one.record.job is None:
            with pytest.raises(PathsearchError, match=r"not cancelled, .* is damaged"):
                cancel(one)
    # what is fit goes again, but where there is no SLURM
    with pytest.raises(PathsearchError, match="no SLURM here"):
        again([one for one in found.values() if one.record.cluster != "local"])


def test_what_lies_in_the_registry_and_names_no_run(tmp_path, good, capsys):
    place = registry.place()
    (place / "folder").mkdir()
    (place / "binary").write_bytes(b"\xff\x00\x01")
    (place / "empty").touch()
    (place / "relative").write_text("some/where")
    (place / "huge").write_bytes(b"/" * 10**6)
    os.mkfifo(place / "pipe")
    (place / "loop").symlink_to(place / "loop")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (place / "run in a loop").write_text(str(tmp_path / "loop"))
    (place / "gone").write_text(str(tmp_path / "gone"))
    found, out = told(capsys)
    names = {"folder", "binary", "empty", "relative", "huge", "pipe"}
    assert found.keys() == {"aaa", "zzz", "loop", *names}
    for name in names:
        assert found[name].state == "UNKNOWN"
        assert "it names no run" in found[name].says
        assert f"pathsearch forget {place / name}" in out
        assert "left out" in forget(place / name)[0]
    forget(place / "loop")
    assert told(capsys)[0].keys() == {"aaa", "zzz", "loop"}
    assert forget(tmp_path / "loop") == ["loop: left out of the table"]
    assert told(capsys)[0].keys() == {"aaa", "zzz"}


def test_job_json_is_something_else(tmp_path, good, capsys):
    def folder(file):
        file.mkdir()

    kinds = {"folder": folder, "pipe": os.mkfifo, "huge": lambda file: file.touch()}
    kinds["attempt"] = kinds["folder"]
    for name, make in kinds.items():
        submitted(tmp_path / name, good[0])
        file = tmp_path / name / ("job.json" if name != "attempt" else "jobs/attempt-7-0.json")
        file.parent.mkdir(exist_ok=True)
        file.unlink(missing_ok=True)
        make(file)
    os.truncate(tmp_path / "huge" / "job.json", 1 << 40)
    found, out = told(capsys)
    assert found.keys() == {"aaa", "zzz", *kinds}
    for name in ("folder", "pipe", "huge"):
        assert f"{name}/job.json is damaged: move it away, and submit the run again to go on (" in out
    assert "attempt/jobs/attempt-7-0.json is damaged: move it away (" in out
    with pytest.raises(PathsearchError, match=r"job\.json is damaged"):
        print_log(tmp_path / "pipe", False)


@pytest.mark.skipif(os.getuid() == 0, reason="root reads everything")
def test_a_record_that_may_not_be_read(tmp_path, good, capsys):
    (tmp_path / "aaa" / "job.json").chmod(0)
    assert "aaa/job.json is damaged" in told(capsys)[1]


def test_runs_are_forgotten_but_not_those_under_way(tmp_path, good, capsys):
    shutil.rmtree(tmp_path / "aaa")
    assert told(capsys)[0].keys() == {"zzz"}
    assert forget(tmp_path / "zzz") == ["zzz: left out of the table, its folder stays"]
    assert forget(tmp_path / "zzz") == ["zzz: was not in the table, its folder stays"]
    assert told(capsys)[0] == {}
    assert (tmp_path / "zzz" / "job.json").exists()
    boot, started = identity(os.getpid())
    submitted(tmp_path / "zzz", replace(good[1], job=str(os.getpid()), boot=boot, started=started))
    with pytest.raises(PathsearchError, match="zzz: not forgotten, it is PENDING; `pathsearch cancel` ends it"):
        forget(tmp_path / "zzz")
    with pytest.raises(PathsearchError, match="was not submitted"):
        forget(tmp_path / "nowhere")


def test_a_folder_of_any_name_is_known(tmp_path, good, capsys):
    run = tmp_path / os.fsdecode(b"caf\xe9")
    run.mkdir()
    submitted(run, good[0])
    found, out = told(capsys)
    assert run.name in found
    assert "caf?" in out


def test_one_that_cannot_be_submitted_again_keeps_no_other_from_it(tmp_path, good, monkeypatch, capsys):
    bad = replace(good[0], config={"objective": 3})
    submitted(tmp_path / "bad", bad)
    submitted(tmp_path / "worse", replace(good[0], profile={"nodes": "many"}))
    sbatch = tmp_path / "no SLURM" / "sbatch"
    sbatch.parent.mkdir()
    for name, text in {"sbatch": "echo Submitted batch job 4711", "srun": "", "squeue": "", "scontrol": ""}.items():
        (sbatch.parent / name).write_text(f"#!{sys.executable}\nprint('{text.removeprefix('echo ')}')\n")
        (sbatch.parent / name).chmod(0o755)
    again([one for one in wanted(None) if one.record.cluster != "local"])
    said = capsys.readouterr()
    assert said.out == "job 4711: run in aaa\n"
    assert "pathsearch: left out bad: " in said.err
    assert "pathsearch: left out worse: " in said.err
    assert "again aaa, FAILED: why" in said.err
    assert asdict(wanted([tmp_path / "bad"])[0].record) == asdict(bad)
