"""What is said of a run: figures, warnings, the headline."""

import dataclasses
import io
import json
import re

import numpy as np
import pytest
from rich.console import Console

from pathsearch import report
from pathsearch.run.finish import finish, put, say

T = np.linspace(0.0, 1.0, 5)
LINE = np.array([0.0, 1.0, 1.6, 1.0, 0.0])


def profile(values, **more):
    return {"t": T, "arc_length": 2.0 * T, "loss": np.array(values), **{k: np.array(v) for k, v in more.items()}}


def having(run, path=None, line=None, state="finished", converged=False, optimizer=None, history=None):
    """A run with other profiles; without any, one that is under way."""
    groups = {name: arrays for name, arrays in run.groups.items() if not name.startswith("profiles/")}
    groups |= {f"profiles/{name}": arrays for name, arrays in (("path", path), ("linear", line)) if arrays is not None}
    if history is not None:
        groups["history"] = history
    return dataclasses.replace(
        run,
        state=state,
        groups=groups,
        position={**run.position, "converged": converged},
        config={**run.config, "optimizer": optimizer or {"name": "sgd", "lr": 100.0}},
        summary={**run.summary, "path_uncertainty": 0.0, "linear_uncertainty": 0.0},
    )


def saying(run, **summary):
    """A run whose file says more of itself."""
    return dataclasses.replace(run, summary={**run.summary, **summary})


def row(text, start):
    """The figures of a table's row that begins so."""
    (line,) = (line for line in text.splitlines() if line.strip().startswith(start))
    return re.split(r"\s{2,}", line.strip().removeprefix(start).strip())


def printed(run, capsys):
    say(run)
    return capsys.readouterr().out


def test_a_result_worse_than_the_line_says_so_everywhere(finished_run, capsys):
    run = having(finished_run, profile([0.0, 3.0, 47.0, 3.0, 0.0]), profile(LINE))
    shown = report.figures(run)
    assert shown["worse_than_line"] is True
    (said,) = shown["warnings"]
    assert "loss reaches 47 on it, 1.6 on the line. Try a smaller optimizer.lr (it was 100), or more steps" in said
    assert "neb: step budget used, no convergence claimed, worse than the straight line" in report.headline(shown)
    lines = printed(run, capsys).splitlines()
    assert "worse than the straight line" in lines[0]
    assert lines[-1] == f"warning: {said}"


def test_other_advice_for_a_search_that_converged_and_for_other_optimisers(finished_run):
    bad = profile([0.0, 3.0, 47.0, 3.0, 0.0]), profile(LINE)
    (said,) = report.warnings(having(finished_run, *bad, converged=True))
    assert "lr" not in said
    assert "more images" in said
    (said,) = report.warnings(having(finished_run, *bad, optimizer={"name": "lbfgs"}))
    assert "another optimizer, or more steps" in said


@pytest.mark.parametrize(
    ("path", "line", "worse"),
    [
        ([0.0, 0.1, 0.2, 0.1, 0.0], LINE, False),
        (LINE, LINE, False),
        (LINE * (1 + 1e-9), LINE, False),  # the same line, measured at other points
        ([2.0, 2.0, 2.0, 2.0, 2.0], [2.0] * 5, False),
        ([0.0, 0.0, 2.0, 0.0, 0.0], LINE, False),  # the line may reach 2.2 between its points
        ([0.0, 0.0, 2.3, 0.0, 0.0], LINE, True),
        ([0.0, np.nan, 0.1, 0.1, 0.0], LINE, True),
        ([0.0, 0.1, 0.1, 0.1, 0.0], [0.0, np.inf, 1.0, 1.0, 0.0], False),
        ([0.0, np.nan, 0.1, 0.1, 0.0], [0.0, np.inf, 1.0, 1.0, 0.0], None),
    ],
)
def test_worse_than_the_line_is_said_where_it_is_certain(path, line, worse, finished_run):
    assert report.worse_than_line(having(finished_run, profile(path), profile(line))) is worse


def test_the_loss_that_is_sought_decides(finished_run):
    """With weight decay, the loss without it may be worse than on the line."""
    flat = np.full(5, 5.0)
    path = profile([0.0] * 5, train_loss=[0.0, 1.0, 3.0, 1.0, 0.0], train_loss_l2=flat)
    line = profile([0.0] * 5, train_loss=LINE, train_loss_l2=flat + LINE)
    for arrays in (path, line):
        del arrays["loss"]
    run = having(finished_run, path, line)
    assert report.sought(run) == "train_loss_l2"
    assert report.worse_than_line(run) is False


