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


def test_digits_aligned_are_all_but_joined_by_the_line(tmp_path, capsys):
    """Without alignment a saddle of 0.0045 took 1,001 gradients."""
    settings, folder = config.load("digits-aligned", ["measure.plane=0"])
    found = figures(whole.run(Asked(settings, folder), tmp_path, Silent(), Stop()))
    (end,) = found["alignment"]["sides"]
    with capsys.disabled():
        path = found["path"]["train_loss"]["max"]
        print(f"\n  digits aligned: {end['barrier']}, saddle {path:.2g} after {found['evaluations']} gradients", end="")
    assert end["barrier"]["before"] > 0.3
    assert found["linear"]["train_loss"]["barrier"] <= 0.02
    assert path <= 0.005
    assert found["evaluations"] <= 150
