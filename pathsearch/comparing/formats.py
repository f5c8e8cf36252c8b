"""A table of names and numbers as text, Markdown or LaTeX.

A cell is lines: a number and its spread, or the parts of a name. Headings are lines too, the first what columns beside
each other have in common.
"""

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from rich import box
from rich.table import Table

Lines = tuple[str, ...]
NARROW = 9
"""Letters of a heading's line in text."""

SPECIAL = {each: rf"\{each}" for each in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "–": "--",
    "−": "$-$",
    "½": r"\textonehalf{}",
}
"""Characters that LaTeX has another meaning for, or none in every encoding."""

NUMBER = re.compile(r"(-?[\d.]+)(?:e([+-]\d+))?( %)?")


@dataclass(frozen=True)
class Sheet:
    """heads: of the columns of numbers; rows: a name and its numbers; notes: lines below."""

    heads: list[Lines]
    rows: list[tuple[Lines, list[Lines]]]
    notes: list[str]


def text(sheet: Sheet, letters: int) -> Table:
    """As a table for a terminal, names in lines of at most so many letters."""
    heads = [[line for part in head for line in textwrap.wrap(part, NARROW)] for head in sheet.heads]
    high = max(map(len, heads))
    # blank lines tell rows of several lines apart
    many = any(len(lines) > 1 for name, cells in sheet.rows for lines in (name, *cells))
    table = Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=0,  # the box has a space between columns
        leading=int(many),
        caption="\n".join(sheet.notes) or None,
        caption_justify="left",
    )
    table.add_column("", no_wrap=True)
    for head in heads:
        table.add_column("\n".join([""] * (high - len(head)) + head), justify="right", no_wrap=True)
    for name, cells in sheet.rows:
        label = "\n".join(textwrap.fill(line, letters, subsequent_indent=" ") for line in name)
        table.add_row(label, *("\n".join(cell).replace("± ", "±") for cell in cells))
    return table


def markdown(sheet: Sheet) -> str:
    """As a table in Markdown, the notes below."""
    escaped = lambda said: said.replace("\\", "\\\\").replace("|", "\\|")
    lines = [["", *(" ".join(head) for head in sheet.heads)]]
    lines += [[", ".join(name), *(" ".join(cell) for cell in cells)] for name, cells in sheet.rows]
    written = [f"| {' | '.join(map(escaped, line))} |" for line in lines]
    written.insert(1, "|---" + "|--:" * len(sheet.heads) + "|")
    return "\n".join([*written, *(f"\n{note}" for note in sheet.notes)])


def latex(sheet: Sheet) -> str:
    """As a tabular with the rules of booktabs, the notes as comments above it."""
    above, rules, column = [""], [], 2
    for shared, beside in groupby(sheet.heads, key=lambda head: head[0] if len(head) > 1 else ""):
        wide = len(list(beside))
        above.append(rf"\multicolumn{{{wide}}}{{c}}{{{escape(shared)}}}")
        if shared:
            rules.append(rf"\cmidrule(lr){{{column}-{column + wide - 1}}}")
        column += wide
    below = ["", *(escape(head[-1]) for head in sheet.heads)]
    rows = [[", ".join(map(escape, name)), *map(_cell, cells)] for name, cells in sheet.rows]
    return "\n".join(
        [
            *(f"% {note}" for note in sheet.notes),
            rf"\begin{{tabular}}{{l{'r' * len(sheet.heads)}}}",
            r"\toprule",
            _row(above),
            *(["".join(rules)] if rules else []),
            _row(below),
            r"\midrule",
            *map(_row, rows),
            r"\bottomrule",
            r"\end{tabular}",
        ]
    )


def escape(said: str) -> str:
    """Text that LaTeX prints as it is."""
    return "".join(SPECIAL.get(sign, sign) for sign in said)


def _row(cells: Sequence[str]) -> str:
    return rf"{' & '.join(cells)} \\"


def _cell(lines: Lines) -> str:
    """A number, and its spread after ±, set as mathematics; other text as it is."""
    parts = [part.removeprefix("± ") for part in lines]
    if not all(NUMBER.fullmatch(part) for part in parts):
        return escape(" ".join(lines))
    return "$" + r" \pm ".join(map(_number, parts)) + "$"


def _number(said: str) -> str:
    found = NUMBER.fullmatch(said)
    assert found is not None
    digits, power, percent = found.groups()
    return digits + (rf" \cdot 10^{{{int(power)}}}" if power else "") + (r"\,\%" if percent else "")
