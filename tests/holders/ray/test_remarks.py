"""What an objective in an actor has to say."""

import numpy as np
import torch

from pathsearch.holders.ray import RayHolder
from pathsearch.holders.settings import HolderSettings
from pathsearch.objectives.function import FunctionObjective


class Talking(FunctionObjective):
    """Says something at every measurement."""

    def __init__(self):
        super().__init__(lambda weights: weights @ weights, 2, torch.float64, torch.device("cpu"))
        self.remarks = []

    def measure(self, weights):
        self.remarks.append("half at once")
        return super().measure(weights)


def test_remarks_of_actors_reach_the_log_once(ray_cluster):
    said = []
    holder = RayHolder(Talking, HolderSettings(name="ray", actors=2), said.append)
    try:
        holder.load(np.array([[-1.0, 0.0], [1.0, 0.0]]), [], {})
        holder.ask("measure", np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]]))
    finally:
        holder.close()
    assert said == ["half at once"]
