from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from nasearch.data import Dataset
from nasearch.training import CurvePoint, Recipe, TrainResult, train
from nasearch.training.checkpoint import belongs_to, held, read, write

Maker = Callable[[int], nn.Module]
EVERYTHING = Recipe("all", epochs=4, batch_size=32, lr=1e-2, ema=0.8, crop_padding=1)
PLAIN = replace(EVERYTHING, ema=0.0, optimizer="sgd")


class KilledError(Exception):
    pass


def killer(epoch: int, seen: list[int]) -> Callable[[CurvePoint], None]:
    """Sees epochs until it ends the process, so to say."""

    def on_epoch(point: CurvePoint) -> None:
        if point.epoch == epoch:
            raise KilledError
        seen.append(point.epoch)

    return on_epoch


def same(first: nn.Module, second: nn.Module) -> bool:
    pairs = zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def figures(result: TrainResult) -> list[dict[str, float]]:
    return [{**asdict(point), "seconds": 0.0} for point in result.curve]


@pytest.mark.parametrize("recipe", [EVERYTHING, PLAIN])
@pytest.mark.parametrize("epoch", [2, 4])
def test_going_on_equals_never_stopping_bit_for_bit(
    dataset: Dataset, make_network: Maker, tmp_path: Path, recipe: Recipe, epoch: int
) -> None:
    file = tmp_path / "state.pt"
    whole, parts = make_network(0), make_network(0)
    expected = train(whole, dataset, recipe, seed=3)
    seen: list[int] = []
    with pytest.raises(KilledError):
        train(parts, dataset, recipe, seed=3, checkpoint=file, on_epoch=killer(epoch, seen))
    fresh = make_network(7)  # another process builds its network anew
    result = train(fresh, dataset, recipe, seed=3, checkpoint=file, on_epoch=killer(9, seen))
    assert same(whole, fresh)
    assert figures(result) == figures(expected)
    assert seen == [1, 2, 3, 4]
    assert result.images_seen == expected.images_seen
    assert result.facts["checkpoint"] == f"taken up after epoch {epoch - 1}"
    assert [path.name for path in tmp_path.iterdir()] == ["state.pt"]


def test_a_training_that_was_done_is_only_read(dataset: Dataset, make_network: Maker, tmp_path: Path) -> None:
    file = tmp_path / "state.pt"
    first, again = make_network(0), make_network(1)
    expected = train(first, dataset, EVERYTHING, checkpoint=file)
    again.register_forward_hook(lambda *_: pytest.fail("the network was run"))
    result = train(again, dataset, EVERYTHING, checkpoint=file)
    assert same(first, again)
    assert result.curve == expected.curve
    assert result.seconds >= expected.curve[-1].seconds  # they add up


def test_a_training_ended_by_its_caller_can_go_on(
    dataset: Dataset, make_network: Maker, tmp_path: Path
) -> None:
    file, whole, part = tmp_path / "state.pt", make_network(0), make_network(0)
    expected = train(whole, dataset, EVERYTHING)
    stopped = train(part, dataset, EVERYTHING, checkpoint=file, on_epoch=lambda point: point.epoch != 2)
    assert (stopped.stopped, stopped.epochs) == (True, 2)
    result = train(part, dataset, EVERYTHING, checkpoint=file)
    assert (result.stopped, result.epochs) == (False, 4)
    assert same(whole, part)
    assert figures(result) == figures(expected)


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04" + bytes(100)])
def test_a_damaged_file_is_ignored_and_told(
    dataset: Dataset, make_network: Maker, tmp_path: Path, content: bytes
) -> None:
    file, model, other = tmp_path / "state.pt", make_network(0), make_network(0)
    train(other, dataset, PLAIN)
    file.write_bytes(content)
    result = train(model, dataset, PLAIN, checkpoint=file)
    assert str(result.facts["checkpoint"]).startswith("ignored, for it cannot be read: ")
    assert same(model, other)


def test_a_file_cut_short_is_ignored(dataset: Dataset, make_network: Maker, tmp_path: Path) -> None:
    file = tmp_path / "state.pt"
    train(make_network(0), dataset, PLAIN, checkpoint=file)
    file.write_bytes(file.read_bytes()[:-200])
    result = train(make_network(0), dataset, PLAIN, checkpoint=file)
    assert str(result.facts["checkpoint"]).startswith("ignored, for it cannot be read: ")


