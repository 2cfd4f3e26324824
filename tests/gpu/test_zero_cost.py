"""Scores on a GPU: those of the processor where nothing is drawn, and the same again where something is."""

from __future__ import annotations

import pytest
import torch

import nasearch as nas
from nasearch.measure.zero_cost import SCORES, score_architectures, zero_cost_scores

pytestmark = pytest.mark.gpu

DRAWN = ("zen", "az_expressivity", "az_progressivity", "az_trainability")


def test_a_gpu_scores_as_the_processor_does(device: torch.device) -> None:
    torch.manual_seed(0)
    model = nas.build(nas.SearchSpace.load("hybrid").sample(seed=1), 3).double()
    images, labels = torch.randn(8, 3, 16, 16, dtype=torch.float64), torch.arange(8) % 3
    names = [name for name in SCORES if name not in DRAWN]
    here = zero_cost_scores(model, images, labels, names, weights="own")
    there = zero_cost_scores(model.to(device), images, labels, names, weights="own")
    assert there == pytest.approx(here, rel=1e-5)


def test_a_seed_repeats_scores_on_a_gpu_and_leaves_its_generators(device: torch.device) -> None:
    candidates = [nas.SearchSpace.load("tiny").sample(seed=0)]
    images, labels = torch.randn(8, 3, 16, 16, device=device), torch.arange(8, device=device) % 3
    states = torch.get_rng_state(), torch.cuda.get_rng_state(device)
    first, again = (list(score_architectures(candidates, images, labels, 3, DRAWN)) for _ in range(2))
    assert first[0] == pytest.approx(again[0], rel=1e-4)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert torch.equal(torch.cuda.get_rng_state(device), states[1])