def test_values_that_are_not_finite_are_said_and_are_null_in_json(finished_run, capsys):
    run = having(finished_run, profile([0.0, np.nan, 1.0, np.inf, 0.0]), profile(LINE))
    shown = report.figures(run)
    json.dumps(shown, allow_nan=False)
    assert shown["path"]["loss"]["max"] is None
    assert shown["warnings"][0] == "loss is not finite at 2 of 5 points of the path, first at t = 0.25"
    said = printed(run, capsys)
    assert "not finite" in said.split("warning")[0]
    assert "nan" not in said


def test_an_error_rate_that_does_not_exist_is_no_fault(finished_run, capsys):
    run = having(finished_run, profile(LINE / 2, test_error=[np.nan] * 5), profile(LINE, test_error=[np.nan] * 5))
    assert report.warnings(run) == []
    assert "not finite" not in printed(run, capsys)


def test_an_unfinished_run_tells_how_far_it_is(finished_run, capsys):
    run = having(finished_run, state="running")
    shown = report.figures(run)
    last = finished_run.groups["history"]["loss"][-1]
    assert shown["state"] == "interrupted"
    assert shown["worse_than_line"] is None
    assert shown["last_step"] == {"loss": last.max(), "barrier": last.max() - max(last[0], last[-1])}
    said = printed(run, capsys)
    assert f"{shown['step']} steps" in said
    assert "interrupted, at measuring" in said
    assert "highest loss of the last step kept -40.7 (barrier 67.5)" in said
    assert "path max" not in said


def test_a_run_of_which_no_step_is_kept_is_shown(finished_run, capsys):
    empty = {name: values[:0] for name, values in finished_run.groups["history"].items()}
    run = having(finished_run, state="running", history=empty)
    assert report.figures(run)["last_step"] == {"loss": None, "barrier": None}
    assert "interrupted" in printed(run, capsys)


def test_a_path_in_its_plane_is_no_way_off_it(finished_run):
    assert report.figures(finished_run)["off_plane"]["max"] == pytest.approx(0.0, abs=1e-6)
    assert report.figures(having(finished_run))["off_plane"] is None


def test_a_picture_that_fails_does_not_hide_the_table(blank, finished_run, tmp_path, capsys):
    run = dataclasses.replace(finished_run, file=tmp_path / "gone" / "path.h5")
    finish(run)
    out, err = capsys.readouterr()
    assert "path max" in out
    assert err.startswith("pathsearch: cannot write")
    assert err.count("\n") == 1


def test_names_are_printed_as_they_are(finished_run, capsys):
    odd = {"loss": LINE / 2, "t": T, "arc_length": T, "[/red]:smile:": LINE}
    run = having(finished_run, odd, odd)
    assert "[/red]:smile:" in printed(run, capsys)


RISING = np.array([0.9, 0.7, 0.5, 0.7, 0.8])
TOP5 = {"top5": {"higher": True, "share": True}, "perplexity": {"higher": False, "share": False}}


def test_where_more_is_better_the_least_counts(finished_run, capsys):
    """The barrier is the lower end minus the least; the line's is known as well."""
    path = profile(LINE / 2, test_top5=RISING, test_perplexity=1000 * LINE)
    line = profile(LINE, test_top5=RISING / 2, test_perplexity=LINE)
    run = saying(having(finished_run, path, line), described=TOP5)
    found = report.figures(run)["path"]
    top5 = {name: found["test_top5"][name] for name in ("start", "end", "min", "max", "barrier", "t_min")}
    assert top5 == pytest.approx({"start": 0.9, "end": 0.8, "min": 0.5, "max": 0.9, "barrier": 0.3, "t_min": 0.5})
    higher = {name: each["higher_is_better"] for name, each in found.items() if isinstance(each, dict)}
    assert higher == {"loss": False, "test_top5": True, "test_perplexity": False}
    text = printed(run, capsys)
    assert row(text, "test top5 (least)") == ["90.00 %", "80.00 %", "25.00 %", "15.00 %", "50.00 %", "30.00 %"]
    assert row(text, "test perplexity") == ["0", "0", "1.6", "1.6", "1600", "1600"]


