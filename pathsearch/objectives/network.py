"""A network on a data set as a function of one flat weight vector; the module itself is never changed."""

from collections.abc import Callable, Iterator
from functools import cached_property, partial
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap

from pathsearch.errors import PathsearchError
from pathsearch.numerics.seeds import Key, derive
from pathsearch.objectives.batches import Batches
from pathsearch.objectives.carrier import Carrier, State, cast, dense, same
from pathsearch.objectives.data import Data
from pathsearch.objectives.memory import allocations
from pathsearch.objectives.probe import Probe, differ
from pathsearch.objectives.seeding import seeded
from pathsearch.objectives.statistics import kinds
from pathsearch.objectives.tasks import Task, predicted, wrong
from pathsearch.objectives.users_code import errors_named

DROPOUT, INITIAL, MEASURING = 3, 4, 5  # what a seed is for
MEASURING_CHUNK = 500  # examples at once where no gradient is needed, as far as memory suffices
PROBED = 16  # examples of the passes that look what a network does

Found = TypeVar("Found")


class NetworkObjective:
    """Mean loss of a mini-batch plus ½λ|w|² (all coordinates, as in Garipov et al. 2018); see `Objective`.

    Coordinates are the parameters with requires_grad. built_in: whether the network is one of this program's own,
    which take channels-last images, write to no input and draw from torch's generator only. `called`: how errors name
    the network.
    """

    metrics: tuple[str, ...] = ("train_loss", "train_loss_l2", "train_error", "test_loss", "test_error")
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
        self.called = called
        self.make, self.dtype, self.device, self.weight_decay = make, dtype, device, weight_decay
        self._foreign = not built_in
        self._carrier = self._built(0)
        self.module = self._carrier.module
        trained = self._carrier.trained
        self.table = [(name, tuple(parameter.shape)) for name, parameter in trained.items()]
        self.names = [name for name, _ in self.table]
        self.sizes = [parameter.numel() for parameter in trained.values()]
        self.size = sum(self.sizes)
        if not self.size:
            raise PathsearchError("the network has no parameters that are trained: none has requires_grad")
        for name, parameter in trained.items():
            if parameter.is_complex():
                raise PathsearchError(f"parameter {name!r} is complex: make it real, as by torch.view_as_real")
        self.state = dict(self._carrier.made)
        self.train = Batches(data.train, batch, augment, dtype, device, data.standardise, built_in)
        self.test = Batches(data.test, None, False, dtype, device, False, built_in).normalised_like(self.train)
        self.task = task
        self.remarks: list[str] = []
        """Lines worth telling the user that came up; who drives the objective takes them out."""
        self._said: set[str] = set()
        self._adopted: set[str] = set()
        self.at_once = 1 << 30
        """Most weight vectors that `losses_and_gradients` has memory for, as far as is known."""
        self.chunk = min(MEASURING_CHUNK, max(len(self.train), len(self.test)))
        """Most examples at once in measuring, as far as is known."""
        self._batch: tuple[Key, tuple[Tensor, Tensor]] | None = None
        self._try(data.outputs)
        probe = self._probe()
        self._kinds = kinds(probe)
        self._stateless = probe.stateless()
        self.stochastic = self.train.size < len(self.train) or self.train.augment or self._kinds.draws

    @property
    def shared(self) -> State:
        """What all points of a path share and is no coordinate, by name: frozen parameters, and constant buffers."""
        return {name: dense(self.state[name]) for name in self._kinds.shared}

    @property
    def buffers(self) -> State:
        """All buffers, by name."""
        return {name: value for name, value in self.state.items() if name not in self._carrier.frozen}

    @cached_property
    def state_names(self) -> list[tuple[str, tuple[int, ...]]]:
        """Every name that a state_dict of the network may have, with its shape: parameters, then buffers."""
        saved = self.module.state_dict()
        named = (self.module.named_parameters, self.module.named_buffers)
        both = [(name, tuple(each.shape)) for which in named for name, each in which(remove_duplicate=False)]
        return [(name, shape) for name, shape in both if name in saved]

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
        """As in `Objective`; mean_loss: another way to work out the loss, one that is given weights and state."""
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
        own = weights.clone() if self._foreign else weights  # the network may write to them
        parts = own.split(self.sizes, dim=1)
        views = [part.reshape(len(weights), *shape) for part, (_, shape) in zip(parts, self.table)]
        # each point has buffers of its own to write to; frozen parameters may be large
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
        """The mean loss of a mini-batch as torch compiles it, at its first use; the gradient comes with it."""
        # a size of mini-batch has the same kernels whichever came before it
        return torch.compile(self._mean_loss, mode="reduce-overhead", dynamic=False)

    @property
    def draws(self) -> bool:
        """Whether a forward pass in training mode draws random numbers, as dropout does."""
        return self._kinds.draws

    def measure(self, weights: Tensor) -> dict[str, float]:
        """Whole training and test set, un-augmented, batch norm re-estimated from the training set."""
        return self._fitting(lambda chunk: self._measured(weights, self._estimated(weights, chunk), chunk))

    def measure_with(self, weights: Tensor, buffers: dict[str, NDArray[Any]]) -> dict[str, float]:
        """As `measure`, with given buffers: an endpoint with the running statistics it was saved with."""
        given = {name: torch.from_numpy(value) for name, value in buffers.items() if name in self.state}
        state = {**self.state, **{name: cast(value, self.state[name]) for name, value in given.items()}}
        return self._fitting(lambda chunk: self._measured(weights, state, chunk))

    def predictions(self, weights: Tensor) -> NDArray[np.int64] | None:
        if self.test.targets.is_floating_point():
            return None

        def classes(chunk: int) -> Tensor:
            state = self._estimated(weights, chunk)
            return torch.cat([predicted(out) for out, _ in self._outputs(weights, state, self.test, chunk)])

        return np.asarray(self._fitting(classes).cpu().numpy(), dtype=np.int64)

    def reestimated(self, weights: Tensor) -> State:
        """The state with statistics averaged over the training set, un-augmented, dropout off."""
        return self._fitting(lambda chunk: self._estimated(weights, chunk))

    def initial(self, seed: int) -> Tensor:
        carrier = self._built(seed)
        drawn = [name for name in self._kinds.shared if not same(carrier.made[name], self._carrier.made[name])]
        if drawn:
            some = ", ".join(drawn[:3]) + (f" and {len(drawn) - 3} more" if len(drawn) > 3 else "")
            self._remark(
                f"{some}: no coordinates, but drawn at random when the network is made; all points of a path share "
                "them, whatever the seeds of its endpoints"
            )
        return self.flat(dict(carrier.trained))

    def adopt(self, values: dict[str, Tensor], source: str) -> None:
        """Take over an endpoint's values of what is `shared`; other names are passed over.

        Raises PathsearchError where they do not fit, or differ from what another endpoint brought.
        """
        taken: State = {}
        for name in self._kinds.shared:
            if name not in values:
                continue
            what = f"{self._carrier.kind(name)} of {source}"
            mine, value = self.state[name], dense(values[name].detach())
            if value.shape != mine.shape:
                raise PathsearchError(f"{what} has shape {tuple(value.shape)}, the network's has {tuple(mine.shape)}")
            if value.is_complex() and not mine.is_complex():
                raise PathsearchError(f"{what} is complex, the network's is not")
            taken[name] = cast(value, mine)
            if name in self._adopted and not same(mine, taken[name]):
                if self._matters(name, taken[name]):
                    raise PathsearchError(f"{what} differs from the other endpoint's: no path joins them")
                del taken[name]
        self.state.update(taken)
        self._adopted.update(taken)

    def flat(self, named: dict[str, Tensor]) -> Tensor:
        """The weight vector [size] of parameters given by name."""
        parts = [named[name].detach().to(self.device, self.dtype).reshape(-1) for name in self.names]
        return torch.cat(parts)

    def _fitting(self, work: Callable[[int], Found]) -> Found:
        """What `work` finds with so many examples at once as there is memory for: halved until it suffices."""
        refused = 0
        while True:
            try:
                with torch.no_grad(), allocations():
                    found = work(self.chunk)
                break
            except (MemoryError, torch.OutOfMemoryError) as error:
                if self.chunk == 1:
                    raise PathsearchError(
                        "out of memory in measuring, with one example at once: use a machine with more, or a smaller "
                        "network"
                    ) from error
            refused, self.chunk = refused or self.chunk, self.chunk // 2
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
        if refused:
            self._remark(f"measuring {self.chunk} examples at once: {refused} did not fit in memory")
        return found

    def _remark(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            self.remarks.append(line)

    def _estimated(self, weights: Tensor, chunk: int) -> State:
        layers = self._kinds.layers
        if not layers:
            return dict(self.state)

        def once(state: State, inputs: Tensor, number: int) -> State:
            with self._carrier.holding(weights, state), self._carrier.measuring(layers):
                self._carrier.run(inputs, derive(MEASURING, number))
                return self._carrier.written()

        parts = enumerate(self.train.whole(chunk))
        passes = (partial(once, inputs=inputs, number=number) for number, (inputs, _) in parts)
        return self._kinds.estimated(self.state, passes)

    def _measured(self, weights: Tensor, state: State, chunk: int) -> dict[str, float]:
        found: dict[str, float] = {}
        for name, split in (("train", self.train), ("test", self.test)):
            loss, errors = torch.zeros(2, dtype=torch.float64, device=self.device)
            for outputs, targets in self._outputs(weights, state, split, chunk):
                loss += self.task.loss(outputs, targets).double()
                errors += wrong(outputs, targets)
            found[f"{name}_loss"], found[f"{name}_error"] = float(loss) / len(split), float(errors) / len(split)
        found["train_loss_l2"] = found["train_loss"] + float(self._penalty(weights))
        return found

    def _outputs(self, weights: Tensor, state: State, split: Batches, chunk: int) -> Iterator[tuple[Tensor, Tensor]]:
        for number, (inputs, targets) in enumerate(split.whole(chunk)):
            with self._carrier.holding(weights, state), self._carrier.measuring():
                outputs = self._carrier.run(inputs, derive(MEASURING, number))
            yield outputs, targets

    def _try(self, classes: int) -> None:
        """Raise PathsearchError where the network does not give one row of outputs for each example."""
        inputs, targets = self.train.first(2)
        made = self.flat(dict(self._carrier.trained))
        with torch.no_grad(), self._carrier.holding(made, self.state), self._carrier.measuring():
            outputs = self._carrier.run(inputs, derive(MEASURING, 0))
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

    def _built(self, seed: int) -> Carrier:
        with seeded(derive(INITIAL, seed), self.device, self._foreign):
            module = self.make()
        if not isinstance(module, nn.Module):
            raise PathsearchError(f"objective.model must make an nn.Module, it made {type(module).__name__}")
        module = module.to(self.device)
        # of floating-point tensors only: .to(dtype) would make complex ones real
        module = module.double() if self.dtype == torch.float64 else module.float()
        return Carrier(module.train(), self.device, self._foreign, self.called)


def _gradient(loss: Tensor, parameters: list[Tensor]) -> Tensor:
    with errors_named("the network's gradient"), allocations():
        parts = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
    return torch.cat([part.reshape(-1) for part in parts])
