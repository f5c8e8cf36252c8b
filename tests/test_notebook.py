"""The notebook in analysis/ runs from its first cell to its last."""

import json
import os
import subprocess
import sys
from pathlib import Path

NOTEBOOK = Path(__file__).parent.parent / "analysis" / "path.ipynb"
# in a process of its own: the kernel's libraries have warnings and event loops that are not ours
EXECUTE = """
import sys, nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(notebook, timeout=120, resources={"metadata": {"path": sys.argv[2]}}).execute()
nbformat.write(notebook, sys.argv[3])
"""


def test_the_notebook_draws_a_run(tmp_path):
    out = tmp_path / "done.ipynb"
    environment = {**os.environ, "PATHSEARCH_RUN": str(tmp_path / "run")}
    subprocess.run([sys.executable, "-c", EXECUTE, NOTEBOOK, tmp_path, out], check=True, env=environment)
    outputs = [output for cell in json.loads(out.read_text())["cells"] for output in cell.get("outputs", [])]
    texts = "".join("".join(output.get("text", "")) for output in outputs)
    assert "neb: converged" in texts
    assert any("image/png" in output.get("data", {}) for output in outputs)


def test_no_outputs_are_kept_in_the_repository():
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    assert not any(cell.get("outputs") for cell in cells)
