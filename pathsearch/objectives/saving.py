"""Writes files of weights for other programs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from pathsearch.atomic import replacing
from pathsearch.errors import PathsearchError, one_line


def save(state: Mapping[str, Any], file: Path) -> None:
    """Put a state_dict into a file in one piece, in the safetensors format where its suffix is that, else in torch's.

    Raises PathsearchError where it cannot be written; what is there stays then.
    """
    try:
        with replacing(file) as partial:
            if file.suffix == ".safetensors":
                # tied tensors lie once in memory, and the format takes none that do
                tensors = {name: each for name, each in state.items() if isinstance(each, torch.Tensor)}
                save_file({name: each.clone().contiguous() for name, each in tensors.items()}, partial)
            else:
                torch.save(state, partial)
    except (OSError, RuntimeError) as error:  # torch has the latter for a file it cannot write
        raise PathsearchError(f"{file} cannot be written: {one_line(error)}") from error
