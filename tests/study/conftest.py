"""A study small enough to train a candidate in a tenth of a second."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nasearch.space import Architecture
from nasearch.study import Study, scoring

CLASSES, SIDE = 3, 8


def write_images(path: Path, *, per_class: int = 20, seed: int = 0) -> Path:
    """An npz of grey images in which each class has a bright third of its own: learnable at once."""
    generator = np.random.default_rng(seed)
    parts: dict[str, np.ndarray] = {}
    for name, count in (("train", per_class), ("test", per_class // 2)):
        labels = np.repeat(np.arange(CLASSES), count)
        images = generator.integers(0, 80, (len(labels), SIDE, SIDE), dtype=np.uint8)
        for label in range(CLASSES):
            images[labels == label, :, label * 2 + 1 : label * 2 + 3] += 150
        parts |= {f"x_{name}": images, f"y_{name}": labels}
    np.savez(path, **parts)  # type: ignore[arg-type]  # numpy takes any name
    return path


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_images(tmp_path_factory.mktemp("data") / "stripes.npz")


@pytest.fixture
def make_study(images: Path, tmp_path: Path) -> Iterator[Callable[..., Study]]:
    """Makes studies on the striped images in one store; closes them afterwards."""
    made: list[Study] = []

    def make(name: str | None = "s", **given: Any) -> Study:
        settings: dict[str, Any] = {
            "space": "tiny",
            "data": f"npz:{images}",
            "sampler": "random",
            "epochs": 1,
            "storage": f"sqlite:///{tmp_path}/n.db",
            "device": "cpu",
            "workers": 1,
            "out": tmp_path / "out",
        }
        study = Study.create(name, **(settings | given))
        made.append(study)
        return study

    yield make
    for study in made:
        study.close()


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Scores in no time, more for more decisions of a network's text; the keys that were asked for."""
    asked: list[str] = []

    def scores(
        architectures: Sequence[Architecture],
        images: Any,
        labels: Any,
        classes: int,
        names: Any,
        *,
        seed: int,
    ) -> list[dict[str, float]]:
        (one,) = architectures
        asked.append(one.key)
        return [{name: float(len(one.to_json())) for name in names}]

    monkeypatch.setattr(scoring, "score_architectures", scores)
    return asked
