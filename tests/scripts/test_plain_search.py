"""The plain script: that it trains, searches and logs as it says."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import optuna
import pytest
import torch
from click.testing import CliRunner
from torch import nn

import nasearch as nas
from nasearch.training import RECIPES, Recipe
from scripts import plain_search
from scripts.bench_tools import arrays_of, left_out, plain_parts
from scripts.plain_search import Arrays, Numbers, main, train_plain
from tests.support.small_data import small_dataset


def small_arrays(channels: int = 1) -> Arrays:
    return arrays_of(small_dataset(channels), None)


@dataclass(frozen=True)
class Epochs:
    """Numbers of a script that knows nothing else."""

    epochs: int = 1


@pytest.fixture
def no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loads in this process: two workers a training take longer than the trainings here."""
    loader = torch.utils.data.DataLoader

    def here(*given: object, **options: object) -> object:
        return loader(*given, **(options | {"num_workers": 0, "persistent_workers": False}))  # type: ignore[arg-type]

    monkeypatch.setattr(plain_search, "DataLoader", here)


def test_mean_and_deviation_are_those_of_the_data_set() -> None:
    for channels in (1, 3):
        dataset, arrays = small_dataset(channels), small_arrays(channels)
        assert arrays.mean == pytest.approx(dataset.mean, abs=1e-6)
        assert arrays.std == pytest.approx(dataset.std, abs=1e-6)
        assert arrays.shape == dataset.input_shape


def test_numbers_are_those_of_a_recipe() -> None:
    recipe = RECIPES["proxy"].to_dict()
    numbers = Numbers.of({**recipe, "something newer": 1})
    shared = set(Numbers.__dataclass_fields__) & set(recipe)
    assert {"epochs", "batch_size", "lr", "weight_decay", "label_smoothing", "grad_clip"} <= shared
    assert all(getattr(numbers, name) == recipe[name] for name in shared)


def test_what_the_plain_script_does_without_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    # images are handed over as arrays, so a share of them is nothing to do without
    recipe = Recipe("own", epochs=3, images=64, flip=False, label_smoothing=0.3)
    assert left_out(recipe) == {}
    monkeypatch.setattr("scripts.bench_tools.Numbers", Epochs)
    assert left_out(recipe) == {"flip": False, "label_smoothing": 0.3}


def test_the_named_sampler_is_optunas_default() -> None:
    default = optuna.create_study(directions=["maximize", "minimize"]).sampler
    assert type(default) is optuna.samplers.TPESampler


@pytest.mark.parametrize("channels", [1, 3])
def test_a_training_learns_what_is_easy(channels: int, no_processes: None) -> None:
    arrays = small_arrays(channels)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(channels * 64, 3))
    numbers = Numbers(epochs=8, batch_size=8, crop_padding=1, mixup_share=0.2, cutmix_share=0.1)
    assert train_plain(model, arrays, numbers) > 0.9


def test_a_training_repeats_by_seed(no_processes: None) -> None:
    arrays, weights = small_arrays(), []
    for seed in (1, 1, 2):
        torch.manual_seed(0)
        last = nn.Linear(64, 3)
        train_plain(
            nn.Sequential(nn.Flatten(), last), arrays, Numbers(epochs=1, batch_size=8, flip=True), seed
        )
        weights.append(last.weight.detach().clone())
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_the_learning_rate_climbs_and_falls_as_in_nasearch(
    monkeypatch: pytest.MonkeyPatch, no_processes: None
) -> None:
    from nasearch.training.loop import learning_rate

    rates: list[float] = []

    class Noting(torch.optim.AdamW):
        def step(self, closure: object = None) -> None:  # type: ignore[override]
            rates.append(self.param_groups[0]["lr"])

    monkeypatch.setattr(torch.optim, "AdamW", Noting)
    recipe = RECIPES["proxy"]
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    train_plain(model, small_arrays(), Numbers.of(recipe.to_dict() | {"epochs": 3, "batch_size": 8}))
    assert rates == pytest.approx([learning_rate(step, len(rates), recipe) for step in range(len(rates))])


def test_the_script_keeps_a_log_of_exactly_its_budget(tmp_path: Path, no_processes: None) -> None:
    np.savez(tmp_path / "arrays.npz", **plain_parts(small_dataset()))  # type: ignore[arg-type]
    log = tmp_path / "log.jsonl"
    options = ["--space", "tiny", "--budget", "3", "--recipe", json.dumps({"epochs": 1})]
    done = CliRunner().invoke(
        main, [str(tmp_path / "arrays.npz"), str(log), *options], catch_exceptions=False
    )
    assert done.exit_code == 0
    first, *rows, last = [json.loads(line) for line in log.read_text().splitlines()]
    assert (first["space"], first["budget"], first["recipe"]["epochs"]) == ("tiny", 3, 1)
    assert last["done"] is True
    assert len(rows) == 3
    seconds = [row["seconds"] for row in rows]
    assert seconds == sorted(seconds)
    for row in rows:
        architecture = nas.Architecture.from_json(row["architecture"])
        assert row["key"] == architecture.key
        assert row["macs"] == nas.architecture_cost(architecture, (1, 8, 8), 3).macs
        assert 0 <= row["accuracy"] <= 1


def test_what_breaks_a_limit_is_pruned_untrained(no_processes: None) -> None:
    arrays = small_arrays()
    text = nas.SearchSpace.load("tiny").text
    bound = 4000  # between the cheapest and the dearest network of these images
    limited = nas.SearchSpace.from_text(
        json.dumps(json.loads(text) | {"limits": [f"macs <= {bound}"]}), "limited"
    )
    rows: list[dict[str, object]] = []
    study = plain_search.search(limited, arrays, Numbers(epochs=1), 4, 0, "cpu", rows.append)
    states = [trial.state for trial in study.trials]
    assert len(rows) == states.count(optuna.trial.TrialState.COMPLETE) == 4
    assert states.count(optuna.trial.TrialState.PRUNED) == len(states) - 4 > 0
    assert all(row["macs"] <= bound for row in rows)  # type: ignore[operator]
