"""How gradients are evaluated is settled once a run and kept with it."""

from types import SimpleNamespace

import pytest
import yaml

from pathsearch.run import session
from pathsearch.run.config import validated
from tests.commands import SMALL


@pytest.fixture
def opened(tmp_path):
    def opened(asked, kept):
        config = yaml.safe_load(SMALL) | {"holder": {"name": "serial", "gradients": asked}}
        settings = validated(config, "test")
        found = session._Session(SimpleNamespace(settings=settings, folder=tmp_path), tmp_path, None, None, {})
        found.summary = kept
        found.asked = []
        found.holder = SimpleNamespace(prepare_gradients=lambda how: found.asked.append(how) or how)
        return found

    return opened


@pytest.mark.parametrize(
    ("asked", "kept", "how"),
    [("auto", {}, "auto"), ("auto", {"gradients": "vmap"}, "vmap"), ("loop", {"gradients": "vmap"}, "loop")],
)
def test_a_run_goes_on_as_it_began_unless_another_is_asked_for(opened, asked, kept, how):
    found = opened(asked, kept)
    found._settle_gradients()
    assert found.asked == [how]
    assert found.summary["gradients"] == how
