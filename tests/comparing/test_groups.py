"""Groups of runs and what tells them apart, figures by hand, and runs that do not belong in one table."""

import dataclasses

import numpy as np
import pytest

from pathsearch.comparing import columns, groups
from pathsearch.comparing.comparable import data_name
from pathsearch.errors import PathsearchError
from tests.comparing.runs import BEZIER, having, named


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


def test_pictures_of_one_name_in_other_working_folders_are_others(kept, tmp_path):
    """Both runs' configurations lie in one folder, where no pictures are, or where others are."""
    for here in "abc":
        (tmp_path / here).mkdir()
    places = [{"here": str(tmp_path / here), "folder": str(tmp_path / "c")} for here in "ab"]
    one, two = (
        dataclasses.replace(having(kept, name, seed=n, objective__data=FOLDER), place=place)
        for n, (name, place) in enumerate(zip("ab", places))
    )

    def unlike():
        with pytest.raises(PathsearchError, match=f"pictures in {tmp_path}/b, not pictures in {tmp_path}/a"):
            groups.groups(named(one, two))

    unlike()
    (tmp_path / "c" / "pictures").mkdir()
    assert len(groups.groups(named(one, two))) == 1  # neither has others in its own
    (tmp_path / "b" / "pictures").mkdir()
    unlike()
    (tmp_path / "a" / "pictures").symlink_to(tmp_path / "b" / "pictures")
    assert len(groups.groups(named(one, two))) == 1


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
