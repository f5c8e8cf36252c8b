"""Groups in a table: columns, published rows below them, every format; and the command."""

import csv
import dataclasses
import io
import json
import math
import shutil

import numpy as np
import pytest
from rich.console import Console

from pathsearch.comparing import columns, formats, groups
from pathsearch.comparing.published import Published, papers
from pathsearch.run.finish import put
from tests.commands import pathsearch
from tests.comparing.runs import BEZIER, OLD, having, named
from tests.runs import carried_out

AUTONEB = {
    "objective__model": {"name": "resnet20"},
    "objective__data": {"name": "cifar10", "root": "data"},
    "method": {"name": "autoneb"},
}


def published_size(runs):
    """The runs, as of a network with as many weights as the papers' ResNet-20."""
    return {name: dataclasses.replace(run, shape=(run.shape[0], 272_474)) for name, run in runs.items()}


def sheet_of(runs, rows=()):
    found = groups.groups(runs)
    return columns.sheet(found, [groups.published(group, rows) for group in found])


def test_published_figures_stand_below_the_group_they_fit(kept):
    runs = named(having(kept, "a", **AUTONEB), having(kept, "b", **{**AUTONEB, "method": BEZIER}))
    assert len(sheet_of(runs, papers()).rows) == 2  # a network of another size
    sheet = sheet_of(published_size(runs), papers())
    ours, theirs, other = (dict(zip(sheet.heads, cells)) for _, cells in sheet.rows)
    assert [name[0] for name, _ in sheet.rows] == ["method=autoneb", "published: Draxler et al. 2018", "method=bezier"]
    assert ours["train loss", "mean of ends"] == other["train loss", "mean of ends"] == ("2",)
    assert theirs["train loss", "mean of ends"] == ("0.0162", "± 0.0009")
    assert theirs["train loss", "max"] == ("0.0324", "± 0.0033")
    assert theirs["test error", "max"] == ("–",)
    as_folder = {**AUTONEB, "objective__data": {"name": "folder", "root": "/data/cifar10-jpeg"}}
    assert len(sheet_of(published_size(named(having(kept, "a", **as_folder))), papers()).rows) == 2
    aligned = having(kept, "a", endpoints={**kept.config["endpoints"], "align": "weights"}, **AUTONEB)
    assert len(sheet_of(published_size(named(aligned)), papers()).rows) == 1
    as_other = {**AUTONEB, "objective__data": {"name": "cifar100", "root": "data"}}
    assert len(sheet_of(published_size(named(having(kept, "a", **as_other))), papers()).rows) == 1


def aiming(kept, name, reached, gradients, **options):
    """A run with a goal, looked at once."""
    goal = {"barrier": 0.5, "metric": None, "every": 10, "points": 13, "examples": None}
    run = having(kept, name, until=goal, **options)
    looks = {"stage": [0], "step": [10], "moves": [10], "evaluations": [gradients], "points": [13], "train_loss": [0.4]}
    summary = {**run.summary, "stages": ["neb"], **({"reached": {"metric": "train_loss"}} if reached else {})}
    groups = {**run.groups, "looks": {key: np.array(each) for key, each in looks.items()}}
    return dataclasses.replace(run, groups=groups, summary=summary)


def test_gradients_to_a_goal_are_a_column(kept):
    some = aiming(kept, "a", True, 30), aiming(kept, "b", False, 50, seed=1)
    assert [cells[-1] for _, cells in sheet_of(named(*some)).rows] == [("1 of 2", "reached")]
    runs = aiming(kept, "a", True, 30), aiming(kept, "b", True, 50, seed=1), aiming(kept, "c", False, 90, method=BEZIER)
    sheet = sheet_of(named(*runs, having(kept, "d")))
    assert sheet.heads[-1] == ("gradients to goal",)
    assert [cells[-1] for _, cells in sheet.rows] == [("40", "± 14"), ("not reached",), ("–",)]
    assert ("gradients to goal",) not in sheet_of(named(having(kept, "d"))).heads


