"""Options of sbatch that a cluster profile may set under `sbatch:`, and the messages about the others."""

import re
from difflib import get_close_matches
from typing import Any

from pathsearch.jobs.textfiles import printable

# options that do not change what Submitit and this program rely on (sbatch 22.05 to 25.05)
# fmt: off
ALLOWED = (
    "acctg-freq", "batch", "bb", "bbf", "begin", "cluster-constraint", "comment", "consolidate-segments",
    "container", "container-id", "contiguous", "core-spec", "cores-per-socket", "cpu-freq", "deadline", "delay-boot",
    "distribution", "exclude", "exclusive", "export", "extra", "extra-node-info", "gpu-bind", "gpu-freq", "gres",
    "gres-flags", "hint", "hold", "licenses", "mail-type", "mail-user", "mcs-label", "mem-bind", "mem-per-cpu",
    "mem-per-gpu", "mincpus", "network", "nice", "no-kill", "nodefile", "nodelist", "oom-kill-step", "overcommit",
    "oversubscribe", "power", "prefer", "priority", "profile", "propagate", "reboot", "reservation", "resv-ports",
    "segment", "sockets-per-node", "spread-job", "stepmgr", "switches", "thread-spec", "threads-per-core",
    "time-min", "tmp", "tres-bind", "tres-per-task", "use-min-nodes", "wait-all-nodes", "wckey", "x11",
)
# fmt: on
ABOVE = "write it beside `sbatch`, as {key}"
GPUS = "write gpus_per_node beside `sbatch`, or gres here for GPUs of one kind"
VARIABLES = "write lines that set variables as prologue, beside `sbatch`"
TASKS = "there is one task a node, Ray starts the other processes"
SUBMITIT = "Submitit reads what sbatch answers"
REQUEUED = "a run requeues itself when its time is up"
REFUSED = {
    **dict.fromkeys(("account", "constraint", "mem", "nodes", "partition", "qos", "time"), ABOVE),
    "array": "--sweep makes an array of runs; write how many run at a time as `parallel`, beside `sbatch`",
    "chdir": "a run starts where it was submitted",
    "clusters": "set $SLURM_CLUSTERS, which squeue and scancel obey too",
    "cpus-per-gpu": "write cpus_per_gpu beside `sbatch`",
    "cpus-per-task": "write cpus_per_node beside `sbatch`",
    "dependency": "runs wait for the runs they need",
    "error": "a job has one log, which `pathsearch logs` shows",
    "export-file": VARIABLES,
    "get-user-env": VARIABLES,
    **dict.fromkeys(("gpus", "gpus-per-node", "gpus-per-socket", "gpus-per-task"), GPUS),
    "input": "a run reads no input",
    "job-name": "it is the configuration's",
    "kill-on-invalid-dep": "it is set where a run waits for another",
    "no-requeue": REQUEUED,
    **dict.fromkeys(("ntasks", "ntasks-per-core", "ntasks-per-gpu", "ntasks-per-node", "ntasks-per-socket"), TASKS),
    "open-mode": "a job's log goes on in its next attempt",
    "output": "`pathsearch logs` shows the log; --out names a run's folder",
    **dict.fromkeys(("parsable", "quiet", "test-only", "verbose", "wait"), SUBMITIT),
    "requeue": REQUEUED,
    "signal": "write the seconds as `warning`, beside `sbatch`",
    "wrap": "the job's command is the run",
}
FEATURES = ("constraint", "prefer", "batch", "cluster-constraint")  # their values may have these signs: a&b, [a|b]
FORBIDDEN = re.compile(r"[;&|`$<>\"'\\#]")


def checked(options: dict[str, Any]) -> dict[str, Any]:
    """The options by sbatch's names for them. Raises ValueError that names the first one that may not be set."""
    found: dict[str, Any] = {}
    for given, value in options.items():
        key = given.replace("_", "-")
        if key in REFUSED:
            raise ValueError(f"{key} is set by this program: {REFUSED[key].format(key=key)}")
        if key not in ALLOWED:
            raise ValueError(f"{printable(given)!r} is no option of sbatch that can be set here{_meant(key)}")
        if key in found:
            raise ValueError(f"{key} is there twice")
        found[key] = safe(key, value)
    return found


def safe(key: str, value: Any) -> Any:
    """The value, if a shell takes it as plain text; raises ValueError where it has signs that mean more to a shell."""
    if not isinstance(value, str):
        return value
    text = re.sub("[&|]", "", value) if key in FEATURES else value
    if (found := FORBIDDEN.search(text)) or not value.isprintable():
        sign = found[0] if found else next(sign for sign in value if not sign.isprintable())
        raise ValueError(f"the value of {key} has {sign!r}, which may not be in a job's script")
    return value


def _meant(key: str) -> str:
    known = [*ALLOWED, *REFUSED]
    near = get_close_matches(key.lstrip("-").lower(), known, 1)
    return f": did you mean {near[0]}?" if near else f" (there are {', '.join(ALLOWED)})"
