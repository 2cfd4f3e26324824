"""Zero-cost scores as features of the surrogate sampler."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from nasearch.errors import MeasurementError, SettingsError
from nasearch.samplers.surrogate import FEATURES, FINALISTS
from nasearch.study import Study, StudySettings, scoring
from nasearch.study.scoring import Scorer, as_features

Make = Callable[..., Study]


def test_finalists_are_scored_once_and_what_is_told_is_kept(make_study: Make, scored: list[str]) -> None:
    study = make_study(sampler="surrogate", features=True)
    study.run(budget=10)
    assert len(scored) == 10  # of the first design only what is proposed
    study.run(budget=11)
    assert 10 < len(scored) <= 10 + FINALISTS
    again = make_study(sampler="surrogate", features=True)  # as another process would
    again.run(budget=12)
    assert len(scored) == len(set(scored)) <= 10 + 2 * FINALISTS
    kept = study._store.scores.all(study._record.id)
    assert set(kept) == set(scored)
    for trial, frozen in zip(again.trials(), again._optuna.trials, strict=True):
        assert trial.scores == kept[trial.key]
        assert frozen.system_attrs[FEATURES] == [trial.scores["synflow"], trial.scores["jacov"]]


def test_no_signal_is_told_as_the_lowest_score_and_a_failure_as_nothing(
    make_study: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = make_study()
    values = iter([-math.inf, 3.0, 2.0, -math.inf])
    different = {each.key: each for each in map(study.space.sample, range(50))}
    *four, fifth = list(different.values())[:5]

    def some(architectures: Any, *_: Any, **__: Any) -> Any:
        return [{"synflow": next(values)}]

    monkeypatch.setattr(scoring, "score_architectures", some)
    scorer = Scorer(study, ["synflow"])
    told = [list(as_features(scorer, each)) for each in four]
    assert told == [[0.0], [3.0], [2.0], [2.0]]

    def none(*_: Any, **__: Any) -> Any:
        raise MeasurementError("zen of Network is nan")

    monkeypatch.setattr(scoring, "score_architectures", none)
    assert all(math.isnan(value) for value in as_features(scorer, fifth))


def test_only_the_surrogate_can_be_told() -> None:
    with pytest.raises(SettingsError, match="features is on and sampler is 'random'; expected surrogate"):
        StudySettings(features=True, sampler="random")
    assert StudySettings(features=True).proposer == "surrogate"
