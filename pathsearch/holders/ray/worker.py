"""One actor: a block of pivots on a device of its own, and the mail by which actors share what they need."""

import os
import pickle
import platform
import threading
import time
from collections.abc import Callable, Collection
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
from pathsearch.numerics.basis import Array
from pathsearch.numerics.seeds import Key
from pathsearch.objectives.gradients import prepared
from pathsearch.objectives.protocol import Objective, remarked
from pathsearch.optimizers.rules import Plan

Operation = tuple[str, tuple[Any, ...]]
"""The name of a method of `Worker`, and its arguments."""

Letter = tuple[str, int, list[int]]
"""What is sent, of which pivot, to which actors: `pivot`, `gradient`, or `states`, each of which is a letter."""


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
    """What an actor answers to. Operations come in lists, so that a step takes one message; mail has its own thread.

    A letter is known by what it holds (pivot, gradient or a register's name), the version of the path it belongs to,
    its pivot and its sender; who waits for it was told that it comes.
    """

    def __init__(self, index: int, threads: int, gpu: bool, timeout: float) -> None:
        if not gpu:  # an actor without a share of a GPU inherits the sight of all of them
            os.environ["CUDA_VISIBLE_DEVICES"] = ""
        self._index, self._threads, self._timeout = index, threads, timeout
        self._mail: dict[tuple[Any, ...], NDArray[Any]] = {}
        self._arrival = threading.Condition()
        self._post = ThreadPoolExecutor(1, initializer=os.nice, initargs=(10,))  # gradients come first
        self._posted: list[Future[None]] = []
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
        """Know all actors, this one included, to send them mail."""
        self._actors = actors

    @ray.method(concurrency_group="mail", num_returns=0)
    def receive(self, letter: tuple[Any, ...], content: NDArray[Any]) -> None:
        with self._arrival:
            self._mail[letter] = content
            self._arrival.notify_all()

    @ray.method(concurrency_group="mail")
    def waits(self) -> str:
        """The letter that this actor waits for; empty where it is busy itself."""
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

    def prepare_gradients(self, how: str, batches: Collection[int | None]) -> None:
        """Evaluate gradients so from now on (see `objectives.gradients`); what is to be compiled is compiled now."""
        self._block.evaluator = prepared(self._block.objective, how, batches)

    def forget(self) -> None:
        """Own nothing."""
        self._block.forget()

    def take(self, row: int, vector: NDArray[Any], register: str | None = None) -> None:
        """Own a pivot, or one of its states."""
        if register is None:
            self._block.take(row, vector)
        else:
            self._block.states[register][row] = self._block.tensor(vector)

    def begin(self, count: int, movable: list[int], states: tuple[str, ...]) -> None:
        self._moving = set(movable)
        self._block.begin(count, movable, states)

    def send(self, version: int, letters: list[Letter]) -> None:
        """Post vectors to other actors, by a thread of its own: what follows need not wait for it."""
        for kind, row, targets in letters:
            if kind == "states":
                contents = {name: own[row] for name, own in self._block.states.items()}
            else:
                contents = {kind: (self._block.own if kind == "pivot" else self._block.gradients)[row]}
            for name, content in contents.items():
                letter = (name, version, row, self._index)
                self._posted.append(self._post.submit(self._sent, letter, content.cpu().numpy(), targets))

    def evaluate(
        self, columns: list[int], mix: Array, back: Array, keys: list[Key], version: int, others: dict[int, int]
    ) -> Evaluation:
        """Losses and gradients at mixtures [s, columns] of the pivots, columns being those that are not all zero.

        others: pivots that come by mail, and from whom. They travel while the gradients of the own ones are worked
        out.
        """
        full_mix, full_back = np.zeros((2, len(keys), self._block.count))
        full_mix[:, columns], full_back[:, columns] = mix, back
        if any(row not in self._block.own for row in np.flatnonzero(full_mix.any(axis=0))):
            self._learn(version, others)
        begun = time.perf_counter()
        losses = self._block.evaluate(full_mix, full_back, keys)
        seconds = time.perf_counter() - begun
        self._learn(version, others)
        return Evaluation(losses, seconds)

    def gram(self, version: int, senders: dict[int, list[int]]) -> Array:
        """Gram matrices [n, k, k] of the own movable pivots. senders: whose parts make up a pivot's gradient."""
        for row, actors in senders.items():
            total = None
            for actor in actors:  # in the same order every time: the sum's last bits depend on it
                own = actor == self._index
                part = self._block.gradients[row] if own else self._opened("gradient", version, row, actor)
                total = part if total is None else total.add_(part)
            if total is not None:
                self._block.gradients[row] = total
        return self._block.gram()

    def update(self, plan: Plan) -> None:
        """Carry out the own rows of a plan; copies of others' pivots that move are out of date then."""
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

        others, states: pivots, and pivots whose states go along, that come by mail, and from whom.
        """
        self._learn(version, others)
        beside: dict[str, dict[int, torch.Tensor]] = {name: {} for name in self._block.states}
        for row, actor in states.items():
            for name in beside:
                beside[name][row] = self._opened(name, version, row, actor)
        self._all_sent()  # letters hold the vectors that are written now
        self._block.mix(mixture, count, sorted(self._moving), beside, still)

    def lengths(self, version: int, others: dict[int, int]) -> dict[int, float]:
        """Lengths of the segments that begin at own pivots."""
        self._learn(version, others)
        return self._block.lengths()

    def products(self, row: int, version: int, others: dict[int, int]) -> dict[int, float]:
        """Products of a pivot with the own ones from it on, taken from the first; the copy of it is dropped again."""
        self._learn(version, others)
        known, own = self._block.known, [i for i in self._block.own if i >= row]
        found = {i: vectors.product(known[i], known[row], known[0]) for i in own}
        if row > 0:
            self._block.others.pop(row, None)
        return found

    def loss(self, weights: Array, version: int, others: dict[int, int], keys: list[Key]) -> float:
        self._learn(version, others)
        return self._block.loss(weights, keys)

    def measure(self, weights: Array, version: int, others: dict[int, int]) -> dict[str, float]:
        self._learn(version, others)
        return self._block.objective.measure(self._block.point(weights))

    def measure_with(self, row: int, buffers: dict[str, NDArray[Any]]) -> dict[str, float]:
        return self._block.measure_with(row, buffers)

    def predictions(self, weights: Array, version: int, others: dict[int, int]) -> NDArray[np.int64] | None:
        self._learn(version, others)
        return self._block.objective.predictions(self._block.point(weights))

    def pivot(self, row: int) -> NDArray[Any]:
        return copied(self._block.own[row])

    def optimizer_state(self, name: str, row: int) -> NDArray[Any]:
        return copied(self._block.states[name][row])

    def _all_sent(self) -> None:
        """Wait until others have what was posted to them; a letter that could not be sent raises here."""
        for posted in self._posted:
            posted.result()
        self._posted = []

    def _sent(self, letter: tuple[Any, ...], content: NDArray[Any], targets: list[int]) -> None:
        for target in targets:
            self._actors[target].receive.remote(letter, content)

    def _learn(self, version: int, others: dict[int, int]) -> None:
        """Keep copies of others' pivots, as they come."""
        for row, actor in others.items():
            if row not in self._block.others:
                self._block.others[row] = self._opened("pivot", version, row, actor)

    def _opened(self, *letter: Any) -> torch.Tensor:
        """What a letter holds, once it is there; raises HolderLost where it does not come."""
        self._waiting = f"{letter[0]} {letter[2]} from actor {letter[3]}"
        with self._arrival:
            if not self._arrival.wait_for(lambda: letter in self._mail, self._timeout):
                raise HolderLost(f"no {self._waiting}")
            content = self._mail.pop(letter)
        self._waiting = ""
        self._received += content.nbytes
        return self._block.tensor(content)
