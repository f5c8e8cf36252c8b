"""Figures as plain values."""

from dataclasses import asdict
from typing import Any


def rounded(figures: Any) -> Any:
    """Figures as plain values, numbers to four digits."""
    if isinstance(figures, float):
        return float(f"{figures:.4g}")
    if isinstance(figures, dict):
        return {key: rounded(value) for key, value in figures.items()}
    if isinstance(figures, (list, tuple)):
        return [rounded(value) for value in figures]
    return rounded(asdict(figures)) if hasattr(figures, "__dataclass_fields__") else figures
