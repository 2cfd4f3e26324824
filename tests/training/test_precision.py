from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from nasearch.data import Dataset
from nasearch.errors import TrainingError
from nasearch.training import Recipe, precision, train
from nasearch.training.optim import make_optimizer
from nasearch.training.precision import Numerics, choose, fastest, no_bfloat16, settled_without_timing
from nasearch.training.step import Step

Maker = Callable[[int], nn.Module]
CPU = torch.device("cpu")
USUAL = Numerics()
OTHER = Numerics("bfloat16")
RECIPE = Recipe("short", epochs=2, batch_size=32, lr=1e-2)


@pytest.fixture
def able(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor with bfloat16 instructions."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})


class Stopwatch:
    """Tells seconds that a test made up, and counts how often it was asked."""

    def __init__(self, seconds: dict[str, float]) -> None:
        self.seconds, self.asked = seconds, list[str]()

    def __call__(self, way: Numerics) -> float:
        self.asked.append(way.precision)
        return self.seconds[way.precision]


@pytest.mark.parametrize(
    ("other", "chosen"), [(0.5, "bfloat16"), (0.9, "bfloat16"), (0.92, "float32"), (2.0, "float32")]
)
def test_another_way_wins_by_a_tenth(other: float, chosen: str) -> None:
    found = fastest(Stopwatch({"float32": 1.0, "bfloat16": other}), USUAL, [OTHER], 1000)
    assert found.precision == chosen
    assert found.timings_ms == {"float32 channels_last": 1000.0, "bfloat16 channels_last": 1000.0 * other}
    assert found.why == ""


def test_the_best_of_several_timings_counts() -> None:
    times = iter([9.0, 1.0, 9.0, 3.0, 0.4, 0.8, 0.5, 0.7])  # unmeasured, usual; unmeasured, other; two rounds
    found = fastest(lambda way: next(times), USUAL, [OTHER], 1000)
    assert found.timings_ms == {"float32 channels_last": 400.0, "bfloat16 channels_last": 700.0}
    assert found.precision == "float32"


def test_no_more_is_timed_than_a_hundredth_of_the_training(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(100))  # every look at the clock costs a second
    monkeypatch.setattr(precision.time, "perf_counter", lambda: float(next(clock)))
    watch = Stopwatch({"float32": 0.1, "bfloat16": 0.01})
    assert fastest(watch, USUAL, [OTHER], 200).precision == "bfloat16"  # 0.2 seconds are allowed
    assert watch.asked == ["float32", "float32", "bfloat16", "bfloat16"]


def test_a_way_that_takes_too_long_to_try_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 10_000, 100))
    monkeypatch.setattr(precision.time, "perf_counter", lambda: float(next(clock)))
    found = fastest(Stopwatch({"float32": 0.1, "bfloat16": 0.01}), USUAL, [OTHER], 200)
    assert (found.precision, found.why) == ("float32", "bfloat16 channels_last took too long to try")


def test_a_way_that_fails_is_told_and_left() -> None:
    def time_of(way: Numerics) -> float:
        if way.precision == "bfloat16":
            raise RuntimeError("no kernel for this\nsecond line")
        return 1.0

    found = fastest(time_of, USUAL, [OTHER], 1000)
    assert (found.precision, found.why) == ("float32", "bfloat16 channels_last fails: no kernel for this")
    later = fastest(time_of, found, [replace(found, memory_format="contiguous")], 1000)
    assert later.why == found.why


@pytest.mark.parametrize(
    ("capabilities", "able"),
    [
        ({"avx2": True, "avx512_f": True}, False),
        ({"avx512_bf16": True}, True),
        ({"amx_bf16": True}, True),
        ({"architecture": "aarch64", "bf16": True}, True),
        ({"bf16": False}, False),
    ],
)
def test_processors_without_the_instructions_are_known(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, object], able: bool
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert bool(no_bfloat16(CPU)) is not able


