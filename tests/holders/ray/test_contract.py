"""The contract of holders, passed by actors."""

from typing import ClassVar

import pytest

from pathsearch.holders.ray import RayHolder
from pathsearch.holders.settings import HolderSettings
from tests.holders.contract import HolderContract


class RayContract(HolderContract):
    """Actors take seconds to start: a class's tests share its holders, each of which begins anew by loading."""

    actors: int
    holders: ClassVar[list[RayHolder]]

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def shared(cls, ray_cluster):
        cls.holders = []
        yield
        for holder in cls.holders:
            holder.close()

    @pytest.fixture(autouse=True)
    def given_out(self):
        self.given = 0

    def make(self, objective):
        if self.given == len(self.holders):
            options = HolderSettings(name="ray", actors=self.actors)
            self.holders.append(RayHolder(lambda: objective, options))
        self.given += 1
        return self.holders[self.given - 1]


class TestOneActor(RayContract):
    actors = 1


class TestThreeActors(RayContract):
    actors = 3
