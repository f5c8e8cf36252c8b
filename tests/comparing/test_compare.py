"""Many runs in one table: groups and what tells them apart, figures by hand, refusals, formats."""

import copy
import csv
import dataclasses
import io
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from pathsearch import storage
from pathsearch.comparing import columns, formats, groups
from pathsearch.comparing.comparable import data_name
from pathsearch.comparing.published import Published, papers
from pathsearch.errors import PathsearchError
from pathsearch.run.finish import put
from tests.commands import pathsearch
from tests.runs import carried_out

OLD = Path(__file__).parent.parent / "data" / "version-1"
T = np.array([0.0, 0.5, 1.0])


@pytest.fixture(scope="module")
def kept():
    """A measured run of a network, as an earlier program kept it."""
    return storage.read(OLD / "network-finished.h5")


def having(run, name="a", path=(1.0, 5.0, 3.0), error=(0.1, 0.3, 0.2), arc=(0.0, 3.0, 4.0), **options):
    """A run with another file's name, another profile, and other options by dotted key (`__` for a dot)."""
    config = copy.deepcopy(run.config)
    for key, value in options.items():
        *nodes, last = key.split("__")
        there = config
        for node in nodes:
            there = there[node]
        there[last] = value
    along = {"t": T, "arc_length": np.array(arc), "train_loss": np.array(path), "test_error": np.array(error)}
    groups = {**run.groups, "profiles/path": along}
    summary = {**run.summary, "chord": 2.0}
    return dataclasses.replace(run, file=Path(f"/runs/{name}/path.h5"), config=config, groups=groups, summary=summary)


def named(*runs):
    return {run.file.parent.name: run for run in runs}


BEZIER = {"name": "bezier", "bends": 1, "samples": None}


def test_seeds_of_a_group_are_averaged_by_hand(kept):
    """Mean 3 and deviation 1 over n − 1 of the values 2, 3, 4; one run of another method has no deviation."""
    runs = named(
        having(kept, "a", path=(0.0, 2.0, 1.0)),
        having(kept, "b", path=(0.0, 3.0, 1.0), seed=1),
        having(kept, "c", path=(0.0, 4.0, 1.0), endpoints__end__train__seed=7),
        having(kept, "d", path=(0.0, 8.0, 2.0), method=BEZIER),
    )
    neb, bezier = groups.groups(runs)
    assert [member.name for member in neb.members] == ["a", "b", "c"]
    assert [member.seeds for member in neb.members] == [(0, 0, 1), (1, 0, 1), (0, 0, 7)]
    assert (neb.differs, bezier.differs) == ({"method.name": "neb"}, {"method.name": "bezier"})
    found = neb.spreads()
    assert found["train_loss.max"] == groups.Spread(3.0, 1.0, (2.0, 3.0, 4.0))
    assert found["train_loss.barrier"] == groups.Spread(2.0, 1.0, (1.0, 2.0, 3.0))
    assert found["train_loss.ends"].mean == 0.5
    assert found["train_loss.mean"].mean == pytest.approx((0.5 * 0 + 3 + 0.5 * 1) / 2)
    assert found["train_loss.mean_arc"].mean == pytest.approx((3 * 1.5 + 1 * 2) / 4)
    assert found["length_over_chord"].mean == 2.0
    assert found["gradients"].mean == kept.position["evaluations"]
    assert bezier.spreads()["train_loss.max"] == groups.Spread(8.0, None, (8.0,))


def test_barriers_by_all_conventions_are_figures(kept):
    found = groups.figures(having(kept, path=(1.0, 5.0, 3.0)))
    names = ("barrier", "barrier_over_mean", "barrier_over_interpolation", "midpoint_over_mean")
    assert [found[f"train_loss.{name}"] for name in names] == [2.0, 3.0, 3.0, 3.0]
    assert "line.train_loss.barrier" in found


def labels(runs):
    return [columns.named(group) for group in groups.groups(runs)]


