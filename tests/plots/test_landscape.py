"""Pictures of landscapes of several sizes: nothing overlaps, what is not known is not drawn as if it were."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import Rectangle

from pathsearch.errors import PathsearchError
from pathsearch.landscape import choice
from pathsearch.numerics import tree
from pathsearch.plots import landscape as pictures
from pathsearch.plots.style import STYLE
from pathsearch.storage.landscape import FIGURES, Landscape, Way

WITHOUT_RUNS = [name for name in pictures.USUAL if name != "profiles"]


def landscape(count, low=7e-4, scale=0.01, gap=None):
    """Made up as exploring would find it; gap: no path leads from the minima below that number to the others."""
    rng = np.random.default_rng(count)
    values = low + abs(low) * rng.normal(0, 0.1, count)
    truth = np.maximum(values[:, None], values) + rng.exponential(scale, (count, count))
    truth = np.minimum(truth, truth.T)
    saddles, tried = np.full((count, count), np.inf), []
    while (pair := choice.tree(values, saddles, tried, 0.1 * scale)) is not None and len(tried) < 3 * count:
        tried.append(pair)
        if gap is None or (pair[0] < gap) == (pair[1] < gap):
            saddles[pair] = saddles[pair[::-1]] = truth[pair]
    ways = [Way(u, v, "none", dict.fromkeys(FIGURES, saddles[u, v])) for u, v in tried if saddles[u, v] < np.inf]
    names = tuple(f"seed{n}" for n in range(count))
    return Landscape(Path("made/up/landscape.h5"), {}, "train_loss", names, values, tuple(ways))


def drawn(made, *names):
    with rc_context(STYLE):
        figure = pictures.picture(made, names)
        FigureCanvasAgg(figure).draw()
    return figure


SIZES = {
    "two": landscape(2),
    "three": landscape(3),
    "eight": landscape(8),
    "twenty": landscape(20),
    "negative": landscape(8, -100.0, 30.0),
    "parts": landscape(9, gap=3),
}


def texts(figure):
    """What can be read in a picture: names, labels, and those of ticks that lie within their axes."""
    found = []
    for axes in figure.findobj(lambda part: isinstance(part, Axes)):
        found += axes.texts
        for axis in (axes.xaxis, axes.yaxis) if axes.axison else ():
            low, high = sorted(axis.get_view_interval())
            ticks = zip(axis.get_majorticklocs(), axis.get_majorticklabels())
            found += [axis.label, *(text for at, text in ticks if low <= at <= high)]
    return [text for text in found if text.get_text()]


@pytest.mark.parametrize("which", SIZES)
@pytest.mark.parametrize("beside", [1, 2])
def test_no_texts_overlap_or_leave_the_picture(which, beside):
    for names in zip(*[iter(WITHOUT_RUNS)] * beside):
        figure = drawn(SIZES[which], *names)
        boxes = [(text.get_text(), text.get_window_extent()) for text in texts(figure)]
        assert len(boxes) > beside * len(SIZES[which].names)
        for said, box in boxes:
            inside = min(box.x0, box.y0, figure.bbox.x1 - box.x1, figure.bbox.y1 - box.y1)
            assert inside > -1.0, (names, said)
        for (one, a), (other, b) in combinations(boxes, 2):
            shared = min(min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0))
            assert shared < 1.5, (names, one, other)  # pixels, of 100 an inch


@pytest.mark.parametrize("which", SIZES)
def test_missing_pairs_are_hatched(which):
    made = SIZES[which]
    for name, known in (("saddle", made.saddles), ("minimax", tree.minimax(made.saddles))):
        axes = drawn(made, name).axes[0]
        shown = np.ma.filled(axes.get_images()[0].get_array().astype(float), np.nan)
        missing = int(np.isinf(np.where(np.eye(len(known)), 0.0, known)).sum())
        assert np.isnan(shown).sum() == missing + len(known)
        assert sum(isinstance(patch, Rectangle) and patch.get_hatch() == "////" for patch in axes.patches) == missing
        assert which != "parts" or missing >= 2 * 3 * 6


@pytest.mark.parametrize(("which", "scale"), [("twenty", "log"), ("negative", "linear")])
def test_logarithms_where_values_are_positive_and_wide_apart(which, scale):
    made = SIZES[which] if scale == "linear" else landscape(20, scale=0.1)
    figure = drawn(made, "disconnectivity", "saddle")
    assert figure.axes[0].get_yscale() == scale
    assert figure.axes[1].get_images()[0].norm.vmin == pytest.approx(min(way.figures["saddle"] for way in made.paths))
    labels = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert not any("10^" in each for each in labels)


def test_the_tree_has_its_edges_and_all_minima_their_numbers():
    made = SIZES["twenty"]
    axes = drawn(made, "tree").axes[0]
    assert len(axes.get_lines()) == 19
    assert {text.get_text() for text in axes.texts} == {str(n) for n in range(20)}
    assert len(drawn(made, "connectivity").axes[0].get_lines()) == len(made.paths)


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (("seed10", "seed11"), ["10", "11"]),
        (("A", "B"), ["A", "B"]),
        (("run", "runs"), ["run", "runs"]),
        (("a/x.pt", "a/y.pt"), ["x.pt", "y.pt"]),
    ],
)
def test_names_in_marks_are_what_they_differ_in(names, short):
    assert pictures._without_beginning(names) == short


def test_nothing_is_drawn_of_no_path():
    made = SIZES["three"]
    made = Landscape(made.file, {}, "", made.names, made.values, ())
    for names in ((), ("saddle",)):
        with pytest.raises(PathsearchError, match="to draw: no path is found yet; it has none"):
            pictures.picture(made, names)
