"""What became of a job, from all that is known of it."""

import pytest

from pathsearch.launch.jobs.records import Turn
from pathsearch.launch.jobs.states import accounting, judged, queue
from pathsearch.storage.glance import Glance


def turn(outcome, said=""):
    return Turn("7", 0, "host", 1, 1, 1, 0.0, 1.0, outcome, said)


def seen(state):
    return Glance(state, "neb", 10, 100, 1.0, 0.5, 0)


@pytest.mark.parametrize(
    ("told", "had", "shown", "judgement"),
    [
        (("PENDING", "Dependency"), [], None, ("PENDING", "Dependency")),
        (("RUNNING", "None"), [turn("")], seen("running"), ("RUNNING", "")),
        (("COMPLETED", "None"), [turn("finished")], seen("finished"), ("COMPLETED", "")),
        (None, [turn("finished")], seen("finished"), ("COMPLETED", "")),
        # it has what it was to find, whatever happened to the job after
        (("FAILED", "NonZeroExitCode"), [turn("failed")], seen("finished"), ("COMPLETED", "")),
        (("FAILED", "NonZeroExitCode"), [turn("failed", "no data")], seen("running"), ("FAILED", "no data")),
        (("CANCELLED", "None"), [], None, ("CANCELLED", "")),
        (("TIMEOUT", "TimeLimit"), [turn("")], seen("running"), ("TIMEOUT", "")),
        # a script whose last command succeeded, though the run did not
        (("COMPLETED", "None"), [turn("failed", "no data")], None, ("FAILED", "no data")),
        (("COMPLETED", "None"), [], None, ("FAILED", "")),
        # nobody remembers the job
        (None, [turn("failed", "no data")], None, ("FAILED", "no data")),
        (None, [turn("stopped", "by SIGTERM")], seen("running"), ("STOPPED", "by SIGTERM")),
        (None, [turn("")], seen("running"), ("LOST", "")),
        (None, [], None, ("LOST", "")),
    ],
)
def test_the_truth(told, had, shown, judgement):
    assert judged(told, had, shown) == judgement


def test_lines_of_squeue_and_sacct():
    listed = "12|RUNNING|None\n13_0|PENDING|Dependency\n13_1|PENDING|(launch failed|held)\n"
    assert queue(listed) == {
        "12": ("RUNNING", "None"),
        "13_0": ("PENDING", "Dependency"),
        "13_1": ("PENDING", "(launch failed|held)"),
    }
    assert accounting("12|CANCELLED by 0\n13_4|COMPLETED\n") == {"12": ("CANCELLED", ""), "13_4": ("COMPLETED", "")}
    assert queue("") == accounting("") == {}
