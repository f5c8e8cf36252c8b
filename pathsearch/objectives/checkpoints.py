"""Files of weights that other programs wrote, by what is in them. Nothing in them is executed."""

import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

from pathsearch.errors import PathsearchError, one_line
from pathsearch.numerics.native import native

DAMAGED = "is damaged: restore a copy, or save it anew"
SAVE = "save it anew with torch.save(model.state_dict(), …)"


def loaded(file: Path) -> Any:
    """What a file holds: tensors of a `.npy`, `.npz`, `.safetensors` or torch file, in whatever they lie.

    Raises PathsearchError where it is damaged, or would have to be executed.
    """
    try:
        kind = _kind(file)
        if kind == "npy":
            return _array(np.load(file, allow_pickle=False), file)
        if kind == "npz":
            with np.load(file, allow_pickle=False) as arrays:
                return {name: _array(arrays[name], file) for name in arrays.files}
        if kind == "safetensors":
            return load_file(file)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on foreign pickles; the error below says what to do
            return torch.load(file, map_location="cpu", weights_only=True, mmap=False)
    except PathsearchError:
        raise
    except OSError as error:
        raise PathsearchError(f"{file} cannot be read: {one_line(error.strerror or error)}") from error
    except MemoryError as error:
        raise PathsearchError(f"{file} is larger than memory") from error
    except Exception as error:  # each library has one for each way in which a file is none of its own
        raise PathsearchError(f"{file} {_refused(file, kind)}") from error


def _kind(file: Path) -> str:
    """By what it begins with: names of files say little. Raises PathsearchError where a checksum does not fit."""
    with file.open("rb") as raw:
        begins = raw.read(9)
    if begins.startswith(b"\x93NUMPY"):
        return "npy"
    if begins.startswith(b"PK"):
        return "npz" if _members(file) else "torch"
    # eight bytes that say how long the description is, and the description
    return "safetensors" if begins[8:] == b"{" or file.suffix == ".safetensors" else "torch"


def _members(file: Path) -> bool:
    """Whether a zip file holds arrays of numpy; torch, unlike numpy, reads one without a look at its checksums."""
    try:
        with zipfile.ZipFile(file) as members:
            listed = members.infolist()
            # torch writes zeros where it is told to leave them out
            if any(each.CRC for each in listed) and members.testzip() is not None:
                raise PathsearchError(f"{file} {DAMAGED}")
            return all(each.filename.endswith(".npy") for each in listed)
    except PathsearchError:
        raise
    except Exception as error:  # of zipfile, and of what it unpacks with
        raise PathsearchError(f"{file} {DAMAGED}") from error


def _array(array: Any, file: Path) -> torch.Tensor:
    if array.dtype.kind not in "biufc":
        raise PathsearchError(f"{file} has elements of type {array.dtype}, not real numbers")
    return torch.from_numpy(np.array(native(array)))


def _refused(file: Path, kind: str) -> str:
    if kind in ("npy", "npz"):
        return f"holds no plain array of numbers, or {DAMAGED}"
    if kind == "safetensors":
        return f"{DAMAGED}, or is no file of weights"
    try:
        others = sorted(torch.serialization.get_unsafe_globals_in_checkpoint(file))
    except Exception:
        others = []  # it is older than torch's zip files, or none at all
    if others:
        return f"holds more than plain tensors ({', '.join(others[:3])}), and pickles are not opened: {SAVE}"
    return f"is damaged or holds more than plain tensors, and pickles are not opened: {SAVE}"
