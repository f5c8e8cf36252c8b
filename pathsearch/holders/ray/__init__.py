"""The Ray holder: actors own blocks of pivots, the coordinator sees inner products. Only this package imports Ray."""

from pathsearch.holders.ray.holder import RayHolder, opened

__all__ = ["RayHolder", "opened"]
