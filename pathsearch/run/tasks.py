"""Runs carried out at the same time: each a task of Ray on a device of its own, serial inside."""

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray
import torch
from ray.exceptions import RayError, RayTaskError

from pathsearch.errors import Interrupted, MachineLost, PathsearchError, described, one_line
from pathsearch.holders.ray import cluster
from pathsearch.holders.settings import HolderSettings
from pathsearch.progress import display
from pathsearch.run import minima, whole
from pathsearch.run.settings import Asked
from pathsearch.run.stop import Stop, signals

RETRIES = 3  # of a task whose worker died: it goes on from its last checkpoint
LOOK = 0.5  # seconds between two looks at the tasks
LEAVE = 60.0  # seconds in which tasks that are to stop have made a last checkpoint


def carry_out(
    runs: Mapping[Path, Asked], options: HolderSettings, stop: Stop, stack: ExitStack
) -> Iterator[tuple[Path, str]]:
    """Carry out runs, by their folders, on the cluster that `options` name, as many at once as it has room for.

    Gives each folder when its run has ended, with why that failed in a line, or nothing. Where a Ray is started for
    it, it ends with `stack`. Raises Interrupted where `stop` was due.
    """
    stack.callback(cluster.join(options))
    cluster.refuse_too_many(options)
    # a worker ends with its task: what memory it has on a GPU is for the next one then
    remote = ray.remote(max_calls=1)(_carried).options(
        num_cpus=options.cpus_per_actor,
        num_gpus=cluster.gpus_each(options, ray.cluster_resources()),
        max_retries=RETRIES,
        enable_task_events=False,
    )
    threads = max(1, math.floor(options.cpus_per_actor))
    serial = HolderSettings(name="serial", gradients=options.gradients)
    running = {}
    for folder, asked in runs.items():
        inside = replace(
            asked,
            settings=asked.settings.model_copy(update={"holder": serial}),
            folder=asked.folder.resolve(),
            store=asked.store and asked.store.resolve(),
        )
        running[remote.remote(inside, folder.resolve(), Path.cwd(), threads)] = folder
    try:
        while running:
            done, _ = ray.wait(list(running), timeout=LOOK)
            for reference in done:
                yield running.pop(reference), _ended(reference)
            if stop.due(LOOK) and stop.number is not None:
                raise Interrupted(
                    f"stopped by {stop.reason}; what was found is kept: run the same command again", stop.number
                )
    finally:  # those that are left, whatever ended this
        _end(list(running))


def _carried(asked: Asked, folder: Path, here: Path, threads: int) -> str:
    """Carry out one run, in a task; returns why that failed, in a line, or nothing.

    Ray cancels by what Ctrl-C does, which the run takes as a signal to make a checkpoint and stop.
    """
    try:
        os.chdir(here)
        if not ray.get_gpu_ids():  # a task without a share of a GPU inherits the sight of all of them
            os.environ["CUDA_VISIBLE_DEVICES"] = ""
        torch.set_num_threads(threads)  # bits depend on it
        with signals() as stop, display(folder / "run.log") as watcher:
            try:
                whole.run(asked, folder, watcher, stop, minima.waiting(folder, watcher.log, stop, "works on"))
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
    if not references:
        return
    for reference in references:
        ray.cancel(reference, force=False)
    ray.wait(references, num_returns=len(references), timeout=LEAVE)
