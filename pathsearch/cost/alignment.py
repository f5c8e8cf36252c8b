"""Alignment on networks whose answer is known: `python -m pathsearch.cost.alignment [planted|groups|time] [SEEDS]`.

planted: of how many permuted copies the permutation is found, exactly, and how far random permutations change outputs.
groups: how many groups networks of the papers' sizes have. time: what it takes to align two independent networks.
"""

import sys
import time
from collections.abc import Iterator

import numpy as np
import torch

from pathsearch.alignment.aligned import Alignment, aligned, by_weights
from pathsearch.alignment.groups import drawn as permutations
from pathsearch.alignment.groups import permuted
from pathsearch.alignment.permutable import permutable
from pathsearch.alignment.verify import off_by
from pathsearch.cost.architectures import LARGE, PUBLISHED, SMALL, Architecture, drawn

SEEDS, TIMED = 100, {"ResNet-20": 5, "VGG16": 60, "WRN-28-10": 180}


def planted(architecture: Architecture, seeds: int) -> tuple[int, float, int]:
    """How many permuted copies of how many are found, how far outputs are off at most, and the number of groups."""
    found, off, groups = 0, 0.0, 0
    for seed in range(seeds):
        module, inputs = drawn(architecture, seed)
        network = permutable(module, inputs)
        symmetries = network.traced().symmetries
        groups = len(symmetries.atoms)
        by = permutations(symmetries, np.random.default_rng(seed))
        off = max(off, off_by(network, symmetries, by))
        copy = permuted(symmetries, network.tensors, by)
        match = by_weights(network.tensors, copy, 0, 0)(symmetries)
        back = permuted(symmetries, copy, match)
        found += all(torch.equal(back[name], each) for name, each in network.tensors.items())
    return found, off, groups


def timed(architecture: Architecture) -> tuple[float, Alignment]:
    """Seconds for the whole of an alignment of two independent networks, and what came of it."""
    (one, inputs), (other, _) = drawn(architecture, 0), drawn(architecture, 1)
    began = time.perf_counter()
    network = permutable(one, inputs)
    ours, theirs = (dict(each.state_dict()) for each in (one, other))
    found = aligned(network, network.traced().symmetries, ours, theirs, by_weights(ours, theirs, 4, 0))
    return time.perf_counter() - began, found


def lines(what: str, seeds: int) -> Iterator[str]:
    """What is printed of one of the three, as it is found."""
    if what == "planted":
        for name, each in {**SMALL, **PUBLISHED}.items():
            found, off, groups = planted(each, seeds)
            yield f"{name:26} {groups:4} groups  found {found} of {seeds}  outputs off by {off:.1e}"
    elif what == "groups":
        for name, each in LARGE.items():
            module, inputs = drawn(each, 0)
            count = len(permutable(module, inputs).traced().symmetries.atoms)
            yield f"{name:20} {count:4} groups, known {each.groups}"
    else:
        for name, most in TIMED.items():
            seconds, found_ = timed(LARGE[name])
            before, after = found_.distance
            yield f"{name:10} {seconds:6.1f} s, asked {most}  distance {before:.4g}, aligned {after:.4g}"


if __name__ == "__main__":
    asked = sys.argv[1] if len(sys.argv) > 1 else "planted"
    for line in lines(asked, int(sys.argv[2]) if len(sys.argv) > 2 else SEEDS):
        print(line, flush=True)
