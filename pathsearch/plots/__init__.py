"""Pictures of a run: `path.h5` in, one file out."""

from pathsearch.plots.around import plane
from pathsearch.plots.figure import PANELS, formats, picture, save
from pathsearch.plots.panels import convergence, error, profile

__all__ = ["PANELS", "convergence", "error", "formats", "picture", "plane", "profile", "save"]