def test_losses_with_weight_decay_stand_beside_those_alone(kept):
    """Garipov et al. give the loss with L2: it is no figure of the loss without."""
    row = Published("A paper", "Table 1", {"data": ["random"]}, {"train_loss_l2.max": (0.49, None)})
    run = having(kept)
    along = run.groups["profiles/path"]
    run = dataclasses.replace(
        run, groups={**run.groups, "profiles/path": {**along, "train_loss_l2": along["train_loss"] + 1}}
    )
    ours, theirs = (dict(zip(sheet.heads, cells)) for sheet in [sheet_of(named(run), [row])] for _, cells in sheet.rows)
    assert (ours["train loss", "max"], theirs["train loss", "max"]) == (("5",), ("–",))
    assert (ours["train loss + L2", "max"], theirs["train loss + L2", "max"]) == (("6",), ("0.49",))


def test_the_papers_figures_are_read_as_shares_with_their_ends():
    wanted = {"objective.model.name": "preresnet164", "objective.loss": "cross_entropy", "method.bends": 1}
    wanted["objective.weight_decay"] = 3e-4
    asked = {**wanted, "method.name": "polygon"}
    (row,) = (each for each in papers() if each.beside(asked, "cifar100", 1_726_388))
    assert not any(each.beside(asked, "cifar100", 1_703_258) for each in papers())
    assert not any(each.beside({**asked, "objective.weight_decay": 0.0}, "cifar100", 1_726_388) for each in papers())
    assert (row.paper, row.place) == ("Garipov et al. 2018", "README of their code, CIFAR-100")
    assert row.figures["train_loss_l2.min"] == (0.30, None)
    assert row.figures["test_error.max"] == (0.236, None)
    assert row.figures["test_error.ends"][0] == pytest.approx(0.2165)
    assert not any(each.beside({**asked, "method.bends": 3}, "cifar100", 1_726_388) for each in papers())
    assert len(papers()) == 13


def test_values_that_are_not_finite_are_said_and_shares_that_do_not_exist_are_left_out(kept):
    odd = [having(kept, name, path=(0.0, math.nan, 1.0), error=(math.nan,) * 3, seed=n) for n, name in enumerate("ab")]
    sheet = sheet_of(named(*odd))
    ((_, cells),) = sheet.rows
    assert dict(zip(sheet.heads, cells))["train loss", "max"] == ("not finite",)
    assert not any(head[0] == "test error" for head in sheet.heads)


def wide(kept):
    """Runs whose every number is as long as numbers get."""
    losses = [np.array([1.234e-5, 9.876e-4, 2.345e-4]) * (1 + n / 9) for n in range(3)]
    error = (0.2311, 0.4522, 0.1234)
    return [
        having(kept, f"{kind}{n}", losses[n], np.array(error) * (1 + n / 9), seed=n, objective__weight_decay=decay)
        for kind, decay in {"less": 1e-4, "more": 1e-3}.items()
        for n in range(3)
    ]


@pytest.mark.parametrize("published", [False, True])
def test_text_fits_into_a_hundred_columns(published, kept):
    row = Published("Some Long-Name et al. 2018", "supplement, table 2", {"data": ["random"]}, {})
    out = Console(file=io.StringIO(), width=100)
    put(formats.text(sheet_of(named(*wide(kept)), [row] if published else []), 20), out)
    lines = out.file.getvalue().splitlines()
    assert max(map(len, lines)) <= 100
    assert any(line.startswith("weight_decay=0.0001") for line in lines)
    assert any("0.0011" in line and "0.00011" not in line for line in lines)  # 9.876e-4 · (9 + 10 + 11) / 27
    assert any("±0.00011" in line for line in lines)  # 9.876e-4 / 9
    assert "…" not in out.file.getvalue()


def test_the_lines_barrier_stands_beside_the_paths(kept):
    found = groups.groups(named(having(kept, "a")))
    sheet = sheet_of(named(having(kept, "a")))
    ((_, cells),) = sheet.rows
    (line,) = dict(zip(sheet.heads, cells))["line", "barrier"]
    wanted = found[0].spreads()["line.train_loss.barrier"].mean
    assert float(line) == pytest.approx(wanted, rel=1e-2)
    assert any("line: the straight one" in note for note in sheet.notes)


