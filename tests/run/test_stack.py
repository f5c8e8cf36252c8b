"""How gradients are worked out is settled once a run and kept with it."""

from types import SimpleNamespace

import pytest
import yaml

from pathsearch.run import session
from pathsearch.run.config import validated
from pathsearch.run.settings import Asked
from tests.commands import SMALL


@pytest.fixture
def opened(tmp_path):
    def opened(asked, kept):
        config = yaml.safe_load(SMALL) | {"holder": {"name": "serial", "stack": asked}}
        settings = validated(config, "test")
        found = session._Session(Asked(settings, tmp_path), tmp_path, None, None, {})
        found.summary = kept
        found.asked = []
        found.holder = SimpleNamespace(stack=lambda way, batches: found.asked.append((way, batches)) or way)
        return found

    return opened


@pytest.mark.parametrize(
    ("asked", "kept", "way"),
    [("auto", {}, "auto"), ("auto", {"stack": "vmap"}, "vmap"), ("loop", {"stack": "vmap"}, "loop")],
)
def test_a_run_goes_on_in_the_way_it_began_unless_another_is_asked_for(opened, asked, kept, way):
    found = opened(asked, kept)
    found._stacked()
    assert found.asked[0][0] == way
    assert found.summary["stack"] == way
