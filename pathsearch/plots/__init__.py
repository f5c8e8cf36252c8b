"""Pictures of a run: `path.h5` in, one file out."""

from pathsearch.plots.panels import convergence, error, profile
from pathsearch.plots.picture import PANELS, formats, picture, save
from pathsearch.plots.plane import plane

__all__ = ["PANELS", "convergence", "error", "formats", "picture", "plane", "profile", "save"]