def test_groups_are_told_apart_by_what_differs_and_no_more(kept):
    """Options that only one method has do not say what its name says; those of the same method do."""
    other = {**kept.config["method"], "images": 5}
    assert labels(named(having(kept, "a"), having(kept, "b", method=other), having(kept, "c", method=BEZIER))) == [
        ("method=neb", "method.images=3"),
        ("method=neb", "method.images=5"),
        ("method=bezier",),
    ]
    assert labels(named(having(kept, "a"), having(kept, "b", objective__batch=None))) == [
        ("objective.batch=10",),
        ("objective.batch=null",),
    ]
    norm = having(kept, "b", objective__model__args={"width": 4, "depth": 1, "norm": False})
    assert labels(named(having(kept, "a"), norm)) == [
        ("objective.model.args.norm=null",),
        ("objective.model.args.norm=false",),
    ]
    assert labels(named(having(kept, "a"))) == [("method=neb",)]


def test_what_changes_no_figure_makes_no_group(kept):
    same = having(kept, "b", seed=1, checkpoint={"steps": 7, "minutes": 1.0}, measure__plane=0)
    assert len(groups.groups(named(having(kept, "a"), same))) == 1


def test_a_network_from_another_file_is_another_group(kept):
    one, two = (
        dataclasses.replace(having(kept, name, seed=n), outside={"objective.model": ["my:Net in my.py", hashed * 64]})
        for n, (name, hashed) in enumerate({"a": "0", "b": "1"}.items())
    )
    assert [group.differs for group in groups.groups(named(one, two))] == [
        {"objective.model (file)": "0" * 10},
        {"objective.model (file)": "1" * 10},
    ]


def measured(run, train, of):
    counts = {"train": train, "train_of": of, "test": 8, "test_of": 8}
    return dataclasses.replace(run, summary={**run.summary, "measured": counts})


def from_file(run, option, value):
    return dataclasses.replace(run, outside={option: ["a file", value * 64]})


FOLDER = {"name": "folder", "root": "pictures"}


def placed(run, here):
    return dataclasses.replace(run, place={"here": here, "folder": here})


UNLIKE = {
    "another loss": (
        lambda run: (having(run), having(run, "b", objective__loss="mse")),
        "b has another loss than a: objective.loss is mse, not cross_entropy",
    ),
    "a loss of the same name from another file": (
        lambda run: [from_file(having(run, name), "objective.loss", name) for name in "ab"],
        "b has another loss than a: the file of objective.loss is bbbbbbbbbb, not aaaaaaaaaa",
    ),
    "other data": (
        lambda run: (having(run), having(run, "b", objective__data={"name": "digits"})),
        "b was measured on other data than a: objective.data.name is digits, not random",
    ),
    "data of other options": (
        lambda run: (having(run), having(run, "b", objective__data__examples=50)),
        "b was measured on other data than a: objective.data.examples is 50, not 40",
    ),
    "pictures in another folder": (
        lambda run: [placed(having(run, name, objective__data=FOLDER), f"/home/{name}") for name in "ab"],
        "b was measured on other data than a: objective.data.root is pictures in /home/b, not pictures in /home/a",
    ),
    "fewer examples": (
        lambda run: (measured(having(run), 32, 32), measured(having(run, "b"), 16, 32)),
        "b was measured on another number of examples than a: the number of training examples is 16 of 32, not 32 of",
    ),
    "fewer examples than an earlier program measured": (
        lambda run: (having(run), measured(having(run, "b", measure__examples=16), 16, 32)),
        "b was measured on another number of examples than a: measure.examples is 16, not all",
    ),
    "another metric of the same name": (
        lambda run: (having(run), having(run, "b", objective__metrics={"error": "mine:error"})),
        "b has another metric of the same name as a: objective.metrics.error is mine:error, not error",
    ),
    "the same run under two names": (
        lambda run: (having(run), dataclasses.replace(having(run, "b"), file=having(run).file)),
        "a and b are the same run: name it once",
    ),
    "a copy of a run": (
        lambda run: (having(run), having(run, "b")),
        "a and b have the same configuration and the same seeds: name one of them",
    ),
    "not finished": (
        lambda run: (having(run), *(dataclasses.replace(having(run, name), state="running") for name in "bc")),
        "not measured yet: b (unfinished), c (unfinished); run them to their end first",
    ),
    "a minimum": (
        lambda run: (having(run), dataclasses.replace(having(run, "b"), summary={"minimum": {}})),
        "b is a minimum, not a path",
    ),
}


