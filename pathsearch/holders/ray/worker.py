"""One actor: a block of pivots on a device of its own, and the vectors that actors send each other."""

import os
import pickle
import platform
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import ray
import torch
from numpy.typing import NDArray

from pathsearch.errors import HolderLost
from pathsearch.holders import vectors
from pathsearch.holders.block import Block, copied
from pathsearch.holders.questions import Question
from pathsearch.numerics.basis import Array
from pathsearch.numerics.messages import Plan
from pathsearch.numerics.seeds import Key
from pathsearch.objectives.gradients import prepared
from pathsearch.objectives.protocol import Objective, remarked

EXCHANGE = "exchange"
"""The concurrency group of what is answered while an operation is under way."""

Operation = tuple[str, tuple[Any, ...]]
"""The name of a method of `Worker`, and its arguments."""

Transfer = tuple[str, int, list[int]]
"""What is sent, of which pivot, to which actors: its `pivot`, its `gradient`, or all its `states`."""

Label = tuple[str, int, int, int]
"""What a vector on its way is (pivot, gradient, or a state's name), the path's version, its pivot, and its sender."""


@dataclass(frozen=True)
class Facts:
    """Who an actor is."""

    host: str
    pid: int
    device: str = ""


@dataclass(frozen=True)
class Evaluation:
    """Losses [s] of an actor's points, and how long they and their gradients took."""

    losses: Array
    seconds: float


