"""Pictures of runs: each `path.h5` in, one file out."""

from pathsearch.plots.around import plane
from pathsearch.plots.figure import Panels, available, formats, picture, save
from pathsearch.plots.panels import along, convergence, profile
from pathsearch.plots.several import together

__all__ = ["Panels", "along", "available", "convergence", "formats", "picture", "plane", "profile", "save", "together"]
