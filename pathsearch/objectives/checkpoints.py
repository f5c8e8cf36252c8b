"""Reads files of weights that other programs wrote, and executes nothing that is in them."""

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
    """What a `.npy`, `.npz`, `.safetensors` or torch file holds: tensors, in dictionaries and lists of any depth.

    Raises PathsearchError where the file is damaged, or reading it would execute something.
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
    except Exception as error:  # each library has its own errors for files it cannot read
        raise PathsearchError(f"{file} {_refused(file, kind)}") from error


def _kind(file: Path) -> str:
    """The kind of a file by its first bytes: names say little. Raises PathsearchError where a checksum does not fit."""
    with file.open("rb") as raw:
        begins = raw.read(9)
    if begins.startswith(b"\x93NUMPY"):
        return "npy"
    if begins.startswith(b"PK"):
        return "npz" if _members(file) else "torch"
    # safetensors: eight bytes with the length of a description, then the description
    return "safetensors" if begins[8:] == b"{" or file.suffix == ".safetensors" else "torch"


def _members(file: Path) -> bool:
    """Whether a zip file holds arrays of numpy. Checksums are checked here, since torch does not look at them."""
    try:
        with zipfile.ZipFile(file) as members:
            listed = members.infolist()
            # torch can be told to leave checksums out: then they are all zero
            if any(each.CRC for each in listed) and members.testzip() is not None:
                raise PathsearchError(f"{file} {DAMAGED}")
            return all(each.filename.endswith(".npy") for each in listed)
    except PathsearchError:
        raise
    except Exception as error:  # zipfile and its decompressors have many kinds
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
        others = []  # the file is older than torch's zip files, or none of torch's
    if others:
        return f"holds more than plain tensors ({', '.join(others[:3])}), and pickles are not opened: {SAVE}"
    return f"is damaged or holds more than plain tensors, and pickles are not opened: {SAVE}"
