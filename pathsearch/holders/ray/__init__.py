"""The Ray holder: actors own blocks of pivots, the coordinator sees inner products. Only this package imports Ray."""

import os

from pathsearch import clusters

# read when Ray is imported: it would print pages when an actor dies, where `Pool` says in a line what matters
os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")

with clusters.environment(clusters.LOOPBACK):
    from pathsearch.holders.ray.holder import RayHolder, opened

__all__ = ["RayHolder", "opened"]