@pytest.mark.parametrize("case", UNLIKE)
def test_runs_that_do_not_belong_in_one_table_are_refused(case, kept):
    made, says = UNLIKE[case]
    with pytest.raises(PathsearchError) as error:
        groups.groups(dict(zip("abc", made(kept))))
    assert str(error.value).startswith(says)
    assert "\n" not in str(error.value)


def test_the_same_data_in_other_words_are_the_same(kept):
    """How training sees them, or in which of the two folders they were found, is no matter."""
    one = placed(having(kept, "a", objective__data=FOLDER), "/home/a")
    two = placed(
        having(kept, "b", seed=1, objective__data={**FOLDER, "root": "/home/a/pictures", "augment": True}), "/"
    )
    assert [group.differs for group in groups.groups(named(one, two))] == [
        {"objective.data.augment": False},
        {"objective.data.augment": True},
    ]
    assert groups.groups(named(one, two))[0].data == "pictures"
    assert data_name({"objective": {"name": "circle"}}) == ""


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


def test_short_names_say_what_differs_else_the_folder(kept):
    def called(*runs):
        return groups.labels(named(*runs))

    other = {**kept.config["method"], "images": 5}
    assert called(having(kept, "a"), having(kept, "b", method=other)) == ["images=3", "images=5"]
    assert called(having(kept, "a", seed=1), having(kept, "b", seed=2)) == ["seed=1", "seed=2"]
    assert called(having(kept, "a"), having(kept, "b", method=BEZIER)) == ["neb", "bezier"]
    wide = having(kept, "b", objective__model__args={"width": 4, "depth": 1, "norm": True})
    assert called(having(kept, "a"), wide) == ["norm=null", "norm=true"]  # only one says it
    assert called(having(kept, "a"), having(kept, "b")) == ["a", "b"]
    long = [having(kept, name, objective__metrics={name * 30: "error"}, steps=n) for n, name in enumerate("ab")]
    assert called(*long) == ["steps=0", "steps=1"]


def test_what_both_kinds_have_is_told_too(kept):
    string = {"name": "string", "images": 5}
    assert labels(named(having(kept, "a"), having(kept, "b", method=string))) == [
        ("method=neb", "method.images=3"),
        ("method=string", "method.images=5"),
    ]


def test_a_search_that_was_extended_on_other_rates_is_a_group_of_its_own(kept):
    run = having(kept, "b", seed=1)
    other = dataclasses.replace(run, summary={**run.summary, "rates": [[4, 8]]})
    assert labels(named(having(kept, "a"), other)) == [
        ("rates (extended)=null",),
        ("rates (extended)=from step 4 those of 8",),
    ]


def test_shares_are_those_of_each_run(kept):
    run = having(kept, "a")
    path = {**run.groups["profiles/path"], "test_kept": np.array([0.1, 0.2, 0.3])}
    plain = dataclasses.replace(run, groups={**run.groups, "profiles/path": path})
    one, other = groups.groups(named(plain, having(kept, "b", method=BEZIER)))
    assert "test_error" in one.shares
    assert "test_error" in other.shares


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
    assert any(line.startswith("objective.weight_dec") for line in lines)
    assert any("0.0011" in line and "0.00011" not in line for line in lines)  # 9.876e-4 · (9 + 10 + 11) / 27
    assert any("±0.00011" in line for line in lines)  # 9.876e-4 / 9
    assert "…" not in out.file.getvalue()


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
    assert text.startswith("|  | loss min | loss max | loss mean | loss mean by length | loss barrier | length over")
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