@pytest.mark.parametrize("what", ["seed", "recipe", "network", "data", "precision"])
def test_a_file_of_another_training_is_ignored_and_told(
    dataset: Dataset, make_network: Maker, tmp_path: Path, what: str
) -> None:
    file = tmp_path / "state.pt"
    recipe = replace(PLAIN, epochs=1)
    train(make_network(0), dataset, recipe, checkpoint=file)
    wider = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    result = train(
        wider if what == "network" else make_network(0),
        replace(dataset, fingerprint="other") if what == "data" else dataset,
        replace(recipe, lr=2e-2) if what == "recipe" else recipe,
        seed=int(what == "seed"),
        precision="float32" if what == "precision" else "auto",
        checkpoint=file,
    )
    assert result.facts["checkpoint"] == "ignored, for it is of another training"


def test_a_folder_that_cannot_be_written_costs_the_checkpoint_alone(
    dataset: Dataset, make_network: Maker, tmp_path: Path
) -> None:
    result = train(make_network(0), dataset, PLAIN, checkpoint=tmp_path / "gone" / "state.pt")
    assert result.epochs == 4
    assert str(result.facts["checkpoint"]).startswith("could not be written: ")


def test_a_file_holds_nothing_that_runs(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
            return pytest.fail, ("code of a file was run",)

    file = tmp_path / "state.pt"
    torch.save({"belongs_to": Evil()}, file)
    state, problem = read(file, "x")
    assert state is None
    assert problem.startswith("ignored, for it cannot be read")


def test_what_a_killed_process_left_is_swept(tmp_path: Path) -> None:
    left, others = tmp_path / "state[1].pt.7.part", tmp_path / "state1.pt.7.part"
    for file in (left, others):
        file.write_bytes(b"half")
    write(tmp_path / "state[1].pt", {})
    assert sorted(tmp_path.iterdir()) == [others, tmp_path / "state[1].pt"]


def test_a_state_survives_a_file_with_its_strides(tmp_path: Path) -> None:
    file, weight = tmp_path / "state.pt", torch.rand(4, 3, 2, 2).to(memory_format=torch.channels_last)
    write(file, {"belongs_to": "x", "nested": {"weight": weight, "list": [1.5, None]}})
    state, problem = read(file, "x")
    assert state is not None
    assert not problem
    assert torch.equal(state["nested"]["weight"], weight)
    assert state["nested"]["weight"].stride() == weight.stride()
    assert state["nested"]["list"] == [1.5, None]


def test_what_is_held_is_a_copy() -> None:
    tensor, inner = torch.zeros(2), torch.ones(1)
    copy = held({"a": tensor, "b": [inner, 3]}, "cpu")
    tensor += 1
    inner += 1
    assert copy["a"].tolist() == [0, 0]
    assert copy["b"][0].tolist() == [1]
    assert copy["b"][1] == 3


def test_what_a_file_belongs_to_is_told_by_shapes_and_values() -> None:
    def network(width: int) -> nn.Module:
        return nn.Linear(width, 2)

    keys = {belongs_to(network(3), seed=1), belongs_to(network(4), seed=1), belongs_to(network(3), seed=2)}
    assert len(keys) == 3
    assert belongs_to(network(3), seed=1) in keys  # not of the weights' values


def test_memory_formats_are_gone_on_with(
    dataset: Dataset, make_network: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A decision that was timed is kept: what is taken up does not time again."""
    from nasearch.training import loop
    from nasearch.training.precision import Numerics

    told = Numerics("bfloat16", "contiguous", "timed", {"float32 channels_last": 2.0})
    monkeypatch.setattr(loop, "settled_without_timing", lambda *_: None)
    monkeypatch.setattr(loop, "choose", lambda *_: told)
    file, seen = tmp_path / "state.pt", list[Tensor]()
    with pytest.raises(KilledError):
        train(make_network(0), dataset, PLAIN, checkpoint=file, on_epoch=killer(2, []))
    monkeypatch.setattr(loop, "choose", lambda *_: pytest.fail("timed again"))
    model = make_network(0)
    model.register_forward_pre_hook(
        lambda module, inputs: seen.append(inputs[0]) if module.training else None
    )
    result = train(model, dataset, PLAIN, checkpoint=file)
    assert {**told.to_dict(), "accumulation": 1}.items() <= dict(result.facts).items()
    assert torch.is_autocast_enabled("cpu") is False
    assert all(images.is_contiguous() for images in seen)