def test_there_may_be_nothing_to_time(monkeypatch: pytest.MonkeyPatch, able: None) -> None:
    assert settled_without_timing("auto", CPU, 1000) is None
    few = settled_without_timing("auto", CPU, 99)
    assert few == Numerics(why="99 steps are too few to time")
    assert settled_without_timing("bfloat16", CPU, 10) == Numerics("bfloat16", why="asked for")
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    lacking = settled_without_timing("auto", CPU, 1000)
    assert lacking == Numerics(why="the processor has no bfloat16 instructions")


@pytest.fixture
def deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("asked", ["auto", "bfloat16"])
def test_deterministic_algorithms_are_float32_untimed(deterministic: None, able: None, asked: str) -> None:
    found = settled_without_timing(asked, CPU, 1000)
    assert found == Numerics(why="deterministic algorithms are asked for")


def test_a_precision_that_does_not_exist_is_named(dataset: Dataset, make_network: Maker) -> None:
    with pytest.raises(TrainingError, match="precision is 'half'; expected one of auto, float32, bfloat16"):
        train(make_network(0), dataset, RECIPE, precision="half")


def test_timing_changes_nothing_of_the_training(make_network: Maker, able: None) -> None:
    model = make_network(0)
    step = Step(model, make_optimizer(model, RECIPE, CPU), RECIPE, CPU)
    before = [value.clone() for value in model.state_dict().values()]
    sizes: list[int] = []
    model.register_forward_hook(lambda module, inputs, output: sizes.append(len(inputs[0])))
    found = choose(step, torch.rand(32, 1, 8, 8), torch.arange(32) % 2, 399)
    assert set(found.timings_ms) == {"float32 channels_last", "bfloat16 channels_last"}
    assert found.why == "timed"
    assert all(milliseconds > 0 for milliseconds in found.timings_ms.values())
    assert set(sizes) == {16}  # half a batch, where the training is short
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), before, strict=True))
    assert all(parameter.grad is None for parameter in model.parameters())
    assert step.precision == "float32"


def test_too_little_memory_for_a_timing_is_no_end(able: None) -> None:
    class Full(nn.Linear):
        def forward(self, images: Tensor) -> Tensor:
            raise torch.OutOfMemoryError("out of memory")

    model = Full(4, 2)
    step = Step(model, make_optimizer(model, RECIPE, CPU), RECIPE, CPU)
    found = choose(step, torch.rand(4, 4, 1, 1), torch.zeros(4, dtype=torch.long), 1000)
    assert found == Numerics(why="memory did not suffice for a timing")


def test_bfloat16_runs_the_network_so_and_keeps_float32_weights(
    dataset: Dataset, make_network: Maker
) -> None:
    model, seen = make_network(0), list[tuple[bool, torch.dtype]]()
    model.register_forward_hook(lambda module, inputs, output: seen.append((module.training, output.dtype)))
    result = train(model, dataset, RECIPE, precision="bfloat16")
    assert set(seen) == {(True, torch.bfloat16), (False, torch.float32)}  # judged as it is handed over
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert (result.facts["precision"], result.facts["why"]) == ("bfloat16", "asked for")


@pytest.mark.parametrize("layout", ["channels_last", "contiguous"])
def test_the_decision_reaches_batches_weights_and_teacher(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    from nasearch.training import loop

    def network() -> nn.Module:
        return nn.Sequential(nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3), nn.Flatten(), nn.Linear(64, 2))

    monkeypatch.setattr(loop, "settled_without_timing", lambda *_: Numerics(memory_format=layout))
    student, teacher, right = network(), network(), list[bool]()
    expected = Numerics(memory_format=layout).layout

    def look(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        right.append(module[1].weight.is_contiguous(memory_format=expected))  # type: ignore[index]

    student.register_forward_hook(look)
    teacher.register_forward_hook(look)
    result = train(student, dataset, replace(RECIPE, ema=0.5), teacher=teacher)
    assert all(right)
    assert len(right) > 2
    assert result.facts["memory_format"] == layout