def many(kept):
    """Runs that differ in more than a name has room for."""
    return [
        having(kept, f"{n}{seed}", seed=seed, steps=100 + n, objective__weight_decay=0.1**n, objective__batch=n)
        for n in (1, 2)
        for seed in (0, 1)
    ]


def test_a_name_that_is_long_is_a_number_and_stands_below(kept):
    sheet = sheet_of(named(*many(kept)))
    assert [name for name, _ in sheet.rows] == [("1", "n = 2"), ("2", "n = 2")]
    assert sheet.notes[:2] == [
        "1: objective.batch=1, objective.weight_decay=0.1, steps=101",
        "2: objective.batch=2, objective.weight_decay=0.01, steps=102",
    ]
    found = groups.groups(named(*many(kept)))
    whole = columns.sheet(found, [[], []], longest=None)
    assert [name[:-1] for name, _ in whole.rows] == [
        ("batch=1", "weight_decay=0.1", "steps=101"),
        ("batch=2", "weight_decay=0.01", "steps=102"),
    ]
    assert [row[0] for row in columns.csv_rows(found, [[], []])[1:]] == [note[3:] for note in sheet.notes[:2]]


def test_words_of_a_name_are_those_that_tell_it_apart(kept):
    two = having(kept, "b", objective__model__args={"width": 5, "depth": 1}, optimizer__lr=0.5)
    assert [name[:-1] for name, _ in sheet_of(named(having(kept, "a"), two)).rows] == [
        ("width=4", "lr=0.05"),
        ("width=5", "lr=0.5"),
    ]
    ends = having(kept, "c", endpoints__start__train__steps=7, steps=5)
    sheet = sheet_of(named(having(kept, "a"), ends))
    assert [name[0] for name, _ in sheet.rows] == ["1", "2"]  # two options of one name keep their keys


SHEET = formats.Sheet(
    heads=[("train loss", "min"), ("train loss", "max"), ("test error", "max"), ("gradients",)],
    rows=[(("a_b=50 %|#1", "n = 3"), [("1.2e-05", "± 3e-06"), ("not finite",), ("4.76 %", "± 0.1 %"), ("–",)])],
    notes=["100 % sure"],
)


