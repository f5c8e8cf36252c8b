from matplotlib.image import imread

from pathsearch.plots.style import DPI, SERIES, WIDTH
from pathsearch.plots.trend import Row, _drawn, trend

ROWS = {"a": Row([0.2, 0.0], [0.3, 0.1]), "b": Row([0.5, 0.1], [0.1, 0.0])}
LABELS = ("width", "barrier")


def test_rows_are_drawn_over_sizes_without_what_is_no_more_than_zero():
    figure = _drawn([8, 16], ROWS, LABELS)
    (axes,) = figure.axes
    lines = [bars.lines[0] for bars in axes.containers]
    assert [line.get_ydata().tolist() for line in lines] == [[0.2], [0.5, 0.1]]
    # as the other pictures: told apart without colours
    assert [(line.get_color(), line.get_marker()) for line in lines] == [(each[0], each[2]) for each in SERIES[:2]]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "b"]


def test_it_fills_a_column(tmp_path):
    trend([8, 16], ROWS, LABELS, tmp_path / "trend.png")
    picture = imread(tmp_path / "trend.png")
    assert picture.shape[1] == round(WIDTH * DPI)
    assert (picture[..., :3] < 0.9).any()