@pytest.mark.parametrize(("metric", "least"), [("error", ""), ("accuracy", " (least)")])
def test_files_that_do_not_describe_their_metrics_have_these_by_name(metric, least, finished_run, capsys):
    run = having(finished_run, *(profile(LINE, **{f"train_{metric}": RISING}) for _ in range(2)))
    assert "described" not in run.summary
    worst = ["50.00 %", "30.00 %"] if least else ["90.00 %", "0.00 %"]
    assert row(printed(run, capsys), f"train {metric}{least}") == ["90.00 %", "80.00 %", *worst, *worst]


def test_a_metric_that_is_no_share_is_missed_where_it_is_not_finite(finished_run):
    run = having(finished_run, profile(LINE / 2, test_perplexity=[np.nan] * 5), profile(LINE))
    assert report.warnings(saying(run, described=TOP5)) == [
        "test perplexity is not finite at 5 of 5 points of the path, first at t = 0"
    ]


COUNTS = {
    "measured on 5,000 of 50,000 training and 1,000 of 10,000 test examples": (5000, 50000, 1000, 10000),
    "measured on 5,000 of 50,000 training and all 1,000 test examples": (5000, 50000, 1000, 1000),
    "": (5000, 5000, 1000, 1000),
}


@pytest.mark.parametrize("said", COUNTS)
def test_a_part_of_the_data_is_said_wherever_figures_are(said, finished_run):
    counts = dict(zip(("train", "train_of", "test", "test_of"), COUNTS[said]))
    run = saying(having(finished_run, profile(LINE), profile(LINE)), measured=counts)
    shown = report.figures(run)
    assert shown["measured"] == counts
    assert shown["measured_on"] == (said or None)
    minimum = saying(run, minimum={"train_loss": 1.0})
    tables = [report.table(run), report.table(minimum), report.minima_table({"a": minimum, "b": minimum})]
    assert [table.caption for table in tables] == [said or None] * 3
    assert report.figures(finished_run)["measured_on"] is None


@pytest.mark.parametrize("width", [100, 60])
def test_no_name_is_so_long_that_numbers_are_cut_off(width, finished_run):
    """Names are put in lines; where figures alone are wider than the terminal, the table is."""
    long = {f"{split}_{name}": RISING for split in ("train", "test") for name in ("x" * 50, "much_too_long_" * 4)}
    run = having(finished_run, profile(LINE, **long), profile(LINE, **long))
    minimum = saying(run, minimum={name: -1234.5 for name in long})
    for table, number in ((report.table(run), "0.9"), (report.minima_table({"a-minimum": minimum}), "-1234.5")):
        out = Console(file=io.StringIO(), width=width)
        put(table, out)
        text = out.file.getvalue()
        assert "…" not in text
        assert text.count(number) >= 4
        assert max(len(line) for line in text.splitlines()) <= 100


ALIGNED = {
    "end aligned with start by weights: 1,500 of 2,000 units in 3 of 4 groups moved, distance 18.2 → 12.8, the "
    "straight line's barrier 0.334 → 0.0147": {},
    "end left as it came: aligned with start by weights it is no better, 1,500 of 2,000 units in 3 of 4 groups moved, "
    "distance 18.2 → 12.8, the straight line's barrier 0.334 → 0.4": {
        "identity": True,
        "barrier": {"before": 0.334, "after": 0.4},
    },
    "end left as it came: no permutation of units is better by weights; the straight line's barrier is 0.334": {
        "identity": True,
        "moved": {"groups": 0, "units": 0},
        "barrier": {"before": 0.334, "after": 0.334},
    },
    "through.0 aligned with start by weights: 1,500 of 2,000 units in 3 of 4 groups moved, distance 18.2 → 12.8, the "
    "straight line's barrier not finite → 0.01": {"side": "through.0", "barrier": {"before": np.nan, "after": 0.01}},
}


@pytest.mark.parametrize("said", ALIGNED)
def test_what_alignment_came_to_is_a_line(said, finished_run):
    point = {
        "side": "end",
        "distance": {"before": 18.169, "after": 12.795},
        "barrier": {"before": 0.334, "after": 0.0147},
        "moved": {"groups": 3, "units": 1500},
        "identity": False,
        **ALIGNED[said],
    }
    whole = {"how": {"name": "weights"}, "groups": 4, "units": 2000, "sides": [point]}
    assert report.aligned(point, whole) == said
    shown = report.figures(dataclasses.replace(finished_run, alignment=whole))
    json.dumps(shown["alignment"], allow_nan=False)
