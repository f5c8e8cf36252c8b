"""Optimisers: each turns a force, as coefficients, into a plan, as coefficients. One line a kind in the table."""

from typing import Annotated, Union

from pydantic import Field

from pathsearch.optimizers.adam import Adam
from pathsearch.optimizers.fire import Fire
from pathsearch.optimizers.lbfgs import Lbfgs
from pathsearch.optimizers.memory import Memory
from pathsearch.optimizers.sgd import Sgd

Optimizer = Annotated[Union[Sgd, Adam, Fire, Lbfgs], Field(discriminator="name")]

DETERMINISTIC = (Fire, Lbfgs)
"""Optimisers that compare forces of different steps, so that these must come from one and the same function."""

__all__ = ["DETERMINISTIC", "Adam", "Fire", "Lbfgs", "Memory", "Optimizer", "Sgd"]
