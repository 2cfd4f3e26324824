"""The ranking of a supernet: a run from end to end, taken up again, and its comparisons."""

from __future__ import annotations

import json
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner

import nasearch as nas
from nasearch.training import RECIPES, Recipe
from scripts import rank_supernet
from scripts.rank_supernet import Record, from_trainings, main, spent, table_of
from scripts.recipe_tools import networks
from tests.support.small_data import small_dataset


def test_a_run_is_taken_up_and_says_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = Recipe("few", epochs=1, batch_size=40, mixup_share=0.0, cutmix_share=0.0)
    monkeypatch.setitem(RECIPES, "few", recipe)
    dataset = small_dataset()
    monkeypatch.setattr(rank_supernet, "load", lambda *_given, **_options: dataset)
    space = nas.SearchSpace.load("tiny")
    trained = tmp_path / "curves.jsonl"
    rows = [
        {"space": "tiny", "recipe": "proxy", "key": each.key, "curve": [[1, place / 10]]}
        for place, each in enumerate(networks(space, dataset, 8))
    ]
    trained.write_text("\n".join(map(json.dumps, rows)) + "\n")
    folder = tmp_path / "kept"
    given = [str(folder), "--space", "tiny", "--recipe", "few", "--networks", "8", "--trained", str(trained)]
    first = CliRunner().invoke(main, given, catch_exceptions=False)
    assert first.exit_code == 0, first.output
    assert len(list(Record(folder / "inherited.jsonl").read())) == 8
    again = CliRunner().invoke(main, given, catch_exceptions=False)
    said = [output.partition("training: epochs")[2] for output in (first.stdout, again.stdout)]
    assert said[0] == said[1]
    assert "against trainings by the recipe proxy, validation accuracy, 8 random networks" in said[0]


def test_a_folder_of_another_supernet_is_refused(tmp_path: Path) -> None:
    Record(tmp_path / "given.jsonl").add({"space": "mobile"})
    with pytest.raises(click.UsageError, match="holds another supernet"):
        rank_supernet.claim(tmp_path, {"space": "tiny"})
    rank_supernet.claim(tmp_path, {"space": "mobile"})


def test_only_trainings_of_the_recipe_that_ended_count(tmp_path: Path) -> None:
    space, dataset = nas.SearchSpace.load("tiny"), small_dataset()
    drawn = networks(space, dataset, 4)
    rows = [
        {"space": "tiny", "recipe": recipe, "key": each.key, "curve": curve}
        for each, recipe, curve in zip(
            drawn,
            ("proxy", "full", "proxy", "proxy"),
            ([[1, 0.2], [9, 0.5]], [[9, 0.9]], [], [[9, 0.7]]),
            strict=True,
        )
    ]
    file = tmp_path / "curves.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)) + "\n")
    truth = from_trainings(space, dataset, file, "proxy", 4)
    assert truth.architectures == [drawn[0], drawn[3]]
    assert truth.reached.tolist() == [0.5, 0.7]


def test_the_table_has_taus_and_what_is_left_given_macs() -> None:
    """Of 10 networks: MACs in their order, and an accuracy that follows MACs but for its last two pairs."""
    macs = np.arange(10.0)
    reached = np.array([0, 1, 2, 3, 4, 5, 7, 6, 9, 8.0])  # 2 of 45 pairs disagree
    lines = table_of({"inherited accuracy": reached, "macs": macs}, reached)
    assert lines[1].split()[:3] == ["inherited", "accuracy", "+1.00"]
    assert lines[2].split()[:2] == ["macs", f"{1 - 2 * 2 / 45:+.2f}"]
    assert lines[1].endswith(f" {1 - 2 * 2 / 45:.2f}")
    assert len(lines) == 3


def test_seconds_of_a_training_count_up_and_those_of_judging_add_up(tmp_path: Path) -> None:
    epochs, judged = Record(tmp_path / "epochs.jsonl"), Record(tmp_path / "inherited.jsonl")
    for epoch, seconds in ((1, 4.0), (2, 9.0)):
        epochs.add({"epoch": epoch, "seconds": seconds, "cpu_seconds": 3.0})
        judged.add({"key": str(epoch), "accuracy": 0.5, "seconds": seconds, "cpu_seconds": 3.0})
    with epochs.file.open("a", encoding="utf-8") as out:
        out.write('{"epoch": 3, "sec')
    assert spent(epochs) == (2, 9.0, 6.0)
    assert spent(judged) == (2, 13.0, 6.0)
