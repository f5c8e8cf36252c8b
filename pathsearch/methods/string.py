"""The string method (E, Ren & Vanden-Eijnden 2002)."""

from typing import ClassVar, Literal

from pathsearch.methods.band import Band
from pathsearch.methods.sampling import Forces
from pathsearch.numerics import forces, tangents
from pathsearch.numerics.basis import Array, norms
from pathsearch.optimizers import Memory


class String(Band):
    """Images follow the force across the central tangent, then return to equal distances along the string."""

    name: Literal["string"] = "string"

    respaced: ClassVar[bool] = True

    def forces(self, losses: Array, gram: Array, memory: Memory, stochastic: bool) -> Forces:
        force = forces.perpendicular(tangents.bisector(gram), gram)
        return Forces(force, norms(force, gram))
