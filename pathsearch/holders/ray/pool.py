"""The actors: what each has to do next, waiting for them with a time-out, and which of them failed and why."""

import math
import pickle
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import ray
import torch
from ray.exceptions import GetTimeoutError, RayError, RayTaskError
from ray.util.placement_group import remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from pathsearch.errors import HolderLost, PathsearchError, described, one_line
from pathsearch.holders.ray import cluster
from pathsearch.holders.ray.worker import EXCHANGE, Facts, Operation, Worker
from pathsearch.holders.settings import HolderSettings
from pathsearch.objectives.faults import device_fault
from pathsearch.objectives.protocol import Objective

AHEAD = 2  # single operations that an actor is sent at once: one under way, and one to begin next
START = 300.0  # seconds in which an actor has to be up with its data, at least
UNKNOWN = Facts("an unknown host", 0)


@dataclass(frozen=True)
class Call:
    """A call under way: `reference` names what it will return."""

    actor: int
    reference: Any


class Pool:
    """Actors for which Ray has reserved room; after a loss they may be fewer than the options asked for.

    Operations are queued, and sent together when an answer is wanted: one message an actor.
    """

    def __init__(
        self,
        options: HolderSettings,
        make: Callable[[], Objective],
        fewer: bool = False,
        log: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._timeout, self._log = options.timeout, log
        self._said: set[str] = set()
        self._group, gpus = cluster.reserve(options, fewer)
        self.options = options.model_copy(update={"actors": self._group.bundle_count, "gpus_per_actor": gpus})
        remote: Any = ray.remote(concurrency_groups={EXCHANGE: 1})(Worker)  # type: ignore[call-overload]
        threads = max(1, math.floor(options.cpus_per_actor))
        self._actors: list[Any] = [
            remote.options(
                num_cpus=options.cpus_per_actor,
                num_gpus=gpus,
                enable_task_events=False,  # nobody looks at them, and a step of many actors feels them
                scheduling_strategy=PlacementGroupSchedulingStrategy(self._group, bundle),
            ).remote(bundle, threads, gpus > 0, options.timeout)
            for bundle in range(self._group.bundle_count)
        ]
        self._queues: list[list[Operation]] = [[] for _ in self._actors]
        self._facts = [UNKNOWN] * len(self)
        self._bytes, self._received = 0, [0] * len(self)
        try:
            with self.patient():
                self._facts = self._met()
                devices = self._opened(make)
                self._facts = [replace(facts, device=device) for facts, device in zip(self._facts, devices)]
                self._all("meet", self._actors)
        except BaseException:
            self.close()
            raise

    def __len__(self) -> int:
        return len(self._actors)

    def queue(self, actor: int, name: str, *arguments: Any) -> None:
        """Have an actor carry out an operation, once it is sent."""
        self._queues[actor].append((name, arguments))

    def flush(self) -> dict[int, dict[str, Any]]:
        """Send what is queued and wait; returns what every actor with something to do found, by operation.

        Raises HolderLost where an actor died or does not answer, PathsearchError otherwise.
        """
        calls = [self._call(actor, queue) for actor, queue in enumerate(self._queues) if queue]
        self._queues = [[] for _ in self._actors]
        return {call.actor: found for call, found in zip(calls, self._counted(calls))}

    @contextmanager
    def patient(self) -> Iterator[None]:
        """Give the actors as long as a start may take."""
        usual, self._timeout = self._timeout, max(START, self._timeout)
        try:
            yield
        finally:
            self._timeout = usual

    def traffic(self) -> tuple[int, int]:
        """Bytes in and out of the coordinator, and into the busiest actor, since this was last asked.

        Vectors that are loaded or kept do not count.
        """
        sent, received = self._bytes, max(self._received)
        self._bytes, self._received = 0, [0] * len(self)
        return sent, received

    def each(self, operations: list[tuple[int, Operation]], tick: Callable[[int, Any], None]) -> list[Any]:
        """Carry out single operations, each on its actor; returns what they found. Raises as `flush`.

        `tick` is told of each when it is done. An actor is sent at most AHEAD of them before it answers, so that what
        `tick` raises does not have to wait for the rest.
        """
        self.flush()
        ahead = {actor: deque[int]() for actor in range(len(self))}
        for i, (actor, _) in enumerate(operations):
            ahead[actor].append(i)
        waiting: dict[Any, tuple[int, Call]] = {}

        def send(actor: int) -> None:
            i = ahead[actor].popleft()
            call = self._call(actor, [operations[i][1]])
            waiting[call.reference] = i, call

        for actor, queue in ahead.items():
            for _ in range(min(AHEAD, len(queue))):
                send(actor)
        found: dict[int, Any] = {}
        while waiting:
            done, _ = ray.wait(list(waiting), num_returns=1, timeout=self._timeout)
            if not done:
                raise self._fault([call for _, call in waiting.values()])
            i, call = waiting.pop(done[0])
            found[i] = self._counted([call])[0][operations[i][1][0]]
            if ahead[call.actor]:
                send(call.actor)
            tick(i, found[i])
        return [found[i] for i in range(len(operations))]

    def vector(self, actor: int, name: str, *arguments: Any) -> Any:
        """Call a method that takes or returns a vector as long as the network; its bytes are not counted."""
        self.flush()
        return self._got([Call(actor, getattr(self._actors[actor], name).remote(*arguments))])[0]

    def name(self, actor: int) -> str:
        """How people find an actor: its number, process, machine and device."""
        facts = self._facts[actor]
        return f"actor {actor} (process {facts.pid} on {facts.host}{facts.device and ', '}{facts.device})"

    def describe(self) -> str:
        """How many actors there are, where."""
        places = Counter(f"{facts.host} {facts.device}" for facts in self._facts)
        return f"on {len(self)} Ray actors: " + ", ".join(f"{n} × {place}" for place, n in places.items())

    def devices(self) -> str:
        """The kinds of device they have."""
        return "+".join(sorted({facts.device.partition(":")[0] for facts in self._facts}))

    def count(self) -> float:
        """How many devices they are."""
        share = self.options.gpus_per_actor or 0.0
        return len(self) * (min(share, 1.0) or 1.0)

    def close(self) -> None:
        """End the actors and give their room back; not where the whole cluster is gone, which takes minutes to see."""
        if not cluster.answers():
            return
        for actor in self._actors:
            ray.kill(actor, no_restart=True)
        remove_placement_group(self._group)

    def _all(self, method: str, *arguments: Any) -> list[Any]:
        return self._got([Call(a, getattr(actor, method).remote(*arguments)) for a, actor in enumerate(self._actors)])

    def _met(self) -> list[Facts]:
        try:
            return self._all("hello")
        except HolderLost as error:
            raise HolderLost(f"{error} at its start: every node must have the same packages as this one") from None

    def _opened(self, make: Callable[[], Objective]) -> list[str]:
        try:
            return self._all("open", make)
        except HolderLost:
            raise
        except PathsearchError as error:
            raise PathsearchError(f"{error}: every node must have the same files and packages as this one") from None

    def _call(self, actor: int, operations: list[Operation]) -> Call:
        message = pickle.dumps(operations)
        self._bytes += len(message)
        return Call(actor, self._actors[actor].do.remote(message))

    def _counted(self, calls: list[Call]) -> list[Any]:
        answers = self._got(calls)
        self._bytes += sum(map(len, answers))
        found = [pickle.loads(answer) for answer in answers]
        for call, results in zip(calls, found):
            self._received[call.actor] += results.pop("received")
            for line in results.pop("remarks"):
                if line not in self._said:  # actors with equal devices have equal remarks
                    self._said.add(line)
                    self._log(line)
        return found

    def _got(self, calls: list[Call]) -> list[Any]:
        try:
            return list(ray.get([call.reference for call in calls], timeout=self._timeout))
        except RayError:
            fault = self._fault(calls)
            raise fault from fault.__cause__

    def _waits(self, actor: int) -> str:
        """What a silent actor waits for, if it can be asked."""
        try:
            return str(ray.get(self._actors[actor].waits.remote(), timeout=1))
        except RayError:
            return ""

    def _fault(self, calls: list[Call]) -> PathsearchError:
        """Why waiting for calls failed: a fault that a user can mend, else a death, else what follows from a death."""
        faults: list[tuple[int, PathsearchError]] = []
        for call in calls:
            who = self.name(call.actor)
            try:
                ray.get(call.reference, timeout=0.05)
            except GetTimeoutError:
                waits = self._waits(call.actor)
                said = f"waits for {waits}" if waits else f"did not answer within {self._timeout:g} s"
                faults.append((3 if waits else 2, HolderLost(f"{who} {said}")))
            except RayTaskError as error:
                faults.append(_of_task(error, who))
            except RayError as error:
                faults.append((1, HolderLost(f"{who} died ({type(error).__name__})")))
        return min(faults, key=lambda fault: fault[0], default=(0, HolderLost("an actor was lost")))[1]


def _of_task(error: RayTaskError, who: str) -> tuple[int, PathsearchError]:
    """The fault that an exception inside an actor stands for, and its rank."""
    cause = getattr(error, "cause", error)
    if isinstance(cause, HolderLost) or (isinstance(cause, RayError) and not isinstance(cause, RayTaskError)):
        return 3, HolderLost(f"{who} lost touch with another actor ({one_line(cause)})")
    if fault := device_fault(cause):
        lost = HolderLost(f"{who}: {fault}")
        lost.__cause__ = cause
        return 1, lost
    if isinstance(cause, PathsearchError):
        return 0, type(cause)(f"{cause}, on {who}")
    if isinstance(cause, (torch.OutOfMemoryError, MemoryError)):
        return 0, PathsearchError(f"{who} ran out of memory: have fewer actors share a GPU")
    return 0, PathsearchError(f"{who} raised {described(cause)}")
