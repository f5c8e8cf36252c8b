"""What was measured, as plain values to print or to write as JSON."""

from dataclasses import asdict
from typing import Any


def rounded(measured: Any) -> Any:
    """A dataclass, or anything in it, as plain values: numbers to four digits."""
    if isinstance(measured, float):
        return float(f"{measured:.4g}")
    if isinstance(measured, dict):
        return {key: rounded(value) for key, value in measured.items()}
    if isinstance(measured, (list, tuple)):
        return [rounded(value) for value in measured]
    return rounded(asdict(measured)) if hasattr(measured, "__dataclass_fields__") else measured
