from matplotlib.image import imread

from pathsearch.plots.trend import Row, trend


def test_rows_are_drawn_over_sizes_without_what_is_no_more_than_zero(tmp_path):
    file = tmp_path / "trend.png"
    trend([8, 16], {"a": Row([0.2, 0.0], [0.3, 0.1]), "b": Row([0.5, 0.1], [0.1, 0.0])}, ("width", "barrier"), file)
    picture = imread(file)
    assert picture.shape[:2] == (630, 840)
    assert (picture[..., :3] < 0.9).any()
