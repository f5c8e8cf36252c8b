"""A network on a data set as a function of one flat weight vector; the module itself is never changed."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap

from pathsearch.errors import PathsearchError
from pathsearch.numerics.seeds import Key, derive
from pathsearch.objectives import LossSettings, Measured, evaluation, parameters, statistics
from pathsearch.objectives.batches import both, wanted
from pathsearch.objectives.carrier import Carrier, Handling, built
from pathsearch.objectives.counted import Function
from pathsearch.objectives.data import Data
from pathsearch.objectives.determinism import not_deterministic, remark
from pathsearch.objectives.glimpse import Glimpse
from pathsearch.objectives.kinds import kinds
from pathsearch.objectives.losses import Guessing
from pathsearch.objectives.mean import Mean
from pathsearch.objectives.memory import allocations, halving
from pathsearch.objectives.nests import Batch
from pathsearch.objectives.probe import Probe, Tasked, differ
from pathsearch.objectives.tasks import Task, columns
from pathsearch.objectives.tensors import State, cast, digest, same, strided
from pathsearch.objectives.trial import gradient, refuse_constant, tried
from pathsearch.objectives.users_code import errors_named

DROPOUT = 3  # what a seed is for
PROBED = (16, 8)  # examples of the passes that show what a network does

Found = TypeVar("Found")


class NetworkObjective:
    """Mean loss of a mini-batch plus ½λ|w|² (all coordinates, as in Garipov et al. 2018); see `Objective`.

    built_in: whether the network is one of this program's own, which take channels-last images, write to no batch and
    draw from torch's generator only. called: the network's name in errors. Raises PathsearchError where the network
    cannot be trained on the data.
    """

    def __init__(
        self,
        make: Callable[[], nn.Module],
        data: Data,
        task: Task,
        options: LossSettings,
        device: torch.device,
        augment: bool = False,
        measured: Measured | None = None,
        built_in: bool = False,
        called: str = "the network",
    ) -> None:
        self.called, self.task, self.options = called, task, options
        self.make, self.device, self.weight_decay = make, device, options.weight_decay
        self.dtype: torch.dtype = getattr(torch, options.dtype)
        own_code = not built_in or any(each.own for each in (task.loss, *task.metrics.values()))
        patterns = None if options.parameters is None else tuple(options.parameters)
        self._handling = Handling(own_code, called, patterns, options.precision)
        self._foreign = own_code
        self._built = partial(built, make, dtype=self.dtype, device=device, how=self._handling)
        self._carrier = self._built(0)
        self.module, self.coordinates = self._carrier.module, self._carrier.coordinates
        self.table, self.names, self.size = self.coordinates.table, self.coordinates.names, self.coordinates.size
        self.state = dict(self._carrier.made)
        self.remarks: list[str] = []
        """Lines for the user; whoever drives the objective takes them out."""
        # refers to nothing but them: what reads ahead has it, and is to end with the objective
        self._remark = partial(_add_new, self.remarks, set())
        measured = measured or Measured()
        self.train, self.test = both(data, wanted(options, device, augment, built_in, measured), self._remark)
        self.metrics = columns(task.metrics)
        self._adopted: set[str] = set()
        self.at_once = 1 << 30
        """Most weight vectors that `losses_and_gradients` has memory for, as far as is known."""
        self.chunk = min(measured.chunk, max(self.train.measured, self.test.measured))
        """Most examples at once in measuring that there is memory for, as far as is known."""
        self._drawn: tuple[Key, list[Batch]] | None = None
        # what a user's function puts together is not cut: its parts may be no batches
        for line in tried(self._carrier, task, self.train.first(PROBED[0]), data.outputs, cut=not data.called):
            self._remark(line)
        self._look_for_kernels(self.train.first(PROBED[1]))
        probe = self._probe()
        self._kinds = kinds(probe)
        self._carrier.unwritten = self._kinds.unwritten
        self._stateless = probe.stateless()
        self.stochastic = self.train.size < len(self.train) or self.train.augment or self._kinds.draws

    @property
    def arithmetic(self) -> tuple[str, bool]:
        """Precision and whether kernels are deterministic, see `machine.prepare_torch`."""
        return self.options.precision, self.options.deterministic

    @property
    def described(self) -> dict[str, dict[str, Any]]:
        """What a reader of a metric's values has to know, by its name without the set's."""
        return {name: {"higher": each.higher, "share": each.share} for name, each in self.task.metrics.items()}

    @property
    def measured(self) -> dict[str, int]:
        """How many examples of each set are measured, and of how many."""
        both = {"train": self.train, "test": self.test}
        numbers = {name: each.measured for name, each in both.items()}
        return {**numbers, **{f"{name}_of": len(each) for name, each in both.items()}}

    @property
    def shared(self) -> State:
        """What all points of a path share and is no coordinate, by name: frozen parameters, and constant buffers."""
        return {name: strided(self.state[name]) for name in self._kinds.shared}

    @property
    def made(self) -> State:
        """What the network's constructor makes of what is `shared`, by name."""
        return {name: strided(self._carrier.made[name]) for name in self._kinds.shared}

    @cached_property
    def digests(self) -> dict[str, str]:
        """SHA-256 of what is `made`, by name."""
        return {name: digest(value) for name, value in self.made.items()}

    @property
    def buffers(self) -> State:
        """All buffers, by name."""
        return {name: value for name, value in self.state.items() if name not in self._carrier.frozen}

    @cached_property
    def state_names(self) -> list[tuple[str, tuple[int, ...]]]:
        """Every name that a state_dict of the network may have, with its shape: parameters, then buffers."""
        return parameters.saved_names(self.module)

    @property
    def statistics(self) -> tuple[str, ...]:
        """Names of running statistics, which go with the units that they are of."""
        names = (*self._kinds.averaged, *self._kinds.rates)
        return tuple(name for name in names if self.state[name].is_floating_point() and self.state[name].ndim)

    def looked_at(self, wide: bool) -> tuple[Carrier, list[nn.Module]]:
        """The network, and those of its layers that have statistics; wide: made anew in float64 on the CPU."""
        carrier = self._built(0, dtype=torch.float64, device=torch.device("cpu")) if wide else self._carrier
        names = [name for name, part in self.module.named_modules() if any(part is each for each in self._kinds.layers)]
        return carrier, [carrier.module.get_submodule(name) for name in names]

    @property
    def draws(self) -> bool:
        """Whether a forward pass in training mode draws random numbers, as dropout does."""
        return self._kinds.draws

    def __repr__(self) -> str:
        kind = str(self.dtype).removeprefix("torch.")
        return (
            f"{type(self).__name__}({self.size:,} weights, {len(self.train):,} training and {len(self.test):,} test "
            f"examples, {kind} on {self.device})"
        )

    def loss(self, weights: Tensor, key: Key) -> Tensor:
        with torch.no_grad(), self._carrier.holding(weights, self.state):
            mean = Mean(self.task.loss.called)
            for number, batch in enumerate(self._pieces(key)):
                mean.add(*self._carrier.of(self.task.loss, batch, _dropout(key, number)))
        return mean.value + self._penalty(weights)

    def loss_and_gradient(
        self, weights: Tensor, key: Key, loss: Callable[..., Any] | None = None
    ) -> tuple[Tensor, Tensor]:
        """As in `Objective`; loss: another way to work it out, which is given weights and state besides a batch."""
        gradient, mean = torch.zeros_like(weights), Mean(self.task.loss.called)
        if loss is None:
            with self._carrier.holding(weights, self.state), self._carrier.adding_to(gradient):
                parameters = list(self._carrier.trained.values())
                self._backward(key, mean, parameters, self.task.loss)
        else:
            self._refuse_stateful()
            views = [part.requires_grad_() for part in self._carrier.placed(weights)]
            for view, part in zip(views, self.coordinates.parts(gradient)):
                view.grad = part
            with self._carrier.restored():
                self._backward(key, mean, views, lambda model, batch: loss(views, self.state, batch))
        mean.scale(gradient)
        if self.weight_decay:
            gradient.add_(weights, alpha=self.weight_decay)
        return mean.value + self._penalty(weights), gradient

    def losses_and_gradients(self, weights: Tensor, key: Key) -> tuple[Tensor, Tensor]:
        """Losses [n] and gradients [n, size] at several weight vectors [n, size], worked out as one batch."""
        self._refuse_stateful()
        # the network may write to its weights
        views = self.coordinates.parts(weights.clone() if self._foreign else weights)
        # and to its buffers, of which each point has its own; frozen parameters may be large, so all points share them
        ways = {name: None if name in self._carrier.frozen else 0 for name in self.state}
        state = {
            n: each if ways[n] is None else each.expand(len(weights), *each.shape) for n, each in self.state.items()
        }

        def counted(views: list[Tensor], state: State, batch: Batch) -> tuple[Tensor, Tensor]:
            total, count = self._counted(views, state, batch)
            return total, torch.as_tensor(count, device=self.device)

        both = vmap(grad_and_value(counted, has_aux=True), in_dims=(0, ways, None), randomness="same")
        gradient, mean = torch.zeros_like(weights), Mean(self.task.loss.called)
        for number, batch in enumerate(self._pieces(key)):
            with self._carrier.restored():
                parts, (totals, counts) = self._carrier.of(
                    lambda model, given: both(views, state, given), batch, _dropout(key, number)
                )
            mean.add(totals, counts[0])  # the weights have no say in the count
            gradient.add_(torch.cat([part.reshape(len(weights), -1) for part in parts], dim=1), alpha=1.0 / mean.unit)
        mean.scale(gradient)
        if self.weight_decay:
            gradient.add_(weights, alpha=self.weight_decay)
        return mean.value + torch.stack([self._penalty(each) for each in weights]), gradient

    @cached_property
    def compiled(self) -> Callable[..., Any]:
        """The loss of a batch, which torch compiles together with its gradient at the first use."""
        # a size of mini-batch has the same kernels whichever came before it
        return torch.compile(self._counted, mode="reduce-overhead", dynamic=False)

    def measure(self, weights: Tensor, examples: int | None = None) -> dict[str, float]:
        """Every metric on what is measured of both sets, un-augmented, with statistics of the training set's part."""

        def scored(chunk: int) -> dict[str, float]:
            return self._scores(weights, self._estimated(weights, chunk, examples), chunk, examples)

        return self._measuring(scored)

    def measure_with(self, weights: Tensor, buffers: dict[str, NDArray[Any]]) -> dict[str, float]:
        """As `measure`, with given buffers: an endpoint with the running statistics it was saved with."""
        given = {name: torch.from_numpy(value) for name, value in buffers.items() if name in self.state}
        state = {**self.state, **{name: cast(value, self.state[name]) for name, value in given.items()}}
        return self._measuring(lambda chunk: self._scores(weights, state, chunk))

    def predictions(self, weights: Tensor) -> NDArray[np.int64] | None:
        guessing = self.task.guessing
        if guessing is None:
            return None

        def predicted(chunk: int) -> Tensor:
            state = self._estimated(weights, chunk)
            return evaluation.predictions(self._carrier, guessing, weights, state, self.test.whole(chunk))

        return np.asarray(self._measuring(predicted).cpu().numpy(), dtype=np.int64)

    def outputs(
        self,
        points: Sequence[tuple[Tensor, State]],
        ranking: Guessing,
        take: Callable[[Iterator[tuple[Tensor, Tensor]]], Found],
    ) -> list[Found]:
        """What `take` makes of each chunk of the test set, of which it is given `evaluation.outputs` at the points."""

        def taken(chunk: int) -> list[Found]:
            batches = enumerate(self.test.whole(chunk))
            return [take(evaluation.outputs(self._carrier, ranking, points, batch, n)) for n, batch in batches]

        return self._measuring(taken)

    def reestimated(self, weights: Tensor) -> State:
        """The state with statistics averaged over what is measured of the training set, un-augmented, dropout off."""
        return self._measuring(lambda chunk: self._estimated(weights, chunk))

    def at(self, weights: Tensor) -> nn.Module:
        """The network at a point, with the statistics of `reestimated`: a module of its own, in evaluation mode."""
        with torch.no_grad():
            state = self.reestimated(weights)
        # the precision is that of passes here: the module is to be a plain one
        return self._built(0, how=replace(self._handling, precision="float32")).settled(weights, state)

    def initial(self, seed: int) -> Tensor:
        carrier = self._built(seed)
        drawn = [name for name in self._kinds.shared if not same(carrier.made[name], self._carrier.made[name])]
        if drawn:
            some = ", ".join(drawn[:3]) + (f" and {len(drawn) - 3} more" if len(drawn) > 3 else "")
            self._remark(
                f"{some}: no coordinates, but drawn at random when the network is made; all points of a path share "
                "them, whatever the seeds of its endpoints"
            )
        return self.flat(carrier.trained)

    def adopt(self, values: dict[str, Tensor], source: str) -> None:
        """Take over an endpoint's values of what is `shared`; other names are passed over.

        Raises PathsearchError where they do not fit, or differ from what another endpoint brought in a way that an
        output depends on.
        """
        shared = {name: self.state[name] for name in self._kinds.shared}
        called = lambda name: f"{self._carrier.kind(name)} of {source}"
        taken = parameters.adopted(values, shared, called)
        others = [name for name in taken if name in self._adopted and not same(shared[name], taken[name])]
        for name in others:
            if self._matters(name, taken.pop(name)):
                frozen = name in self._carrier.frozen
                remedy = "; name it in objective.parameters to make it a coordinate" if frozen else ""
                raise PathsearchError(f"{called(name)} differs from the other endpoint's: no path joins them{remedy}")
        self.state.update(taken)
        self._adopted.update(taken)

    def flat(self, named: dict[str, Any]) -> Tensor:
        """The weight vector [size] of parameters given by name."""
        return self.coordinates.flat(named)

    def _measuring(self, work: Callable[[int], Found]) -> Found:
        """What `work` finds with as many examples at once as there is memory for."""
        found, chunk = halving(work, self.chunk, self.device)
        if chunk < self.chunk:
            self._remark(f"measuring {chunk} examples at once: {self.chunk} did not fit in memory")
            self.chunk = chunk
        return found

    def _estimated(self, weights: Tensor, chunk: int, examples: int | None = None) -> State:
        chunks = self.train.whole(chunk, examples)
        return statistics.reestimated(self._carrier, self.task.loss, self._kinds, weights, self.state, chunks)

    def _scores(self, weights: Tensor, state: State, chunk: int, examples: int | None = None) -> dict[str, float]:
        functions = {"loss": self.task.loss, **self.task.metrics}
        found = {
            f"{split}_{name}": value
            for split, data in (("train", self.train), ("test", self.test))
            for name, value in evaluation.scores(
                self._carrier, functions, weights, state, data.whole(chunk, examples)
            ).items()
        }
        return {**found, "train_loss_l2": found["train_loss"] + float(self._penalty(weights))}

    def _probe(self) -> Probe:
        some = (self.train.first(count) for count in PROBED)
        return Probe(self._carrier, self.task.loss, *some)

    def _look_for_kernels(self, batch: Batch) -> None:
        """Remark on operations that may give other bits each time; torch refuses them if that is asked for."""
        once = partial(gradient, self._carrier, self.task, batch)
        if self.options.deterministic or isinstance(self.train, Glimpse):  # whose vectors are elsewhere
            once()
        elif names := not_deterministic(once):
            self._remark(remark(names, self.device))

    def _matters(self, name: str, value: Tensor) -> bool:
        """Whether the network's output, in training mode or in evaluation mode, is another with this value."""
        probe = self._probe()
        mine, other = self.state, {**self.state, name: value}
        modes: tuple[tuple[nn.Module, ...] | None, ...] = (None, ())
        return any(differ(probe.look(mine, 0, mode).outputs, probe.look(other, 0, mode).outputs) for mode in modes)

    def _pieces(self, key: Key) -> Iterable[Batch]:
        """The mini-batch of a step, which all images of a step share; it is kept where it is one piece."""
        if self._drawn is not None and self._drawn[0] == key:
            return self._drawn[1]
        size, most = key.batch or self.train.size, self.options.micro_batch
        if most is not None and most < size:
            return self.train.draw(key)
        self._drawn = None  # makes room for the next one
        self._drawn = key, list(self.train.draw(key))
        return self._drawn[1]

    def _backward(self, key: Key, mean: Mean, parameters: Sequence[Tensor], loss: Function) -> None:
        """Add up the loss and, where the parameters want it, its gradient over the pieces of a mini-batch."""
        with torch.enable_grad():
            for number, batch in enumerate(self._pieces(key)):
                total, count = self._carrier.of(loss, batch, _dropout(key, number))
                part = mean.add(total, count)
                if not part.requires_grad:
                    refuse_constant(self.task.loss, count)
                    continue
                with errors_named("the network's gradient"), allocations():
                    torch.autograd.backward(part, inputs=parameters)

    def _counted(self, views: list[Tensor], state: State, batch: Batch) -> Any:
        """The loss and its count without the module's own tensors: what vmap and torch.compile can do."""
        unwritten = self._carrier.unwritten  # to all else a pass may write
        copies = {name: each if name in unwritten else each.clone() for name, each in state.items()}
        tensors = {**dict(zip(self.names, views)), **copies}
        return functional_call(self._tasked, Tasked.names(tensors), (batch,))

    @cached_property
    def _tasked(self) -> Tasked:
        return Tasked(self.module, self.task.loss)

    def _refuse_stateful(self) -> None:
        if not self._stateless:
            raise PathsearchError(
                "the network refers to its parameters in a way that allows no other holder.gradients than loop"
            )

    def _penalty(self, weights: Tensor) -> Tensor:
        """½λ|w|², summed in float64."""
        if not self.weight_decay:
            return torch.zeros((), dtype=torch.float64, device=weights.device)
        return 0.5 * self.weight_decay * torch.linalg.vector_norm(weights, dtype=torch.float64) ** 2


def _add_new(lines: list[str], said: set[str], line: str) -> None:
    if line not in said:
        said.add(line)
        lines.append(line)


def _dropout(key: Key, number: int) -> int:
    """The seed of what a pass over a piece of a mini-batch draws."""
    return derive(DROPOUT, key.seed, key.step, *([number] if number else []))
