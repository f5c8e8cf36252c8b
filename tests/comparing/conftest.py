"""What the tests of comparing share."""

import pytest

from pathsearch import storage
from tests.comparing.runs import OLD


@pytest.fixture(scope="module")
def kept():
    """A measured run of a network, as an earlier program kept it."""
    return storage.read(OLD / "network-finished.h5")
