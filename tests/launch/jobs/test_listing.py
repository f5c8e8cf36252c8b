"""The table of jobs."""

from pathsearch.launch.jobs.listing import show
from pathsearch.launch.jobs.records import Record
from pathsearch.launch.jobs.states import Status


def test_a_narrow_terminal_cuts_no_name(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "40")
    runs = [tmp_path / f"{'long' * 30}-{k}" for k in range(2)]
    show([Status(run, Record("slurm", {}, "", "", 0.0, job="12345678_9"), "COMPLETED", "", None, 0, 1) for run in runs])
    said = capsys.readouterr().out
    for row, run in zip(said.splitlines()[3:], runs):
        assert row.split() == ["12345678_9", "COMPLETED", "–", "–", "–", "–", "–", str(run)]
