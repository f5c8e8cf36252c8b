"""Clocks, and figures as text."""

import time
from dataclasses import asdict
from typing import Any

import torch


def now(device: torch.device) -> float:
    """Seconds, once the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def rounded(figures: Any) -> Any:
    """Figures as plain values, numbers to four digits."""
    if isinstance(figures, float):
        return float(f"{figures:.4g}")
    if isinstance(figures, dict):
        return {key: rounded(value) for key, value in figures.items()}
    if isinstance(figures, (list, tuple)):
        return [rounded(value) for value in figures]
    return rounded(asdict(figures)) if hasattr(figures, "__dataclass_fields__") else figures
