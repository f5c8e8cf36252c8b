"""What is said of a network's symmetries: the tables of `pathsearch symmetries`."""

from collections.abc import Iterator
from typing import Any

from rich import box
from rich.table import Table

from pathsearch.alignment.groups import Block, Symmetries


def figures(symmetries: Symmetries) -> dict[str, Any]:
    """Groups with sizes and the parts of parameters that they are, what is pinned and why, as plain values."""
    return {
        "groups": [
            {"name": atom.name, "size": atom.size, "within": list(atom.within), "parts": _parts(symmetries, n)}
            for n, atom in enumerate(symmetries.atoms)
        ],
        "pinned": [
            {"parameter": each.tensor, "axis": each.axis, "part": list(each.part), "by": each.why}
            for each in symmetries.pinned
        ],
        "unreached": list(symmetries.unreached),
        "not_understood": list(symmetries.doubts),
    }


def tables(symmetries: Symmetries) -> Iterator[Table]:
    """The same for people."""
    rows = _rows(
        f"{len(symmetries.atoms)} groups of {symmetries.units:,} units",
        "group",
        "size",
        "for each of",
        "parameters: axis",
    )
    for n, atom in enumerate(symmetries.atoms):
        places = ", ".join(_said(each) for each in _parts(symmetries, n))
        rows.add_row(str(n), str(atom.size), " × ".join(map(str, atom.within)), places)
    yield rows
    rows = _rows("pinned", "parameter: axis", "by")
    for each in figures(symmetries)["pinned"]:
        rows.add_row(_said(each), each["by"])
    if symmetries.pinned:
        yield rows
    for said, names in (
        ("no output depends on", symmetries.unreached),
        ("operations that are not understood, and pin what they touch", symmetries.doubts),
    ):
        if names:
            rows = _rows(said, "")
            rows.add_row(", ".join(names))
            yield rows


def _rows(title: str, *columns: str) -> Table:
    rows = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    for column in columns:
        rows.add_column(column, justify="right" if column in ("size", "group") else "left", overflow="fold")
    return rows


def _parts(symmetries: Symmetries, atom: int) -> list[dict[str, Any]]:
    """Where a group stands: parameters and statistics, axes, and parts of these."""
    found: dict[tuple[str, int, tuple[int, int]], None] = {}
    for block in (*symmetries.blocks, *symmetries.moved):
        for at in _axes(block, atom):
            found[block.tensor, at, block.parts[at]] = None
    return [{"parameter": name, "axis": at, "part": list(part)} for name, at, part in found]


def _axes(block: Block, atom: int) -> list[int]:
    """The axes of the tensor on which a group stands: several axes of the block may come from one."""
    found, place = [], 0
    for at, (start, stop) in enumerate(block.parts):
        left = stop - start
        while place < len(block.shape) and (left > 1 or block.shape[place] == 1):
            if block.atoms[place] == atom:
                found.append(at)
            left //= block.shape[place]
            place += 1
            if left == 1:
                break
    return found


def _said(part: dict[str, Any]) -> str:
    start, stop = part["part"]
    return f"{part['parameter']}: {part['axis']}[{start}:{stop}]"
