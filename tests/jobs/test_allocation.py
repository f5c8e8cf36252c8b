"""What SLURM's environment and `scontrol` say."""

from datetime import datetime

import pytest

from pathsearch.errors import PathsearchError
from pathsearch.jobs.allocation import Allocation, JobInfo, allocation, interactive, parsed

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
    assert found.attempt == "40_3-2"
    assert allocation({**STEP, **more}, 3).cpus == 3


@pytest.mark.parametrize(
    ("seen", "gpus"),
    [
        ({"CUDA_VISIBLE_DEVICES": ""}, 0),
        ({"CUDA_VISIBLE_DEVICES": "NoDevFiles"}, 0),
        ({}, 4),
        ({"ROCR_VISIBLE_DEVICES": "0,1,2"}, 3),
        ({"CUDA_VISIBLE_DEVICES": "GPU-8f6d0a3c-1111-2222-3333-444455556666,MIG-1"}, 2),
        ({"CUDA_VISIBLE_DEVICES": "0,-1,1"}, 1),
    ],
)
def test_gpus_are_those_a_task_sees(seen, gpus):
    without = {key: value for key, value in STEP.items() if key != "CUDA_VISIBLE_DEVICES"}
    assert allocation({**without, "SLURM_GPUS_ON_NODE": "4", **seen}, 8).gpus == gpus


def test_outside_of_a_step_there_is_none():
    assert allocation({}, 8) is None
    assert allocation({"SLURM_JOB_ID": "41", "SLURM_NTASKS": "2", "SLURM_PROCID": "0"}, 8) is None  # a batch script's


@pytest.mark.parametrize("count", ["SLURM_NNODES", "SLURM_JOB_NUM_NODES"])
def test_nodes_where_the_step_does_not_tell_them(count):
    without = {key: value for key, value in STEP.items() if key != "SLURM_STEP_NUM_NODES"}
    assert allocation({**without, count: "2"}, 8).nodes == 2
    assert allocation({**without, "SLURM_STEP_NUM_TASKS": "1"}, 8).nodes == 1


@pytest.mark.parametrize("name", ["SLURM_RESTART_COUNT", "SLURM_CPUS_PER_TASK", "SLURM_JOB_ID", "SLURM_PROCID"])
def test_what_slurm_never_set_is_named_and_not_shown(name):
    with pytest.raises(PathsearchError, match=rf"^\${name} is no number: .*; unset it, or start with srun$"):
        allocation({**STEP, name: "-secret"}, 8)
    assert allocation({"SLURM_STEP_NUM_TASKS": "x"}, 8) is None  # outside of a job it is not looked at


def test_a_shell_that_slurm_gave_is_no_step_of_the_run():
    shell = {**STEP, "SLURM_PTY_PORT": "4711", "SLURM_TASK_PID": "12"}
    assert interactive(shell, 13)
    assert not interactive(shell, 12)  # srun --pty pathsearch run
    assert interactive({**STEP, "SLURM_STEP_ID": "4294967290", "SLURM_TASK_PID": "12"}, 13)
    assert not interactive({**STEP, "SLURM_TASK_PID": "12"}, 13)  # a script that srun started


def test_several_tasks_a_node_are_refused():
    with pytest.raises(PathsearchError, match=r"8 tasks on 2 nodes.*--ntasks-per-node=1"):
        allocation({**STEP, "SLURM_STEP_NUM_TASKS": "8"}, 8)


def test_what_slurm_says_of_a_job():
    shown = (
        "JobId=41 JobName=x UserId=me(1) JobState=RUNNING Reason=None Requeue=1 Restarts=0 BatchFlag=1 "
        "TimeLimit=00:30:00 StartTime=2026-01-01T10:00:00 EndTime=2026-01-01T10:30:00 NumNodes=2"
    )
    end = datetime(2026, 1, 1, 10, 30).timestamp()
    assert parsed(shown) == JobInfo("RUNNING", end, True, False)
    assert parsed(shown + " PreemptTime=2026-01-01T10:10:00").preempted
    assert not parsed(shown + " PreemptTime=None").preempted
    assert not parsed(shown.replace("BatchFlag=1", "BatchFlag=0")).requeue
    assert not parsed(shown.replace("Requeue=1", "Requeue=0")).requeue
    unlimited = shown.replace("00:30:00 S", "UNLIMITED S")
    assert parsed(unlimited).until is None
    assert parsed(shown.replace("EndTime=2026-01-01T10:30:00", "EndTime=Unknown")).until is None
    assert parsed("") == JobInfo("UNKNOWN", None, False, False)
