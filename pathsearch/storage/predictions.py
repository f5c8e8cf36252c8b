"""Files of what the points of a path predict, .h5 or .npz, from which any ensemble of them is worked out.

t [k], log_probabilities [k, n, classes] (float16), labels [n]: see `ensembles.Ensemble`.
"""

import io
import os
import zipfile
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from pathsearch.atomic import advice, reason, replacing
from pathsearch.errors import PathsearchError

FORMAT, VERSION = "pathsearch predictions", 1
SUFFIXES = (".h5", ".npz")


def refuse(file: Path) -> None:
    """Raise PathsearchError where predictions cannot be put into a file of this name, or another one would be lost."""
    if file.suffix not in SUFFIXES:
        raise PathsearchError(f"--logits {file}: name a file that ends in one of {', '.join(SUFFIXES)}")
    if not file.parent.is_dir():
        raise PathsearchError(f"--logits {file}: there is no folder {file.parent}")
    if not os.access(file.parent, os.W_OK):
        raise PathsearchError(f"--logits {file}: {file.parent} is not to be written to: choose another folder")
    if file.exists() and not _own(file):
        raise PathsearchError(f"--logits {file}: another file is there, as a run's path.h5: choose another name")


def write(
    file: Path, t: NDArray[np.float64], log_probabilities: NDArray[np.float16], labels: NDArray[np.int64]
) -> None:
    """Replace a file in one piece; raises PathsearchError where the disk does not take it."""
    kept = io.BytesIO()  # a write that fails on a full disk would end HDF5's library
    if file.suffix == ".npz":
        np.savez(kept, t=t, log_probabilities=log_probabilities, labels=labels)
    else:
        with h5py.File(kept, "w") as h5:
            h5.attrs["format"], h5.attrs["format_version"] = FORMAT, VERSION
            h5["t"], h5["log_probabilities"], h5["labels"] = t, log_probabilities, labels
    try:
        with replacing(file) as partial:
            partial.write_bytes(kept.getbuffer())
    except OSError as error:
        raise PathsearchError(f"cannot write {file}: {reason(error)}; {advice(error)}") from error


def _own(file: Path) -> bool:
    try:
        if file.suffix == ".npz":
            with zipfile.ZipFile(file) as kept:
                return set(kept.namelist()) == {f"{name}.npy" for name in ("t", "log_probabilities", "labels")}
        with h5py.File(file, "r") as h5:
            return bool(h5.attrs.get("format") == FORMAT)
    except (OSError, zipfile.BadZipFile):
        return False
