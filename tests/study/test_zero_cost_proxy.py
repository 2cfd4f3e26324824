"""`--proxy zero-cost`: candidates judged by a score that is nowhere called an accuracy."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner

from nasearch.cli.main import main
from nasearch.errors import MeasurementError, SettingsError
from nasearch.measure.zero_cost.absolute import absolute_score, scales_of
from nasearch.study import Study, StudySettings, scoring
from nasearch.study.opening import make_rules
from nasearch.study.proxies.zero_cost import CALIBRATED_ON
from nasearch.study.screening import draw

Make = Callable[..., Study]


def judged(make: Make, **given: Any) -> Study:
    return make(**({"proxy": "zero-cost", "sampler": None, "confirm": 0} | given))


def test_a_candidate_is_judged_by_its_scores_on_the_scale_of_random_networks(
    make_study: Make, scored: list[str]
) -> None:
    study = judged(make_study)
    study.run(budget=12)
    kept = study._store.scores.all(study._record.id)
    drawn, _ = draw(make_rules(study), CALIBRATED_ON, study.seed)
    columns = {name: [kept[each.architecture.key][name] for each in drawn] for name in ("synflow", "jacov")}
    scales = scales_of(columns)
    trials = [trial for trial in study.trials() if trial.outcome == "complete"]
    assert len(trials) == study.spent == 12
    for trial in trials:
        assert trial.values["accuracy"] == pytest.approx(absolute_score(trial.scores, scales))
    assert len(scored) == len(set(scored))  # those of the scale are candidates too, and none is scored twice
    assert study.settings.proposer == "evolution"


def test_it_goes_on_with_the_same_scale(make_study: Make, scored: list[str]) -> None:
    whole = judged(make_study, name="whole")
    whole.run(budget=8)
    study = judged(make_study, name="halves")
    study.run(budget=3)
    again = judged(make_study, name="halves")
    again.run(budget=8)
    values = [(trial.key, trial.values) for trial in whole.trials()]
    assert [(trial.key, trial.values) for trial in again.trials()] == values


def test_a_score_is_nowhere_called_an_accuracy(make_study: Make, scored: list[str], tmp_path: Any) -> None:
    study = judged(make_study)
    study.run(budget=3)
    storage = study.settings.storage
    front = CliRunner().invoke(main, ["front", "s", "--storage", storage]).stdout
    assert "zero-cost score" in front
    trials = CliRunner().invoke(main, ["trials", "s", "--storage", storage, "--json"]).stdout
    listed = CliRunner().invoke(main, ["studies", "list", "--storage", storage]).stdout
    assert "zero-cost score" in listed
    assert study._optuna.metric_names == ["zero_cost_score", "macs"]
    assert "accuracy" not in study._optuna.trials[0].user_attrs
    for row in json.loads(trials)["trials"]:
        assert "accuracy" not in row["values"]
        assert 0 <= row["values"]["zero_cost_score"] <= 1
    report = study.report(tmp_path / "report")
    (text,) = [file.read_text(encoding="utf-8") for file in report if file.name == "report.md"]
    assert "Zero-cost score is that of the proxy: no training: synflow and jacov on 64 images" in text


def test_the_knee_of_the_confirmed_stands_in_a_front_and_is_timed(
    make_study: Make, scored: list[str]
) -> None:
    study = judged(make_study, confirm=4, epochs=1)
    study.run(budget=8)
    study.measure_front_latency()
    storage = study.settings.storage
    found = json.loads(CliRunner().invoke(main, ["front", "s", "--storage", storage, "--json"]).stdout)
    (knee,) = [row for row in found["confirmed"]["front"] if row["is_knee"]]
    chosen = study.knee()
    assert chosen is not None
    assert knee["number"] == chosen.number
    assert knee["values"]["confirmed_accuracy"] == chosen.values["accuracy"]
    assert 0 <= knee["values"]["zero_cost_score"] <= 1
    assert all(row["values"]["latency_ms"] > 0 for row in found["confirmed"]["front"])
    assert len(study.confirmed()) == 4
    shown = CliRunner().invoke(main, ["studies", "show", "s", "--storage", storage]).stdout
    assert "%" not in shown  # a score is none


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"references": ["resnet18"]}, "references are resnet18; a score is on its space"),
        ({"racing": True}, "racing is on; expected it off"),
        (
            {"limits": ["accuracy >= 45%"]},
            "limit 'accuracy >= 45%' and proxy zero-cost, which trains no candidate",
        ),
        ({"workers": 2}, "workers is 2 and confirm is 0; expected 1 worker, or some to confirm"),
    ],
)
def test_what_cannot_be_had_is_refused(make_study: Make, given: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        judged(make_study, **given)


def test_its_name_takes_nothing() -> None:
    with pytest.raises(SettingsError, match="proxy is 'zero-cost:zen'; expected trained, "):
        StudySettings(proxy="zero-cost:zen")


def test_limits_that_no_network_keeps_exhaust_the_space(make_study: Make, scored: list[str]) -> None:
    study = judged(make_study, limits=["params <= 1"])
    summary = study.run(budget=3)
    assert (summary.stopped, study.spent, scored) == ("exhausted", 0, [])
    assert set(study.outcomes()) == {"refused"}


def test_networks_that_cannot_be_scored_make_no_scale(make_study: Make, monkeypatch: Any) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise MeasurementError("out of luck")

    monkeypatch.setattr(scoring, "score_architectures", fail)
    with pytest.raises(MeasurementError, match="none of 50 random networks can be scored: out of luck"):
        judged(make_study).run(budget=3)
