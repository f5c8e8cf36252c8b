"""What SLURM's environment and `scontrol` say."""

from datetime import datetime

import pytest

from pathsearch.errors import PathsearchError
from pathsearch.launch.jobs.allocation import Allocation, Fate, allocation, parsed

STEP = {
    "SLURM_JOB_ID": "41",
    "SLURM_STEP_NUM_NODES": "2",
    "SLURM_STEP_NUM_TASKS": "2",
    "SLURM_PROCID": "1",
    "SLURM_CPUS_ON_NODE": "8",
    "CUDA_VISIBLE_DEVICES": "0,1",
}


def test_a_task_of_a_step():
    assert allocation(STEP, 16) == Allocation("41", 0, 2, 1, 8, 2)


def test_a_requeued_task_of_an_array_with_fewer_cores_than_the_node():
    more = {
        "SLURM_ARRAY_JOB_ID": "40",
        "SLURM_ARRAY_TASK_ID": "3",
        "SLURM_RESTART_COUNT": "2",
        "SLURM_CPUS_PER_TASK": "4",
    }
    found = allocation({**STEP, **more}, 16)
    assert found == Allocation("40_3", 2, 2, 1, 4, 2)
    assert found.turn == "40_3-2"
    assert allocation({**STEP, **more}, 3).cpus == 3


@pytest.mark.parametrize(
    ("seen", "gpus"),
    [
        ({"CUDA_VISIBLE_DEVICES": ""}, 0),
        ({"CUDA_VISIBLE_DEVICES": "NoDevFiles"}, 0),
        ({}, 4),
        ({"ROCR_VISIBLE_DEVICES": "0,1,2"}, 3),
    ],
)
def test_gpus_are_those_a_task_sees(seen, gpus):
    without = {key: value for key, value in STEP.items() if key != "CUDA_VISIBLE_DEVICES"}
    assert allocation({**without, "SLURM_GPUS_ON_NODE": "4", **seen}, 8).gpus == gpus


def test_outside_of_a_step_there_is_none():
    assert allocation({}, 8) is None
    assert allocation({"SLURM_JOB_ID": "41", "SLURM_NTASKS": "2", "SLURM_PROCID": "0"}, 8) is None  # a batch script's


def test_several_tasks_a_node_are_refused():
    with pytest.raises(PathsearchError, match=r"8 tasks on 2 nodes.*--ntasks-per-node=1"):
        allocation({**STEP, "SLURM_STEP_NUM_TASKS": "8"}, 8)


def test_what_slurm_says_of_a_job():
    shown = (
        "JobId=41 JobName=x UserId=me(1) JobState=RUNNING Reason=None Requeue=1 Restarts=0 BatchFlag=1 "
        "TimeLimit=00:30:00 StartTime=2026-01-01T10:00:00 EndTime=2026-01-01T10:30:00 NumNodes=2"
    )
    end = datetime(2026, 1, 1, 10, 30).timestamp()
    assert parsed(shown) == Fate("RUNNING", end, True, False)
    assert parsed(shown + " PreemptTime=2026-01-01T10:10:00").preempted
    assert not parsed(shown + " PreemptTime=None").preempted
    assert not parsed(shown.replace("BatchFlag=1", "BatchFlag=0")).requeue
    assert not parsed(shown.replace("Requeue=1", "Requeue=0")).requeue
    unlimited = shown.replace("00:30:00 S", "UNLIMITED S")
    assert parsed(unlimited).until is None
    assert parsed(shown.replace("EndTime=2026-01-01T10:30:00", "EndTime=Unknown")).until is None
    assert parsed("") == Fate("UNKNOWN", None, False, False)
