"""What a run says of its metrics: which way is better, what is a share, on how many examples they were measured."""

from dataclasses import dataclass

from pathsearch.storage.layout import Arrays
from pathsearch.storage.reader import Run

SPLITS = ("train", "test")
WORDS = {"train": "training", "test": "test"}
LOSSES = ("loss", "loss_l2")
EARLIER = {"error": {"share": True}, "accuracy": {"share": True, "higher": True}}
"""Metrics of files that do not describe theirs."""


@dataclass(frozen=True)
class Metric:
    """What is measured, whichever split; higher: whether more is better; share: whether it is one of 1."""

    name: str
    higher: bool = False
    share: bool = False


def metric(run: Run, column: str) -> Metric:
    """What a column of a profile holds; the column of metric `error` on the split `test` is `test_error`."""
    split, _, name = column.partition("_")
    if split not in SPLITS:
        return Metric(column)
    said = run.summary.get("described", EARLIER).get(name, {})
    return Metric(name, bool(said.get("higher")), bool(said.get("share")))


def beside_the_loss(run: Run) -> list[str]:
    """Names of the run's metrics but the loss: those it describes, and those that are measured along its path."""
    measured = (metric(run, column).name for column in columns(run.groups.get("profiles/path", {})))
    return [name for name in dict.fromkeys([*run.summary.get("described", ()), *measured]) if name not in LOSSES]


def columns(profile: Arrays) -> Arrays:
    """The metrics of a profile by column, without where they were measured."""
    return {name: values for name, values in profile.items() if name not in ("t", "arc_length")}


def subset(run: Run) -> str:
    """On which part of the data the run was measured, in words; "" where that is all, or not known."""
    said = run.summary.get("measured", {})
    counts = {split: (said[split], said[f"{split}_of"]) for split in SPLITS if split in said}
    if all(some == there for some, there in counts.values()):
        return ""
    parts = [f"{_part(some, there)} {WORDS[split]}" for split, (some, there) in counts.items()]
    return f"measured on {' and '.join(parts)} examples"


def _part(some: int, there: int) -> str:
    """So many examples of those that there are."""
    return f"all {there:,}" if some == there else f"{some:,} of {there:,}"
