"""The sbatch script of a job, a pure function of its profile. Submitit writes the text."""

import re
import shlex
import sys
from pathlib import Path
from typing import Any

from submitit.slurm.slurm import _make_sbatch_string

from pathsearch.jobs.profiles import ClusterProfile, minutes


def parameters(profile: ClusterProfile, name: str, logs: Path, count: int, after: list[str]) -> dict[str, Any]:
    """The parameters of Submitit's executor. after: ids of jobs that have to succeed first."""
    more: dict[str, Any] = {"requeue": True, **{k: v for k, v in profile.sbatch.items() if v is not False}}
    # one log for all tasks, since errors of the other nodes must be read too
    log = logs / ("%A_%a_0_log.out" if count > 1 else "%j_0_log.out")
    if after:
        # else a job waits for ever after one that failed
        more |= {"dependency": f"afterok:{':'.join(after)}", "kill-on-invalid-dep": "yes"}
    setup = [f"module load {' '.join(map(shlex.quote, profile.modules))}"] if profile.modules else []
    asked = {
        "job_name": re.sub(r"[^\w.,=+@ -]", "-", name),
        "partition": profile.partition,
        "account": profile.account,
        "qos": profile.qos,
        "constraint": profile.constraint,
        "nodes": profile.nodes,
        "ntasks_per_node": 1,
        "cpus_per_task": profile.cpus,
        "gpus_per_node": profile.gpus_per_node or None,
        "mem": profile.mem,
        "time": minutes(profile.time),
        "signal_delay_s": profile.warning,
        "array_parallelism": profile.parallel,
        "setup": [*setup, *profile.prologue] or None,
        # since SLURM 22.05 srun does not inherit the cores from sbatch; a lost node must not end the others
        "srun_args": [
            f"--cpus-per-task={profile.cpus}",
            f"--output={log}",
            "--open-mode=append",
            "--kill-on-bad-exit=0",
            "--wait=0",
        ],
        "stderr_to_stdout": True,
        "additional_parameters": more,
    }
    return {"wckey": None, **{key: value for key, value in asked.items() if value is not None}}


def options(asked: dict[str, Any]) -> list[str]:
    """The options that a script with these parameters sets, by sbatch's names."""
    others = ("additional_parameters", "array_parallelism", "setup", "signal_delay_s", "srun_args", "stderr_to_stdout")
    own = [key.replace("_", "-") for key, value in asked.items() if key not in others and value is not None]
    return [*own, *asked["additional_parameters"], "open-mode", "output", "signal"]


def text(
    profile: ClusterProfile, name: str, folder: Path, count: int, after: list[str], python: str = sys.executable
) -> str:
    """The script of a job of `count` runs, an array where there are several; logs go into `folder`."""
    command = f"{shlex.quote(python)} -u -m submitit.core._submit {shlex.quote(str(folder))}"
    asked = parameters(profile, name, folder, count, after)
    return _make_sbatch_string(command=command, folder=folder, map_count=count if count > 1 else None, **asked)
