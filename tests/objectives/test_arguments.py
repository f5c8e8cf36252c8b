"""Which arguments a function is said to have."""

from functools import partial

import pytest

from pathsearch.errors import PathsearchError
from pathsearch.objectives.arguments import refuse_unknown


def plain(shape, width=1, *, depth=2):
    pass


def anything(**more):
    pass


def of_place(width, /):
    pass


@pytest.mark.parametrize(
    ("function", "own", "says"),
    [
        (plain, ("shape",), "args of it: no argument 'widht' (did you mean 'width'?): there are width, depth"),
        (partial(plain, depth=3), (), "(did you mean 'width'?): there are shape, width, depth"),
        (of_place, (), "args of it: no argument 'widht': it takes none"),
    ],
)
def test_an_argument_that_is_not_there_is_named_with_those_that_are(function, own, says):
    with pytest.raises(PathsearchError) as error:
        refuse_unknown(function, ["widht"], "args of it", own)
    assert str(error.value).endswith(says)


@pytest.mark.parametrize("function", [anything, dict])
def test_what_takes_any_or_does_not_tell_is_taken_at_its_word(function):
    refuse_unknown(function, ["widht"], "args of it")


def test_what_the_program_gives_is_not_the_users():
    with pytest.raises(PathsearchError, match="no argument 'shape': there are width, depth"):
        refuse_unknown(plain, ["shape"], "args", own=("shape",))