def test_latex_has_rules_of_booktabs_and_escapes():
    assert formats.latex(SHEET).splitlines() == [
        "% 100 % sure",
        r"\begin{tabular}{lrrrr}",
        r"\toprule",
        r" & \multicolumn{2}{c}{train loss} & \multicolumn{1}{c}{test error} & \multicolumn{1}{c}{} \\",
        r"\cmidrule(lr){2-3}\cmidrule(lr){4-4}",
        r" & min & max & max & gradients \\",
        r"\midrule",
        r"a\_b=50 \%|\#1, n = 3 & $1.2 \cdot 10^{-5} \pm 3 \cdot 10^{-6}$ & not finite & "
        r"$4.76\,\% \pm 0.1\,\%$ & -- \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]
    assert formats.escape("\\~^{}&$") == r"\textbackslash{}\textasciitilde{}\textasciicircum{}\{\}\&\$"


def test_markdown_has_a_row_a_line():
    assert formats.markdown(SHEET).splitlines() == [
        "|  | train loss min | train loss max | test error max | gradients |",
        "|---|--:|--:|--:|--:|",
        r"| a_b=50 %\|#1, n = 3 | 1.2e-05 ± 3e-06 | not finite | 4.76 % ± 0.1 % | – |",
        "",
        "100 % sure",
    ]


def test_csv_has_every_figure_with_all_its_digits(kept):
    third = having(kept, "c", path=(0.0, 1 / 3, 0.1), method=BEZIER)
    found = groups.groups(named(having(kept, "a"), having(kept, "b", path=(0.0, 0.7, 0.1), seed=1), third))
    head, *rows = columns.csv_rows(found, [[], []])
    neb, bezier = (dict(zip(head, row)) for row in rows)
    assert (neb["group"], neb["n"], neb["runs"], neb["seed"]) == ("method=neb", "2", "a;b", "0;1")
    assert neb["endpoints.end.train.seed"] == "1;1"
    assert neb["train_loss.max values"] == "5.0;0.7"
    assert float(neb["train_loss.max sd"]) == pytest.approx(4.3 / math.sqrt(2))
    assert (float(bezier["train_loss.max"]), bezier["train_loss.max sd"]) == (1 / 3, "")
    assert "line.test_loss.barrier_over_interpolation" in head
    assert len(set(head)) == len(head)


NETWORK = """
objective:
  name: network
  model: {name: mlp, args: {width: 4, depth: 1}}
  data: {name: random, shape: [1, 2, 3], examples: 40}
  batch: 10
  weight_decay: 1.0e-4
endpoints:
  start: {train: {seed: 0, steps: 12}}
  end: {train: {seed: 1, steps: 8}}
method: {name: neb, images: 3}
optimizer: {name: sgd, lr: 0.05, momentum: 0.9}
steps: 10
measure: {points: 5, plane: 0}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What a user has: an earlier program's run, one of the same configuration with another seed, others."""
    where = tmp_path_factory.mktemp("compare")
    (where / "network.yaml").write_text(NETWORK)
    carried_out(where / "network.yaml", "seed=5", out=where / "new")
    for name in ("network-finished", "network-interrupted", "muller-brown-finished", "two-modes-older"):
        (where / name).mkdir()
        shutil.copy(OLD / f"{name}.h5", where / name / "path.h5")
    (where / "text.h5").write_text("no run")
    return where


def test_an_earlier_programs_run_and_a_new_one_are_a_group(folder):
    """The command from beginning to end: its numbers are those of `show`."""
    said = pathsearch("compare", "network-finished", "new/path.h5", "--format", "csv", cwd=folder).stdout
    (row,) = csv.DictReader(io.StringIO(said))
    shown = [
        json.loads(pathsearch("show", name, "--json", cwd=folder).stdout)["path"]["train_loss"]
        for name in ("network-finished", "new")
    ]
    assert (row["n"], row["seed"], row["runs"]) == ("2", "0;5", "network-finished;new/path.h5")
    for name in ("max", "barrier", "barrier_over_interpolation", "midpoint_over_mean"):
        assert [float(value) for value in row[f"train_loss.{name} values"].split(";")] == [each[name] for each in shown]
    text = pathsearch("compare", "network-finished", "new", cwd=folder).stdout
    assert "method=neb" in text
    assert "n = 2" in text
    assert max(map(len, text.splitlines())) <= 100


def test_a_surface_has_its_own_loss(folder):
    text = pathsearch("compare", "muller-brown-finished", "--format", "markdown", cwd=folder).stdout
    assert text.startswith("|  | loss min | loss max | loss mean | loss barrier | line barrier | length over")
    assert "| method=neb, n = 1 |" in text


REFUSED = {
    "no such table": (
        ["new", "--against", "paper"],
        "no published figures 'paper' (did you mean 'papers'?): there are papers",
    ),
    "no such format": (["new", "--format", "tex"], "no format 'tex'"),
    "not finished": (["new", "network-interrupted"], "not measured yet: network-interrupted (unfinished)"),
    "an older one": (["two-modes-older"], "not measured yet: two-modes-older (unfinished)"),
    "no run": (["new", "text.h5"], "text.h5"),
    "nothing there": (["new", "nowhere"], "no nowhere: name a run's folder or its path.h5"),
    "twice": (["new", "new"], "new is named twice: name it once"),
    "twice by another name": (["new", "new/path.h5"], "new and new/path.h5 are the same run: name it once"),
    "another objective": (
        ["new", "muller-brown-finished"],
        "muller-brown-finished has another loss than new: objective.name is muller-brown, not network",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_command_that_cannot_be_carried_out_is_one_line(case, folder):
    arguments, says = REFUSED[case]
    done = pathsearch("compare", *arguments, cwd=folder, status=1)
    assert done.stdout == ""
    assert done.stderr.startswith(f"pathsearch: {says}")
    assert done.stderr.count("\n") == 1
