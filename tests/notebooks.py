"""The notebooks in analysis/, each run from its first cell to its last, with what it printed and drew.

`python -m tests.notebooks` writes them anew where they are, after a cell was changed; `--into FOLDER` there instead,
`python -m tests.notebooks methods` only that one.
"""

import argparse
import hashlib
import os
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

FOLDER = Path(__file__).parent.parent / "analysis"
# it has no versions and no times, so that a notebook that is run again differs only in what it found
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def names() -> list[str]:
    return sorted(file.stem for file in FOLDER.glob("*.ipynb"))


def digest(notebook: NotebookNode) -> str:
    """Of all cells' texts: kept with the outputs, it tells whether they are those of these cells."""
    return hashlib.sha256("\0".join(cell.source for cell in notebook.cells).encode()).hexdigest()


def executed(file: Path) -> NotebookNode:
    """The notebook with its outputs; its kernel keeps what it writes, jobs and history among it, in a folder that goes.

    Raises CellExecutionError where a cell does.
    """
    notebook = nbformat.read(file, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        own = {name: folder for name in ("TMPDIR", "XDG_STATE_HOME", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR")}
        NotebookClient(
            notebook,
            timeout=600,
            kernel_name="python3",
            record_timing=False,
            coalesce_streams=True,
            resources={"metadata": {"path": folder}},
        ).execute(env={**os.environ, **own})
    notebook.metadata = nbformat.from_dict({**METADATA, "executed": digest(notebook)})
    return notebook


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.notebooks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names())}; default: all")
    parser.add_argument("--into", type=Path, default=FOLDER, metavar="FOLDER")
    asked = parser.parse_args()
    for name in asked.names or names():
        nbformat.write(executed(FOLDER / f"{name}.ipynb"), asked.into / f"{name}.ipynb")


if __name__ == "__main__":
    main()