class Worker:
    """What an actor answers to. Operations come in lists, so that a step takes one message; vectors that other actors
    send are received by a thread of its own.

    A vector on its way is known by its label. An actor is told which ones will come, and waits for them.
    """

    def __init__(self, index: int, threads: int, gpu: bool, timeout: float) -> None:
        if not gpu:  # an actor without a share of a GPU inherits the sight of all of them
            os.environ["CUDA_VISIBLE_DEVICES"] = ""
        self._index, self._threads, self._timeout = index, threads, timeout
        self._arrived: dict[Label, NDArray[Any]] = {}
        self._arrival = threading.Condition()
        self._sender = ThreadPoolExecutor(1, initializer=os.nice, initargs=(10,))  # gradients come first
        self._sending: list[Future[None]] = []
        self._waiting = ""
        self._received = 0  # bytes
        self._moving: set[int] = set()

    def hello(self) -> Facts:
        """Be there."""
        return Facts(platform.node(), os.getpid())

    def open(self, make: Callable[[], Objective]) -> str:
        """Make the objective here; returns its device. Raises PathsearchError where that cannot be."""
        self._block = Block(make())
        torch.set_num_threads(self._threads)  # after a user's modules had their say: bits depend on it
        return str(self._block.objective.device)

    def meet(self, actors: list[Any]) -> None:
        """Know all actors, this one included, to send them vectors."""
        self._actors = actors

    @ray.method(concurrency_group=EXCHANGE, num_returns=0)
    def receive(self, label: Label, vector: NDArray[Any]) -> None:
        with self._arrival:
            self._arrived[label] = vector
            self._arrival.notify_all()

    @ray.method(concurrency_group=EXCHANGE)
    def waits(self) -> str:
        """The vector that this actor waits for; empty where it is busy itself."""
        return self._waiting

    def do(self, message: bytes) -> bytes:
        """Carry out operations in order; returns what they have found, by their names, bytes received and remarks.

        Both are pickled here: Ray takes several times as long for many small arrays.
        """
        operations: list[Operation] = pickle.loads(message)
        found = {name: getattr(self, name)(*arguments) for name, arguments in operations}
        self._all_sent()
        found["received"], self._received = self._received, 0
        found["remarks"] = remarked(self._block.objective)
        return pickle.dumps(found)

    def prepare_gradients(self, how: str) -> None:
        """Evaluate gradients so from now on (see `objectives.gradients`); what is to be compiled is compiled now."""
        self._block.evaluator = prepared(self._block.objective, how)

    def forget(self) -> None:
        """Own nothing."""
        self._block.forget()

    def take(self, row: int, vector: NDArray[Any], state: str | None = None) -> None:
        """Own a pivot, or one of its states."""
        if state is None:
            self._block.take(row, vector)
        else:
            self._block.states[state][row] = self._block.tensor(vector)

    def begin(self, count: int, moving: list[int], states: tuple[str, ...]) -> None:
        self._moving = set(moving)
        self._block.begin(count, moving, states)

    def send(self, version: int, transfers: list[Transfer]) -> None:
        """Send vectors to other actors, by a thread of its own: what follows need not wait for it."""
        for kind, row, targets in transfers:
            if kind == "states":
                contents = {name: own[row] for name, own in self._block.states.items()}
            else:
                contents = {kind: (self._block.own if kind == "pivot" else self._block.gradients)[row]}
            for name, vector in contents.items():
                label = (name, version, row, self._index)
                self._sending.append(self._sender.submit(self._sent, label, vector.cpu().numpy(), targets))

    def evaluate(
        self, columns: list[int], mix: Array, back: Array, keys: list[Key], version: int, others: dict[int, int]
    ) -> Evaluation:
        """Losses and gradients at mixtures [s, columns] of the pivots, columns being those that are not all zero.

        others: pivots that other actors send, and who does. They travel while the gradients of the own ones are worked
        out.
        """
        full_mix, full_back = np.zeros((2, len(keys), self._block.count))
        full_mix[:, columns], full_back[:, columns] = mix, back
        if any(row not in self._block.own for row in np.flatnonzero(full_mix.any(axis=0))):
            self._wait_for_pivots(version, others)
        begun = time.perf_counter()
        losses = self._block.evaluate(full_mix, full_back, keys)
        seconds = time.perf_counter() - begun
        self._wait_for_pivots(version, others)
        return Evaluation(losses, seconds)

    def gram(self, version: int, senders: dict[int, list[int]]) -> Array:
        """Gram matrices [n, k, k] of the own moving pivots. senders: whose parts make up a pivot's gradient."""
        for row, actors in senders.items():
            total = None
            for actor in actors:  # in the same order every time: the sum's last bits depend on it
                own = actor == self._index
                part = self._block.gradients[row] if own else self._awaited("gradient", version, row, actor)
                total = part if total is None else total.add_(part)
            if total is not None:
                self._block.gradients[row] = total
        return self._block.gram()

    def update(self, plan: Plan) -> None:
        """Carry out the plan of the own moving pivots; copies of others' ones that move are out of date then."""
        self._block.update(plan)
        self._block.others = {row: v for row, v in self._block.others.items() if row not in self._moving}

    def mix(
        self,
        mixture: dict[int, Array],
        count: int,
        still: set[int],
        version: int,
        others: dict[int, int],
        states: dict[int, int],
    ) -> None:
        """Own these mixtures [N] of the pivots; `still` are those that stay as they are.

        others, states: pivots, and pivots whose states are mixed too, that other actors send, and who does.
        """
        self._wait_for_pivots(version, others)
        beside: dict[str, dict[int, torch.Tensor]] = {name: {} for name in self._block.states}
        for row, actor in states.items():
            for name in beside:
                beside[name][row] = self._awaited(name, version, row, actor)
        self._all_sent()  # what is being sent are the vectors that are written now
        self._block.mix(mixture, count, sorted(self._moving), beside, still)

    def lengths(self, version: int, others: dict[int, int]) -> dict[int, float]:
        """Lengths of the segments that begin at own pivots."""
        self._wait_for_pivots(version, others)
        return self._block.lengths()

    def products(self, row: int, version: int, others: dict[int, int]) -> dict[int, float]:
        """Products of a pivot with the own ones from it on, taken from the first; the copy of it is dropped again."""
        self._wait_for_pivots(version, others)
        known, own = self._block.known, [i for i in self._block.own if i >= row]
        found = {i: vectors.product(known[i], known[row], known[0]) for i in own}
        if row > 0:
            self._block.others.pop(row, None)
        return found

    def ask(
        self, question: Question, weights: Array, version: int, others: dict[int, int], arguments: tuple[Any, ...]
    ) -> Any:
        """The answer to a question at a mixture [N] of the pivots."""
        self._wait_for_pivots(version, others)
        return self._block.ask(question, weights, *arguments)

    def pivot(self, row: int) -> NDArray[Any]:
        return copied(self._block.own[row])

    def optimizer_state(self, name: str, row: int) -> NDArray[Any]:
        return copied(self._block.states[name][row])

    def _all_sent(self) -> None:
        """Wait until the others have what was sent to them; a vector that could not be sent raises here."""
        for sending in self._sending:
            sending.result()
        self._sending = []

    def _sent(self, label: Label, vector: NDArray[Any], targets: list[int]) -> None:
        for target in targets:
            self._actors[target].receive.remote(label, vector)

    def _wait_for_pivots(self, version: int, others: dict[int, int]) -> None:
        """Keep copies of pivots that other actors send, as they come."""
        for row, actor in others.items():
            if row not in self._block.others:
                self._block.others[row] = self._awaited("pivot", version, row, actor)

    def _awaited(self, *label: Any) -> torch.Tensor:
        """The vector of this label, once it is there; raises HolderLost where it does not come."""
        self._waiting = f"{label[0]} {label[2]} from actor {label[3]}"
        with self._arrival:
            if not self._arrival.wait_for(lambda: label in self._arrived, self._timeout):
                raise HolderLost(f"no {self._waiting}")
            vector = self._arrived.pop(label)
        self._waiting = ""
        self._received += vector.nbytes
        return self._block.tensor(vector)
