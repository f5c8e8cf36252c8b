"""Live objectives of what a configuration declares."""

import pytest
import torch

from pathsearch.errors import PathsearchError
from pathsearch.numerics.seeds import Key
from pathsearch.objectives import SURFACES, CallableSettings, NetworkSettings, SurfaceSettings

CPU = torch.device("cpu")


def test_what_is_no_image_is_not_cropped():
    settings = {"model": "mlp", "data": {"name": "moons", "points": 50, "augment": True}}
    with pytest.raises(PathsearchError, match=r"augment crops images, the inputs have shape \(2,\): leave it out"):
        NetworkSettings.model_validate(settings).open(None, CPU)


def test_a_users_module_does_not_have_the_last_word_on_precision(tmp_path):
    (tmp_path / "hasty.py").write_text(
        "import torch\ntorch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True\n"
        "def loss(w): return w.sum()\n"
    )
    settings = {"target": "hasty:loss", "precision": "float32"}
    objective = CallableSettings.model_validate(settings).open(2, CPU, tmp_path)
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32
    assert objective.arithmetic == ("float32", False)


@pytest.mark.parametrize("name", SURFACES)
def test_every_surface_of_the_table_opens(name):
    objective = SurfaceSettings.model_validate({"name": name}).open(None, CPU)
    assert objective.loss(torch.tensor(SURFACES[name].start, dtype=torch.float64), Key(0, 0)).isfinite()
