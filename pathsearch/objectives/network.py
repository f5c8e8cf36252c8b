"""A network on a data set as a function of one flat weight vector; the module itself is never changed."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm

from pathsearch.errors import PathsearchError
from pathsearch.numerics.seeds import Key, derive
from pathsearch.objectives.batches import Batches
from pathsearch.objectives.blame import blamed
from pathsearch.objectives.data import Data

DROPOUT, INITIAL = 3, 4  # what a seed is for
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")  # of a batch norm
MEASURING_CHUNK = 500  # examples at once where no gradient is needed


def cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy summed over a batch; outputs [b, classes]."""
    return F.cross_entropy(outputs, targets, reduction="sum")


def mse(outputs: Tensor, targets: Tensor) -> Tensor:
    """Squared error summed over a batch, averaged over outputs; classes count as 0/1 or one-hot targets."""
    if targets.is_floating_point() or outputs.shape[1] == 1:
        wanted = targets.to(outputs.dtype).reshape(outputs.shape)
    else:
        wanted = F.one_hot(targets, outputs.shape[1]).to(outputs.dtype)
    return F.mse_loss(outputs, wanted, reduction="sum") / outputs.shape[1]


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"cross_entropy": cross_entropy, "mse": mse}


class NetworkObjective:
    """Mean loss of a mini-batch plus ½λ|w|² (all parameters, as in Garipov et al. 2018); see `Objective`."""

    metrics: tuple[str, ...] = ("train_loss", "train_loss_l2", "train_error", "test_loss", "test_error")
    stochastic: bool

    def __init__(
        self,
        make: Callable[[], nn.Module],
        data: Data,
        loss: str,
        batch: int | None,
        augment: bool,
        weight_decay: float,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.make, self.dtype, self.device, self.weight_decay = make, dtype, device, weight_decay
        self.module = self._built(0)
        named = list(self.module.named_parameters())  # tied parameters come once
        self.table = [(name, tuple(parameter.shape)) for name, parameter in named]
        self.names = [name for name, _ in named]
        self.sizes = [parameter.numel() for _, parameter in named]
        self.size = sum(self.sizes)
        if not self.size:
            raise PathsearchError("the network has no parameters")
        self.buffers = {name: buffer.detach().clone() for name, buffer in self.module.named_buffers()}
        self.train = Batches(data.train, batch, augment, dtype, device, data.standardise)
        self.test = Batches(data.test, None, False, dtype, device, standardise=False).normalised_like(self.train)
        self.loss_sum = LOSSES[loss]
        self.stochastic = self.train.size < len(self.train) or self.train.augment
        self._adopted: set[str] = set()
        self.together = 1 << 30
        """Most weight vectors that `losses_and_gradients` has memory for, as far as is known."""
        self._batch: tuple[Key, tuple[Tensor, Tensor]] | None = None
        self._measuring = _measuring_copy(self.module)
        self._try(data.outputs)
        if not self.stochastic:  # dropout in any form shows in the loss of another step
            weights = self.flat(dict(named))
            self.stochastic = bool(self.loss(weights, Key(0, 0)) != self.loss(weights, Key(0, 1)))

    def loss(self, weights: Tensor, key: Key) -> Tensor:
        with torch.no_grad():
            return self._data_loss(self._views(weights), key, self._mean_loss) + self._penalty(weights)

    def loss_and_gradient(
        self, weights: Tensor, key: Key, mean_loss: Callable[..., Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        views = [view.detach().requires_grad_() for view in self._views(weights)]
        with torch.enable_grad():
            data_loss = self._data_loss(views, key, mean_loss or self._mean_loss)
        gradients = torch.autograd.grad(data_loss, views, allow_unused=True, materialize_grads=True)
        gradient = torch.cat([part.reshape(-1) for part in gradients])
        if self.weight_decay:
            gradient.add_(weights, alpha=self.weight_decay)
        return data_loss.detach() + self._penalty(weights), gradient

    def losses_and_gradients(self, weights: Tensor, key: Key) -> tuple[Tensor, Tensor]:
        """Losses [n] and gradients [n, size] at several weight vectors [n, size], worked out as one batch."""
        inputs, targets = self._drawn(key)
        parts = weights.split(self.sizes, dim=1)
        views = [part.reshape(len(weights), *shape) for part, (_, shape) in zip(parts, self.table)]
        buffers = {name: buffer.expand(len(weights), *buffer.shape) for name, buffer in self.buffers.items()}
        both = vmap(grad_and_value(self._mean_loss), in_dims=(0, 0, None, None), randomness="same")
        with _seeded(derive(DROPOUT, key.seed, key.step), self.device), blamed("the network"):
            gradients, losses = both(views, buffers, inputs, targets)
        gradient = torch.cat([part.reshape(len(weights), -1) for part in gradients], dim=1)
        if self.weight_decay:
            gradient.add_(weights, alpha=self.weight_decay)
        return losses + torch.stack([self._penalty(each) for each in weights]), gradient

    @cached_property
    def compiled(self) -> Callable[..., Tensor]:
        """The mean loss of a mini-batch as torch compiles it, at its first use; the gradient comes with it."""
        # a size of mini-batch has the same kernels whichever came before it
        return torch.compile(self._mean_loss, mode="reduce-overhead", dynamic=False)

    @cached_property
    def draws(self) -> bool:
        """Whether a forward pass in training mode draws random numbers, as dropout does."""
        inputs, targets = self.train.draw(Key(0, 0))
        weights = self.initial(0)
        with _seeded(0, self.device), torch.no_grad(), blamed("the network"):
            before = [generator.get_state() for generator in _generators(self.device)]
            self._mean_loss(self._views(weights), self.buffers, inputs, targets)
            after = [generator.get_state() for generator in _generators(self.device)]
        return not all(map(torch.equal, before, after))

    def measure(self, weights: Tensor) -> dict[str, float]:
        """Whole training and test set, un-augmented, batch norm re-estimated from the training set."""
        with torch.no_grad():
            return self._measured(weights, self.reestimated(weights))

    def measure_with(self, weights: Tensor, buffers: dict[str, NDArray[Any]]) -> dict[str, float]:
        """As `measure`, with given buffers: an endpoint with the running statistics it was saved with."""
        with torch.no_grad():
            given = {name: torch.from_numpy(value).to(self.buffers[name]) for name, value in buffers.items()}
            return self._measured(weights, {**self.buffers, **given})

    def predictions(self, weights: Tensor) -> NDArray[np.int64] | None:
        if self.test.targets.is_floating_point():
            return None
        with torch.no_grad():
            outputs = [out for out, _ in self._outputs(weights, self.reestimated(weights), self.test)]
        return np.asarray(_classes(torch.cat(outputs)).cpu().numpy(), dtype=np.int64)

    def initial(self, seed: int) -> Tensor:
        return self.flat(dict(self._built(seed).named_parameters()))

    def adopt(self, buffers: dict[str, Tensor], source: str) -> None:
        """Take over an endpoint's buffers that are no batch-norm statistics: all points of a path share them.

        Raises PathsearchError where they differ from another endpoint's.
        """
        for name, value in buffers.items():
            if name.rpartition(".")[2] in STATISTICS:
                continue
            value = value.to(self.buffers[name])
            if name in self._adopted and not torch.equal(self.buffers[name], value):
                raise PathsearchError(
                    f"buffer {name!r} of {source} differs from the other endpoint's: no path joins them"
                )
            self.buffers[name] = value
            self._adopted.add(name)

    def flat(self, named: dict[str, Tensor]) -> Tensor:
        """The weight vector [size] of parameters given by name."""
        parts = [named[name].detach().to(self.device, self.dtype).reshape(-1) for name in self.names]
        return torch.cat(parts)

    def reestimated(self, weights: Tensor) -> dict[str, Tensor]:
        """Buffers with batch-norm statistics averaged over the training set, un-augmented, dropout off."""
        buffers = {name: buffer.clone() for name, buffer in self.buffers.items()}
        norms = [(name, part) for name, part in self._measuring.named_modules() if isinstance(part, _BatchNorm)]
        norms = [(name, part) for name, part in norms if part.track_running_stats]
        if not norms:
            return buffers
        for name, part in norms:
            for statistic in STATISTICS:
                buffers[f"{name}.{statistic}"].fill_(1 if statistic == "running_var" else 0)
            part.train()
        parameters = dict(zip(self.names, self._views(weights)))
        for inputs, _ in self.train.whole(MEASURING_CHUNK):
            functional_call(self._measuring, (parameters, buffers), (inputs,))
        self._measuring.eval()
        return buffers

    def _measured(self, weights: Tensor, buffers: dict[str, Tensor]) -> dict[str, float]:
        found: dict[str, float] = {}
        for name, split in (("train", self.train), ("test", self.test)):
            loss, wrong = torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
            loss, wrong = loss.to(self.device), wrong.to(self.device)
            for outputs, targets in self._outputs(weights, buffers, split):
                loss += self.loss_sum(outputs, targets).double()
                if targets.is_floating_point():
                    wrong += torch.nan
                else:
                    wrong += (_classes(outputs) != targets).sum()
            found[f"{name}_loss"], found[f"{name}_error"] = float(loss) / len(split), float(wrong) / len(split)
        found["train_loss_l2"] = found["train_loss"] + float(self._penalty(weights))
        return found

    def _outputs(self, weights: Tensor, buffers: dict[str, Tensor], split: Batches) -> Iterator[tuple[Tensor, Tensor]]:
        parameters = dict(zip(self.names, self._views(weights)))
        for inputs, targets in split.whole(MEASURING_CHUNK):
            yield functional_call(self._measuring, (parameters, buffers), (inputs,)), targets

    def _try(self, classes: int) -> None:
        """Raise PathsearchError where the network does not give one row of outputs for each example."""
        inputs, targets = self.train.first(2)
        with torch.no_grad():
            outputs = functional_call(self._measuring, (dict(self.module.named_parameters()), self.buffers), (inputs,))
        wanted = f"a tensor of shape ({len(inputs)}, outputs)"
        if not isinstance(outputs, Tensor) or outputs.ndim != 2 or len(outputs) != len(inputs):
            shape = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
            raise PathsearchError(f"the network must return {wanted} for {len(inputs)} examples, it returned {shape}")
        alone = outputs.shape[1] == 1 and self.loss_sum is mse and classes <= 2
        if not alone and not targets.is_floating_point() and outputs.shape[1] < classes:
            raise PathsearchError(f"the network has {outputs.shape[1]} outputs for {classes} classes")
        if targets.is_floating_point() and outputs.shape[1] != 1:
            raise PathsearchError(f"the network has {outputs.shape[1]} outputs for targets that are one number each")

    def _drawn(self, key: Key) -> tuple[Tensor, Tensor]:
        if self._batch is None or self._batch[0] != key:
            self._batch = (key, self.train.draw(key))
        return self._batch[1]

    def _data_loss(self, views: list[Tensor], key: Key, mean_loss: Callable[..., Tensor]) -> Tensor:
        inputs, targets = self._drawn(key)
        version = inputs._version
        with _seeded(derive(DROPOUT, key.seed, key.step), self.device), blamed("the network"):
            loss = mean_loss(views, self.buffers, inputs, targets)
        if inputs._version != version:
            self._batch = None  # the network wrote to its inputs: the next image draws its own
        return loss

    def _mean_loss(self, views: list[Tensor], buffers: dict[str, Tensor], inputs: Tensor, targets: Tensor) -> Tensor:
        # a forward pass in training mode writes running statistics: into copies, so that none leaks to the next call
        copies = {name: buffer.clone() for name, buffer in buffers.items()}
        outputs = functional_call(self.module, (dict(zip(self.names, views)), copies), (inputs,))
        return self.loss_sum(outputs, targets) / len(targets)

    def _penalty(self, weights: Tensor) -> Tensor:
        """½λ|w|², summed in float64."""
        if not self.weight_decay:
            return torch.zeros((), dtype=torch.float64, device=weights.device)
        return 0.5 * self.weight_decay * torch.linalg.vector_norm(weights, dtype=torch.float64) ** 2

    def _views(self, weights: Tensor) -> list[Tensor]:
        return [part.view(shape) for part, (_, shape) in zip(weights.split(self.sizes), self.table)]

    def _built(self, seed: int) -> nn.Module:
        with _seeded(derive(INITIAL, seed), torch.device("cpu")):
            module = self.make()
        if not isinstance(module, nn.Module):
            raise PathsearchError(f"objective.model must make an nn.Module, it made {type(module).__name__}")
        return module.to(self.device, self.dtype).train()


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Random numbers from a seed, the global generator as it was afterwards.

    Not torch.manual_seed: where CUDA has not started yet it keeps a note, with a traceback, of every call.
    """
    generators = _generators(device)
    states = [generator.get_state() for generator in generators]
    for generator in generators:
        generator.manual_seed(seed)
    try:
        yield
    finally:
        for generator, state in zip(generators, states):
            generator.set_state(state)


def _generators(device: torch.device) -> list[torch.Generator]:
    generators = [torch.default_generator]
    if device.type == "cuda":
        torch.cuda.init()
        generators.append(torch.cuda.default_generators[torch.cuda.current_device()])
    return generators


def _classes(outputs: Tensor) -> Tensor:
    return (outputs[:, 0] > 0.5).long() if outputs.shape[1] == 1 else outputs.argmax(dim=1)


def _measuring_copy(module: nn.Module) -> Any:
    """The module in evaluation mode, its batch norms set to average over all batches they see."""
    measuring = copy.deepcopy(module).eval()
    for part in measuring.modules():
        if isinstance(part, _BatchNorm):
            part.momentum = None
        elif isinstance(part, _InstanceNorm) and part.track_running_stats:
            raise PathsearchError(
                "instance norm with running statistics cannot be measured along a path: turn them off"
            )
    return measuring
