"""The figure of the main example: the path's barrier against the straight line's, over seed pairs."""

import pytest

from pathsearch.report import figures
from pathsearch.run import config, whole
from pathsearch.run.settings import Asked
from pathsearch.run.stop import Stop
from tests.conftest import Silent


@pytest.mark.parametrize("seeds", [(0, 1), (2, 3), (4, 5)])
def test_digits_path_barrier_is_at_most_a_twentieth_of_the_lines(seeds, tmp_path, capsys):
    overrides = [f"endpoints.start.train.seed={seeds[0]}", f"endpoints.end.train.seed={seeds[1]}", "measure.plane=0"]
    settings, folder = config.load("digits", overrides)
    found = figures(whole.run(Asked(settings, folder), tmp_path, Silent(), Stop()))
    path, line = found["path"]["train_loss"]["barrier"], found["linear"]["train_loss"]["barrier"]
    with capsys.disabled():
        print(f"\n  digits, seeds {seeds}: barrier {path:.2g} on the path, {line:.2g} on the line", end="")
    assert found["endpoint_disagreement"] > 0.005
    assert line > 0.1
    assert path <= 0.05 * line
