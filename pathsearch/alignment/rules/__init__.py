"""How permutations go through operations: one function an operation, and one line of a table.

A rule is given the tracing and the operation's arguments by the names of its schema, tensors as `Value`, and returns a
value, or a list where the operation gives several tensors. It unites, cuts and pins labels on the way. An operation
that writes to its first argument has the rule of the one that does not.
"""

from pathsearch.alignment.rules.attention import ATTENTION
from pathsearch.alignment.rules.contractions import CONTRACTIONS
from pathsearch.alignment.rules.convolutions import CONVOLUTIONS
from pathsearch.alignment.rules.elementwise import ELEMENTWISE, UNARY
from pathsearch.alignment.rules.norms import NORMS
from pathsearch.alignment.rules.orders import ORDERS
from pathsearch.alignment.rules.parts import PARTS
from pathsearch.alignment.rules.reductions import REDUCTIONS
from pathsearch.alignment.rules.views import OF_AXES, VIEWS

RULES = {
    **ELEMENTWISE,
    **VIEWS,
    **PARTS,
    **REDUCTIONS,
    **NORMS,
    **CONTRACTIONS,
    **CONVOLUTIONS,
    **ATTENTION,
    **ORDERS,
}

SLOTWISE = (*OF_AXES, *UNARY, "dropout")
"""Operations that are done to each slot of a stack by itself."""

__all__ = ["RULES", "SLOTWISE"]
