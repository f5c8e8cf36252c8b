"""How gradients are evaluated is settled once a run and kept with it."""

from types import SimpleNamespace

import pytest
import yaml

from pathsearch.run import session
from pathsearch.run.config import validated
from pathsearch.run.endpoints import training
from tests.commands import SMALL


@pytest.fixture
def opened(tmp_path):
    def opened(asked, kept):
        config = yaml.safe_load(SMALL) | {"holder": {"name": "serial", "gradients": asked}}
        settings = validated(config, "test")
        found = session._Session(settings, tmp_path, tmp_path, None, None)
        searching = settings.method.stages(settings.optimizer, settings.steps, settings.tolerance)
        found.stages = training(settings.endpoints) + searching
        found.summary = kept
        found.asked = []
        found.holder = SimpleNamespace(prepare_gradients=lambda how, batches: found.asked.append((how, batches)) or how)
        return found

    return opened


@pytest.mark.parametrize(
    ("asked", "kept", "how"),
    [("auto", {}, "auto"), ("auto", {"gradients": "vmap"}, "vmap"), ("loop", {"gradients": "vmap"}, "loop")],
)
def test_a_run_goes_on_as_it_began_unless_another_is_asked_for(opened, asked, kept, how):
    found = opened(asked, kept)
    found._settle_gradients(0)
    assert found.asked[0][0] == how
    assert found.summary["gradients"] == how


def test_it_is_made_ready_for_the_batches_that_are_yet_to_come(opened):
    found = opened("auto", {})
    batches = {stage.method.batch for stage in found.stages[:-1]} | {None}
    found._settle_gradients(0)
    found._settle_gradients(len(found.stages) - 1)
    assert [batch for _, batch in found.asked] == [batches, {None}]
