"""Minima trained at the same time: each a task of Ray on a device of its own, a serial run inside it."""

import math
import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import ray
import torch
from ray.exceptions import RayError, RayTaskError

from pathsearch.errors import Interrupted, MachineLost, PathsearchError, described, one_line
from pathsearch.holders.ray import cluster
from pathsearch.holders.settings import HolderSettings
from pathsearch.locks import alone
from pathsearch.objectives import import_from
from pathsearch.progress import display
from pathsearch.run import session
from pathsearch.run.minima import Minimum, waiting
from pathsearch.run.session import Watcher
from pathsearch.run.settings import Asked
from pathsearch.run.stop import Stop, signals

RETRIES = 3  # of a task whose worker died: it goes on from its last checkpoint
LOOK = 0.5  # seconds between two looks at the tasks
LEAVE = 60.0  # seconds in which tasks that are to stop have made a last checkpoint


def train(
    missing: list[Minimum], options: HolderSettings, folder: Path, watcher: Watcher, stop: Stop, stack: ExitStack
) -> None:
    """Train minima on the cluster that `options` name, as many at once as it has room for; `folder` is the
    configuration's. Where a Ray is started for it, it ends with `stack`.

    Raises PathsearchError where one fails, when the others are done; Interrupted where `stop` was due.
    """
    stack.callback(cluster.join(options))
    cluster.refuse_too_many(options)
    # a worker ends with its task: what memory it has on a GPU is for the path then
    remote = ray.remote(max_calls=1)(_trained).options(
        num_cpus=options.cpus_per_actor,
        num_gpus=cluster.gpus_each(options, ray.cluster_resources()),
        max_retries=RETRIES,
        enable_task_events=False,
    )
    threads = max(1, math.floor(options.cpus_per_actor))
    watcher.phase("train minima", len(missing))
    watcher.log(f"trains as many at once as there is room for: {', '.join(each.name for each in missing)}")
    running = {remote.remote(each, folder.resolve(), Path.cwd(), threads): each for each in missing}
    failed: list[str] = []
    while running:
        done, _ = ray.wait(list(running), timeout=LOOK)
        for reference in done:
            each = running.pop(reference)
            if said := _ended(reference):
                failed.append(f"{each.folder}: {said}")
                watcher.log(f"failed: {failed[-1]}")
            else:
                watcher.log(f"trained {each.folder}")
            watcher.tick(1)
        if stop.due(LOOK) and stop.number is not None:
            _end(list(running))
            raise Interrupted(
                f"stopped by {stop.reason} while minima were trained, which are kept; run the same command again",
                stop.number,
            )
    if failed:
        raise PathsearchError("; ".join(failed))


def _trained(minimum: Minimum, folder: Path, here: Path, threads: int) -> str:
    """Train one, in a task; returns why that failed, in a line, or nothing.

    Ray cancels by what Ctrl-C does, which the run takes as a signal to make a checkpoint and stop.
    """
    try:
        os.chdir(here)
        import_from(folder)
        if not ray.get_gpu_ids():  # a task without a share of a GPU inherits the sight of all of them
            os.environ["CUDA_VISIBLE_DEVICES"] = ""
        torch.set_num_threads(threads)  # bits depend on it
        with signals() as stop, ExitStack() as stack:
            watcher = stack.enter_context(display(minimum.folder / "run.log"))
            stack.enter_context(alone(minimum.folder, waiting(minimum.folder, watcher.log, stop)))
            try:
                session.carry_out(Asked(minimum.settings, folder), minimum.folder, watcher, stop, dict)
            except MachineLost as error:
                watcher.log(one_line(error))
                os._exit(error.status)  # a fresh process may use the device: Ray tries again
    except PathsearchError as error:
        return one_line(error)
    return ""


def _ended(reference: Any) -> str:
    """Why a task failed, in a line, or nothing."""
    try:
        said: str = ray.get(reference)
    except RayTaskError as error:
        return described(error.cause)
    except RayError as error:
        return f"its worker was lost {RETRIES + 1} times, run.log there may say why ({one_line(error)})"
    return said


def _end(references: list[Any]) -> None:
    """Have tasks make a checkpoint and end."""
    for reference in references:
        ray.cancel(reference, force=False)
    ray.wait(references, num_returns=len(references), timeout=LEAVE)
