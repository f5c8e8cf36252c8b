"""The actors: calling them, waiting for them with a time-out, and saying which one failed and why."""

import math
import pickle
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import ray
import torch
from ray.exceptions import GetTimeoutError, RayError, RayTaskError
from ray.util.placement_group import remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from pathsearch.errors import HolderLost, PathsearchError, one_line
from pathsearch.holders.ray import cluster
from pathsearch.holders.ray.worker import Evaluation, Facts, Worker
from pathsearch.holders.settings import HolderSettings
from pathsearch.objectives.protocol import Objective

UNKNOWN = Facts("an unknown host", 0, "an unknown device")


@dataclass(frozen=True)
class Call:
    """A call under way: `reference` names what it will return."""

    actor: int
    reference: Any


class Pool:
    """Actors on room reserved for all of them; `bytes` counts what the coordinator sent and got, without vectors."""

    def __init__(self, options: HolderSettings, make: Callable[[], Objective], fewer: bool = False) -> None:
        self._timeout = options.timeout
        self.bytes = 0
        self._group, gpus = cluster.reserve(options, fewer)
        remote = ray.remote(Worker)
        threads = max(1, math.floor(options.cpus_per_actor))
        self._actors: list[Any] = [
            remote.options(
                num_cpus=options.cpus_per_actor,
                num_gpus=gpus,
                scheduling_strategy=PlacementGroupSchedulingStrategy(self._group, bundle),
            ).remote(threads, gpus > 0, options.timeout)
            for bundle in range(self._group.bundle_count)
        ]
        self._facts = [UNKNOWN] * len(self)
        try:
            self._facts = self.wait([self.send(actor, "open", make) for actor in range(len(self))])
        except PathsearchError:
            self.close()
            raise

    def __len__(self) -> int:
        return len(self._actors)

    def call(self, actor: int, method: str, *arguments: Any, lists: tuple[Any, ...] = ()) -> Call:
        """Call a method with small arguments, which are counted, and lists of references."""
        self.bytes += len(pickle.dumps(arguments))
        return self.send(actor, method, *arguments, *lists)

    def send(self, actor: int, method: str, *arguments: Any) -> Call:
        """Call a method without counting the bytes."""
        return Call(actor, getattr(self._actors[actor], method).remote(*arguments))

    def results(self, calls: list[Call], silent: list[Call] | None = None) -> list[Any]:
        """What calls return, counted; raises as `wait`. `silent` ones return no more than references, if anything."""
        results = self.wait(calls + (silent or []))[: len(calls)]
        self.bytes += sum(len(pickle.dumps(_counted(result))) for result in results)
        return results

    def wait(self, calls: list[Call]) -> list[Any]:
        """What calls return. Raises HolderLost where an actor died or does not answer, PathsearchError otherwise."""
        try:
            return list(ray.get([call.reference for call in calls], timeout=self._timeout))
        except RayError:
            raise self._fault(calls) from None

    def each(self, calls: list[Call], tick: Callable[[int], None]) -> list[Any]:
        """As `results`, telling `tick` of every call that is done; the time-out is that of one call."""
        under_way = [call.reference for call in calls]
        while under_way:
            done, under_way = ray.wait(under_way, num_returns=1, timeout=self._timeout)
            self.results([call for call in calls if call.reference in done] or calls)
            tick(len(done))
        return self.wait(calls)

    def name(self, actor: int) -> str:
        """An actor as people may look for it."""
        facts = self._facts[actor]
        return f"actor {actor} (process {facts.pid} on {facts.host}, {facts.device})"

    def describe(self) -> str:
        """How many actors there are, where."""
        places = Counter(f"{facts.host} {facts.device}" for facts in self._facts)
        return f"on {len(self)} Ray actors: " + ", ".join(f"{n} × {place}" for place, n in places.items())

    def close(self) -> None:
        """End the actors and give their room back."""
        for actor in self._actors:
            ray.kill(actor, no_restart=True)
        remove_placement_group(self._group)

    def _fault(self, calls: list[Call]) -> PathsearchError:
        """Why waiting for calls failed: what a user can mend before deaths, deaths before what follows from them."""
        faults: list[tuple[int, PathsearchError]] = []
        for call in calls:
            who = self.name(call.actor)
            try:
                ray.get(call.reference, timeout=0.05)
            except GetTimeoutError:
                faults.append((3, HolderLost(f"{who} did not answer within {self._timeout:g} s")))
            except RayTaskError as error:
                faults.append(_of_task(error, who))
            except RayError as error:
                faults.append((1, HolderLost(f"{who} died ({type(error).__name__})")))
        return min(faults, key=lambda fault: fault[0], default=(0, HolderLost("an actor was lost")))[1]


def _counted(result: Any) -> Any:
    return replace(result, parts=[]) if isinstance(result, Evaluation) else result


def _of_task(error: RayTaskError, who: str) -> tuple[int, PathsearchError]:
    """The fault that an exception inside an actor stands for, and its rank."""
    cause = getattr(error, "cause", error)
    if isinstance(cause, PathsearchError):
        return 0, type(cause)(f"{cause}, on {who}")
    if isinstance(cause, RayError) and not isinstance(cause, RayTaskError):
        return 2, HolderLost(f"{who} lost what another actor had published ({type(cause).__name__})")
    if isinstance(cause, (torch.OutOfMemoryError, MemoryError)):
        return 0, PathsearchError(
            f"{who} ran out of memory: set objective.batch lower, or have fewer actors share a GPU"
        )
    return 0, PathsearchError(f"{who} raised {type(cause).__name__}: {one_line(cause)}")
