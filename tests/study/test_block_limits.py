"""Limits of single blocks: refused before training with their margin, set on every trial, free of charge."""

from __future__ import annotations

from collections.abc import Callable

import optuna
import pytest
from optuna.trial import TrialState

from nasearch.errors import BuildError, StudyError
from nasearch.space import SearchSpace
from nasearch.study import Study

Make = Callable[..., Study]

SIX = """
stem: {kind: conv, channels: 4, stride: 2}
stages:
  - channels: [4, 8, 16]
    block:
      one_of:
        - {kind: conv, kernel: 3, limits: ["macs <= 5k"]}
        - {kind: skip}
"""
NAME = "stage1.conv.macs <= 5k"
# 1x8x8 images: the stem hands on 4x4x4, so that the convolution takes 16 positions x 9 x 4 x channels.
MACS = {4: 2304, 8: 4608, 16: 9216}


def constraints(study: Study) -> dict[int, dict[str, float]]:
    trials = optuna.load_study(study_name=study.name, storage=study._store.optuna).get_trials()
    return {trial.number: trial.constraints for trial in trials}


def test_a_network_whose_block_is_too_dear_is_refused_with_its_margin(make_study: Make) -> None:
    study = make_study(space=SearchSpace.parse(SIX, "six"), limits=["params <= 9k"])
    summary = study.run(budget=50)
    assert (summary.stopped, study.spent) == ("exhausted", 5)  # of six networks one has the dear block
    found = constraints(study)
    states = {
        t.number: t.state for t in optuna.load_study(study_name="s", storage=study._store.optuna).trials
    }
    kinds = set()
    for trial in study.trials():
        assert set(found[trial.number]) == {"params <= 9k", NAME}
        block = trial.architecture.blocks[1]
        kinds.add((block.kind, block.channels))
        if block.kind == "skip":
            assert found[trial.number][NAME] == -1.0  # no block that it holds for
        else:
            assert found[trial.number][NAME] == pytest.approx(MACS[block.channels] / 5000 - 1)
        if (block.kind, block.channels) == ("conv", 16):
            assert (trial.outcome, states[trial.number]) == ("refused", TrialState.PRUNED)
            assert trial.reason == f"{NAME} is broken: macs of a block is 9216"
        else:
            assert trial.outcome in ("complete", "repeated")
    assert len(kinds) == 6
    assert all(NAME not in trial.values for trial in study.trials())


def test_of_several_blocks_the_largest_counts(make_study: Make) -> None:
    """The second convolution reads 8 channels where the first reads 4: 9216 MACs against 4608."""
    space = SearchSpace.parse(
        "stem: {kind: conv, channels: 4, stride: 2}\n"
        "stages:\n"
        "  - {channels: 8, depth: [1, 2], block: {kind: conv}, limits: ['macs <= 5k', 'params <= 1k']}\n",
        "deep",
    )
    study = make_study(space=space)
    study.run(budget=50)
    assert study.spent == 1
    found = constraints(study)
    for trial in study.trials():
        deep = len(trial.architecture.blocks) == 3
        assert trial.outcome == ("refused" if deep else trial.outcome)
        macs = 9216 if deep else 4608
        params = 9 * (8 if deep else 4) * 8 + 2 * 8  # and a batch norm
        assert found[trial.number] == {
            "stage1.macs <= 5k": pytest.approx(macs / 5000 - 1),
            "stage1.params <= 1k": pytest.approx(params / 1000 - 1),
        }


def test_blocks_behind_a_resize_are_the_ones_that_count(make_study: Make) -> None:
    """At 4x4 pixels the stem hands on 2x2, so that the same convolution takes a quarter."""
    study = make_study(space=SearchSpace.parse(f"resolution: 4\n{SIX}", "six"))
    study.run(budget=50)
    assert study.spent == 6
    dear = next(t for t in study.trials() if _second(t.architecture) == ("conv", 16))
    assert constraints(study)[dear.number][NAME] == pytest.approx(2304 / 5000 - 1)


def _second(architecture: object) -> tuple[str, int]:
    block = architecture.blocks[1]  # type: ignore[attr-defined]
    return block.kind, block.channels


def test_feasible_networks_are_drawn_where_proposals_find_none(make_study: Make) -> None:
    """One of 41 widths keeps the limit; the draw after twenty refusals knows it without training."""
    widths = ", ".join(map(str, range(8, 49)))
    space = SearchSpace.parse(
        "stem: {kind: conv, channels: 4, stride: 2}\n"
        f"stages: [{{channels: [{widths}], block: {{kind: conv}}, limits: ['macs <= 5k']}}]\n",
        "wide",
    )
    study = make_study(space=space)
    summary = study.run(budget=3)
    assert (study.spent, summary.stopped) == (1, "exhausted")
    assert study.front()[0].architecture.blocks[1].channels == 8
    assert summary.outcomes["refused"] <= 60


def test_where_a_network_cannot_be_judged_the_constraint_is_set_all_the_same(
    make_study: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = make_study(space=SearchSpace.parse(SIX, "six"))

    def broken(*_: object, **__: object) -> object:
        raise BuildError("stage1.block1 (conv): no")

    monkeypatch.setattr("nasearch.study.opening.architecture_cost", broken)
    study.run(budget=1)
    assert {trial.outcome for trial in study.trials()} == {"refused"}
    assert all(values == {NAME: 0.0} for values in constraints(study).values())


@pytest.mark.parametrize("sampler", ["surrogate", "tpe", "nsga2", "gp"])
def test_samplers_take_them(make_study: Make, sampler: str) -> None:
    study = make_study(space=SearchSpace.parse(SIX, "six"), sampler=sampler)
    study.run(budget=5)
    assert study.spent == 5


def test_other_limits_of_blocks_are_another_study(make_study: Make) -> None:
    make_study(space=SearchSpace.parse(SIX, "six"))
    with pytest.raises(StudyError, match="exists with another space"):
        make_study(space=SearchSpace.parse(SIX.replace("5k", "6k"), "six"))


def test_the_report_names_them(make_study: Make) -> None:
    study = make_study(space=SearchSpace.parse(SIX, "six"), limits=["params <= 9k"])
    study.run(budget=1)
    text = study.report()[2].read_text()
    assert f"| limits | `params <= 9k`, `{NAME}` |" in text
