"""Our samplers keep Optuna's own contract, as far as it speaks of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from optuna.samplers import BaseSampler
from optuna.testing.pytest_samplers import (
    BasicSamplerTestCase,
    MultiObjectiveSamplerTestCase,
    RelativeSamplerTestCase,
)

from nasearch.samplers import ParetoEvolutionSampler, SurrogateSampler

# `SingleOnlySamplerTestCase` is for samplers that refuse several objectives; ours do not.


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Less to compare: the contract asks for what is proposed, not for how good it is."""
    for name, number in (("DRAWN", 50), ("POOL", 60), ("NEAR", 20)):
        monkeypatch.setattr(f"nasearch.samplers.surrogate.{name}", number)


@pytest.mark.usefixtures("_quick")
class TestSurrogate(BasicSamplerTestCase, RelativeSamplerTestCase, MultiObjectiveSamplerTestCase):
    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return SurrogateSampler


class TestEvolution(BasicSamplerTestCase, RelativeSamplerTestCase, MultiObjectiveSamplerTestCase):
    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return ParetoEvolutionSampler


@pytest.mark.usefixtures("_quick")
class TestSurrogateThatModelsAtOnce(BasicSamplerTestCase):
    """Without a first design, so that the model meets what the short studies of the contract hold."""

    @pytest.fixture
    def sampler(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[], BaseSampler]:
        monkeypatch.setattr("nasearch.samplers.surrogate.FIRST", 1)
        return SurrogateSampler


class TestEvolutionThatMutatesAtOnce(BasicSamplerTestCase, RelativeSamplerTestCase):
    """Likewise."""

    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return lambda: ParetoEvolutionSampler(first=1)
