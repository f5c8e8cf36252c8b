"""What `pathsearch compare` prints of groups of runs: the columns that fit on a page, or all as rows of CSV."""

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

from pathsearch.comparing.formats import Lines, Sheet
from pathsearch.comparing.groups import ALONG, SEEDS, Group, Spread, heads, said
from pathsearch.comparing.published import Published
from pathsearch.report import label, number

Beside = list[tuple[Published, dict[str, Spread]]]
"""Published rows that fit a group, and their figures."""

CONVENTIONS = (
    "max is the saddle, barrier = max − the higher end, line: the straight one. csv has all figures, among them the "
    "barriers over the mean of the ends, over their interpolation, and of the midpoint over that mean"
)


ALONE, BESIDE = ("min", "max", "mean", "barrier"), ("ends", "max", "barrier")
"""Figures of the training loss, without and with published ones beside them."""
LINE = ALONG["linear"]
GOAL = "gradients_to_goal"
HEADS = {"ends": "mean of ends"}
"""Headings of figures that go by another name."""

LONGEST = 30
"""Letters of a group's name, beyond which the table has a number and the name stands below."""


class Column(NamedTuple):
    """A figure by its key, its heading, and whether it is a share of 1 or a whole number."""

    key: str
    head: Lines
    share: bool = False
    whole: bool = False


def sheet(groups: Sequence[Group], beside: Sequence[Beside], *notes: str, longest: int | None = LONGEST) -> Sheet:
    """A row a group, and below it the published rows that fit; notes: lines to be added.

    longest: letters of a name above which all are numbers, with a legend below; None where names may be of any length.
    """
    chosen = columns(groups, any(beside))
    rows: list[tuple[Lines, list[Lines]]] = []
    names, legend = short_names(groups, longest)
    for group, name, published in zip(groups, names, beside):
        found = group.spreads()
        rows.append(((*name, f"n = {len(group.members)}"), [cell(found.get(c.key), c) for c in chosen]))
        for row, its in published:
            rows.append(((f"published: {row.paper}", row.place), [cell(its.get(c.key), c) for c in chosen]))
    said = [*legend, CONVENTIONS, *notes]
    if any(len(group.members) > 1 for group in groups):
        said.insert(len(legend), "mean ± standard deviation over n runs that differ in their seeds alone")
    if any(beside):
        said.append("published: on the papers' own data, with their schedules and seeds")
    return Sheet([column.head for column in chosen], rows, [note for note in said if note])


def columns(groups: Sequence[Group], published: bool) -> list[Column]:
    """The columns of a page; beside published figures those that papers give."""
    metrics = set.union(*(group.metrics() for group in groups))
    loss = "train_loss" if "train_loss" in metrics else "loss"
    aiming = any(GOAL in group.spreads() for group in groups)
    wanted: list[tuple[str, tuple[str, ...]]] = [
        (loss, BESIDE if published else ALONE),
        (f"{LINE}{loss}", ("barrier",)),
    ]
    if published and "train_loss_l2" in metrics:
        wanted.append(("train_loss_l2", ("min", "max")))
    wanted += [(metric, ("min", "max")) for metric in ("test_error", "test_loss") if metric in metrics][:1]
    shares = set.union(*(set(group.shares) for group in groups))
    found = [
        Column(f"{metric}.{figure}", (_above(metric), HEADS.get(figure, figure)), metric in shares)
        for metric, figures in wanted
        for figure in figures
    ]
    found.append(Column("length_over_chord", ("length over chord",)))
    found.append(Column("gradients", ("gradients",), whole=True))
    if aiming:
        found.append(Column(GOAL, ("gradients to goal",), whole=True))
    return found


def _above(metric: str) -> str:
    """What columns of a metric have in common."""
    return "line" if metric.startswith(LINE) else label(metric)


def short_names(groups: Sequence[Group], longest: int | None) -> tuple[list[Lines], list[str]]:
    """Names of groups, an option a line, in as few words as tell them apart, or their numbers; lines of a legend."""
    short = heads([group.differs for group in groups])
    names = [named(group, short) for group in groups]
    if longest is None or max(len(", ".join(name)) for name in names) <= longest:
        return names, []
    return [(str(n + 1),) for n in range(len(groups))], [
        f"{n + 1}: {', '.join(named(group))}" for n, group in enumerate(groups)
    ]


def named(group: Group, short: Mapping[str, str] = MappingProxyType({})) -> Lines:
    """What tells a group from the others, an option a line; of a group alone its method. short: words for options."""
    differs = group.differs or {"method.name": group.options["method.name"]}
    return tuple(f"{short.get(key, key.removesuffix('.name'))}={said(value)}" for key, value in differs.items())


def cell(found: Spread | None, column: Column) -> Lines:
    """A figure, and its standard deviation where it has one."""
    if found is None:
        return ("–",)
    finite = found.mean == found.mean
    if column.key == GOAL and not finite:
        reached = sum(map(math.isfinite, found.values))
        return (f"{reached} of {len(found.values)}", "reached") if reached else ("not reached",)
    value = f"{found.mean:.7g}" if column.whole else number(found.mean, column.share)
    if found.sd is None or not finite or (column.whole and found.sd == 0):
        return (value,)
    return value, f"± {100 * found.sd:.2g} %" if column.share else f"± {found.sd:.2g}"


def csv_rows(groups: Sequence[Group], beside: Sequence[Beside]) -> list[list[str]]:
    """A heading; a row a group, every figure as mean, standard deviation and the values of its runs, in the order of
    `runs`; and rows of published figures, which have no runs.
    """
    spreads = [group.spreads() for group in groups]
    tables = [*spreads, *(figures for rows in beside for _, figures in rows)]
    keys = list(dict.fromkeys(key for table in tables for key in table))
    options = list(dict.fromkeys(key for group in groups for key in group.differs))
    head = ["group", "published", "n", "runs", *SEEDS, *options]
    rows = [[*head, *(f"{key}{part}" for key in keys for part in ("", " sd", " values"))]]
    for group, found, published in zip(groups, spreads, beside):
        name, members = ", ".join(named(group)), group.members
        seeds = [joined(seed) for seed in zip(*(member.seeds for member in members))]
        runs = [str(len(members)), joined(member.name for member in members), *seeds]
        its = [said(group.differs[key]) if key in group.differs else "" for key in options]
        rows.append([name, "", *runs, *its, *_figures(found, keys)])
        for row, figures in published:
            where = f"{row.paper}, {row.place}"
            rows.append([name, where, *[""] * (len(head) - 2), *_figures(figures, keys)])
    return rows


def joined(values: Any) -> str:
    """Values in one field; there is nothing for None."""
    return ";".join("" if value is None else str(value) for value in values)


def _figures(found: dict[str, Spread], keys: Sequence[str]) -> list[str]:
    spreads = [found.get(key) for key in keys]
    fields = (("", "", "") if s is None else (repr(s.mean), joined([s.sd]), joined(s.values)) for s in spreads)
    return [field for three in fields for field in three]
