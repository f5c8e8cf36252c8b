"""One call in a process of the cluster, as an actor's: where its data and its devices are."""

import math
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ray
import torch
from ray.exceptions import RayError, RayTaskError
from ray.util.placement_group import remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from pathsearch.errors import MachineLost, PathsearchError, described, one_line
from pathsearch.holders.ray import cluster
from pathsearch.holders.settings import HolderSettings

TRIES = 2  # where the process or its device is lost


def once(call: Callable[[], Any], what: str, options: HolderSettings, look: Callable[[], None]) -> Any:
    """What `call` returns in a process that has the cores and the GPU of an actor, and ends then; `what`: for errors.

    The cluster is joined. look: called again and again meanwhile; what it raises ends the call. Raises PathsearchError
    where the cluster has no room for the actors that are asked for, and where the call fails; MachineLost where a
    device does, and where the cluster is gone.
    """
    cluster.refuse_too_many(options)
    group, gpus = cluster.reserve(options.model_copy(update={"actors": 1}), fewer=False)
    remote = ray.remote(max_calls=1)(_called).options(
        num_cpus=options.cpus_per_actor,
        num_gpus=gpus,
        max_retries=0,  # a process whose device has failed ends well: tries are counted here
        enable_task_events=False,
        scheduling_strategy=PlacementGroupSchedulingStrategy(group, 0),
    )
    try:
        for left in reversed(range(TRIES)):
            try:
                answer = _awaited(remote.remote(call, max(1, math.floor(options.cpus_per_actor))), look)
            except RayTaskError as error:
                raise PathsearchError(
                    f"{what} raised {described(error.cause)}: every node must have the same files and packages as "
                    "this one"
                ) from error
            except RayError as error:
                if not cluster.answers():
                    raise MachineLost(f"Ray is gone ({one_line(error)})") from error
                if not left:
                    said = f"{what}: its process was lost {TRIES} times, out of memory? ({one_line(error)})"
                    raise PathsearchError(said) from error
                continue
            if isinstance(answer, _Failed) and not answer.device:
                raise PathsearchError(answer.said)
            if not isinstance(answer, _Failed):
                return answer
        raise MachineLost(answer.said)
    finally:
        remove_placement_group(group)  # ends what still runs there


def _awaited(reference: Any, look: Callable[[], None]) -> Any:
    while not ray.wait([reference], timeout=cluster.LOOK)[0]:
        look()
    return ray.get(reference)


@dataclass(frozen=True)
class _Failed:
    """Why a call failed, in a line; device: whether a device failed, which another process may use."""

    said: str
    device: bool = False


def _called(call: Callable[[], Any], threads: int) -> Any:
    """What a call returned, or why it failed."""
    if not ray.get_gpu_ids():  # a task without a share of a GPU inherits the sight of all of them
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    torch.set_num_threads(threads)
    try:
        return call()
    except MachineLost as error:
        return _Failed(f"{one_line(error)}, on {platform.node()}", device=True)
    except PathsearchError as error:
        return _Failed(f"{one_line(error)}, on {platform.node()}")
