"""A network on a data set as a function of one flat weight vector; the module itself is never changed."""

from collections.abc import Callable
from functools import cached_property, partial
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap

from pathsearch.errors import PathsearchError
from pathsearch.numerics.seeds import Key, derive
from pathsearch.objectives import evaluation, parameters, statistics
from pathsearch.objectives.batches import Batches
from pathsearch.objectives.carrier import built
from pathsearch.objectives.data import Data
from pathsearch.objectives.kinds import kinds
from pathsearch.objectives.memory import allocations, halving
from pathsearch.objectives.probe import Probe, differ
from pathsearch.objectives.tasks import Task
from pathsearch.objectives.tensors import State, cast, same, strided
from pathsearch.objectives.users_code import errors_named

DROPOUT = 3  # what a seed is for
MEASURING_CHUNK = 500  # examples at once where no gradient is needed, as far as memory suffices
PROBED = 16  # examples of the passes that show what a network does

Found = TypeVar("Found")


class NetworkObjective:
    """Mean loss of a mini-batch plus ½λ|w|² (all coordinates, as in Garipov et al. 2018); see `Objective`.

    Coordinates are the parameters with requires_grad. built_in: whether the network is one of this program's own,
    which take channels-last images, write to no input and draw from torch's generator only. called: the network's name
    in errors. Raises PathsearchError where the network cannot be trained on the data.
    """

    metrics: tuple[str, ...] = ("train_loss", "train_error", "test_loss", "test_error", "train_loss_l2")
    stochastic: bool
    precision = "float32"
    """of products on a GPU, see `machine.prepare_torch`"""

    def __init__(
        self,
        make: Callable[[], nn.Module],
        data: Data,
        task: Task,
        batch: int | None,
        augment: bool,
        weight_decay: float,
        dtype: torch.dtype,
        device: torch.device,
        built_in: bool = False,
        called: str = "the network",
    ) -> None:
        self.called, self.task = called, task
        self.make, self.dtype, self.device, self.weight_decay = make, dtype, device, weight_decay
        self._foreign = not built_in
        self._built = partial(built, make, dtype=dtype, device=device, foreign=self._foreign, called=called)
        self._carrier = self._built(0)
        self.module, self.coordinates = self._carrier.module, self._carrier.coordinates
        self.table, self.names, self.size = self.coordinates.table, self.coordinates.names, self.coordinates.size
        self.state = dict(self._carrier.made)
        self.train = Batches(data.train, batch, augment, dtype, device, data.standardise, built_in)
        self.test = Batches(data.test, None, False, dtype, device, False, built_in).normalised_like(self.train)
        self.remarks: list[str] = []
        """Lines for the user; whoever drives the objective takes them out."""
        self._said: set[str] = set()
        self._adopted: set[str] = set()
        self.at_once = 1 << 30
        """Most weight vectors that `losses_and_gradients` has memory for, as far as is known."""
        self.chunk = min(MEASURING_CHUNK, max(len(self.train), len(self.test)))
        """Most examples at once in measuring that there is memory for, as far as is known."""
        self._batch: tuple[Key, tuple[Tensor, Tensor]] | None = None
        self._try(data.outputs)
        probe = self._probe()
        self._kinds = kinds(probe)
        self._stateless = probe.stateless()
        self.stochastic = self.train.size < len(self.train) or self.train.augment or self._kinds.draws

    @property
    def shared(self) -> State:
        """What all points of a path share and is no coordinate, by name: frozen parameters, and constant buffers."""
        return {name: strided(self.state[name]) for name in self._kinds.shared}

    @property
    def buffers(self) -> State:
        """All buffers, by name."""
        return {name: value for name, value in self.state.items() if name not in self._carrier.frozen}

    @cached_property
    def state_names(self) -> list[tuple[str, tuple[int, ...]]]:
        """Every name that a state_dict of the network may have, with its shape: parameters, then buffers."""
        return parameters.saved_names(self.module)

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
            return self._data_loss(key, self._forward_loss) + self._penalty(weights)

    def loss_and_gradient(
        self, weights: Tensor, key: Key, mean_loss: Callable[..., Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """As in `Objective`; mean_loss: another way to work out the loss, which is given weights and state."""
        with torch.enable_grad():
            if mean_loss is None:
                with self._carrier.holding(weights, self.state):
                    data_loss = self._data_loss(key, self._forward_loss)
                    gradient = _gradient(data_loss, list(self._carrier.trained.values()))
            else:
                self._refuse_stateful()
                views = [part.requires_grad_() for part in self._carrier.copied(weights)]
                with self._carrier.restored():
                    data_loss = self._data_loss(key, partial(mean_loss, views, self.state))
                    gradient = _gradient(data_loss, views)
        if self.weight_decay:
            gradient.add_(weights, alpha=self.weight_decay)
        return data_loss.detach() + self._penalty(weights), gradient

    def losses_and_gradients(self, weights: Tensor, key: Key) -> tuple[Tensor, Tensor]:
        """Losses [n] and gradients [n, size] at several weight vectors [n, size], worked out as one batch."""
        self._refuse_stateful()
        inputs, targets = self._drawn(key)
        # the network may write to its weights
        views = self.coordinates.parts(weights.clone() if self._foreign else weights)
        # and to its buffers, of which each point has its own; frozen parameters may be large, so all points share them
        ways = {name: None if name in self._carrier.frozen else 0 for name in self.state}
        state = {
            n: each if ways[n] is None else each.expand(len(weights), *each.shape) for n, each in self.state.items()
        }
        both = vmap(grad_and_value(self._mean_loss), in_dims=(0, ways, None, None), randomness="same")
        with self._carrier.restored(), self._carrier.user_code(derive(DROPOUT, key.seed, key.step)):
            gradients, losses = both(views, state, self._carrier.given(inputs), targets)
        gradient = torch.cat([part.reshape(len(weights), -1) for part in gradients], dim=1)
        if self.weight_decay:
            gradient.add_(weights, alpha=self.weight_decay)
        return losses + torch.stack([self._penalty(each) for each in weights]), gradient

    @cached_property
    def compiled(self) -> Callable[..., Tensor]:
        """The mean loss of a mini-batch, which torch compiles together with its gradient at the first use."""
        # a size of mini-batch has the same kernels whichever came before it
        return torch.compile(self._mean_loss, mode="reduce-overhead", dynamic=False)

    def measure(self, weights: Tensor) -> dict[str, float]:
        """Every metric on the whole training and test set, un-augmented, with statistics of the training set."""
        return self._measuring(lambda chunk: self._scores(weights, self._estimated(weights, chunk), chunk))

    def measure_with(self, weights: Tensor, buffers: dict[str, NDArray[Any]]) -> dict[str, float]:
        """As `measure`, with given buffers: an endpoint with the running statistics it was saved with."""
        given = {name: torch.from_numpy(value) for name, value in buffers.items() if name in self.state}
        state = {**self.state, **{name: cast(value, self.state[name]) for name, value in given.items()}}
        return self._measuring(lambda chunk: self._scores(weights, state, chunk))

    def predictions(self, weights: Tensor) -> NDArray[np.int64] | None:
        if self.test.targets.is_floating_point():
            return None

        def predicted(chunk: int) -> Tensor:
            return evaluation.predictions(self._carrier, weights, self._estimated(weights, chunk), self.test, chunk)

        return np.asarray(self._measuring(predicted).cpu().numpy(), dtype=np.int64)

    def reestimated(self, weights: Tensor) -> State:
        """The state with statistics averaged over the training set, un-augmented, dropout off."""
        return self._measuring(lambda chunk: self._estimated(weights, chunk))

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
                raise PathsearchError(f"{called(name)} differs from the other endpoint's: no path joins them")
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

    def _remark(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            self.remarks.append(line)

    def _estimated(self, weights: Tensor, chunk: int) -> State:
        return statistics.reestimated(self._carrier, self._kinds, weights, self.state, self.train, chunk)

    def _scores(self, weights: Tensor, state: State, chunk: int) -> dict[str, float]:
        found = {
            f"{split}_{name}": value
            for split, data in (("train", self.train), ("test", self.test))
            for name, value in evaluation.scores(self._carrier, self.task, weights, state, data, chunk).items()
        }
        return {**found, "train_loss_l2": found["train_loss"] + float(self._penalty(weights))}

    def _try(self, classes: int) -> None:
        """Raise PathsearchError where the network does not give one row of outputs for each example."""
        inputs, targets = self.train.first(2)
        made = self.flat(self._carrier.trained)
        with torch.no_grad(), self._carrier.holding(made, self.state), self._carrier.evaluating():
            outputs = self._carrier.run(inputs, 0)
        self.task.refuse_outputs(outputs, targets, classes)

    def _probe(self) -> Probe:
        inputs, _ = self.train.first(min(PROBED, self.train.size))
        return Probe(self._carrier, inputs)

    def _matters(self, name: str, value: Tensor) -> bool:
        """Whether the network's output, in training mode or in evaluation mode, is another with this value."""
        probe = self._probe()
        mine, other = self.state, {**self.state, name: value}
        modes: tuple[tuple[nn.Module, ...] | None, ...] = (None, ())
        return any(differ(probe.look(mine, 0, mode).outputs, probe.look(other, 0, mode).outputs) for mode in modes)

    def _drawn(self, key: Key) -> tuple[Tensor, Tensor]:
        if self._batch is None or self._batch[0] != key:
            self._batch = (key, self.train.draw(key))
        return self._batch[1]

    def _data_loss(self, key: Key, mean_loss: Callable[..., Tensor]) -> Tensor:
        inputs, targets = self._drawn(key)
        with self._carrier.user_code(derive(DROPOUT, key.seed, key.step)):
            return mean_loss(self._carrier.given(inputs), targets)

    def _forward_loss(self, inputs: Tensor, targets: Tensor) -> Tensor:
        return self.task.loss(self.module(inputs), targets) / len(targets)

    def _mean_loss(self, views: list[Tensor], state: State, inputs: Tensor, targets: Tensor) -> Tensor:
        """As `_forward_loss`, without the module's own tensors: what vmap and torch.compile can do."""
        copies = {name: each.clone() for name, each in state.items()}  # a pass may write to them
        outputs = functional_call(self.module, {**dict(zip(self.names, views)), **copies}, (inputs,))
        return self.task.loss(outputs, targets) / len(targets)

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


def _gradient(loss: Tensor, parameters: list[Tensor]) -> Tensor:
    with errors_named("the network's gradient"), allocations():
        parts = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
    return torch.cat([part.reshape(-1) for part in parts])
