"""The Ray holder: actors own blocks of pivots, the coordinator sees inner products. Only this package imports Ray."""

import os

from pathsearch import clusters

# read when Ray is imported: it would print pages on an actor's death, of which `Pool` says what matters in a line
os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")

with clusters.environment(clusters.LOOPBACK):
    from pathsearch.holders.ray.holder import RayHolder, opened

__all__ = ["RayHolder", "opened"]
