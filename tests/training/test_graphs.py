"""Steps as CUDA graphs. All but the reasons against one need a GPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from nasearch.data import Dataset
from nasearch.training import Recipe, TrainResult, graphs, train
from nasearch.training.graphs import GraphedStep, first_line, no_graph

Maker = Callable[[int], nn.Module]
CUDA = torch.device("cuda")
gpu = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
# 20 steps an epoch
RECIPE = Recipe("long", epochs=6, batch_size=10, lr=1e-2, mixup_share=0.0, cutmix_share=0.0)


def test_why_no_graph_is_tried() -> None:
    assert no_graph(torch.device("cpu"), 1000) == "eager: no CUDA device"
    assert no_graph(CUDA, 99) == "eager: 99 steps are too few for a capture"
    assert no_graph(CUDA, 100) == ""


def test_deterministic_algorithms_stay_eager() -> None:
    torch.use_deterministic_algorithms(True)
    try:
        assert no_graph(CUDA, 1000) == "eager: deterministic algorithms are asked for"
    finally:
        torch.use_deterministic_algorithms(False)


def test_a_reason_is_one_line() -> None:
    assert first_line(RuntimeError("\nfirst\nsecond")) == "RuntimeError: first"
    assert first_line(KeyError()) == "KeyError: "


@pytest.fixture
def replays_win(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decide for the graph, whatever the timings say."""

    def decide(step: GraphedStep) -> None:
        step.verdict, step.decided = "captured: by the test", True

    monkeypatch.setattr(GraphedStep, "_decide", decide)


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """A call after which no graph is tried."""
    return lambda: monkeypatch.setattr(graphs, "FEWEST_STEPS_TO_CAPTURE", 10**9)


def without_dropout(model: nn.Module) -> nn.Module:
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return model


def run(model: nn.Module, dataset: Dataset, recipe: Recipe, teacher: nn.Module | None = None) -> TrainResult:
    return train(model, dataset, recipe, device="cuda", precision="float32", teacher=teacher)


@pytest.mark.parametrize(
    "recipe",
    [
        RECIPE,
        replace(RECIPE, optimizer="sgd", momentum=0.9),
        replace(RECIPE, ema=0.9, mixup_share=0.3, cutmix_share=0.3),
        replace(RECIPE, grad_clip=0.0),
    ],
)
@pytest.mark.parametrize("taught", [False, True])
class TestOnAGpu:
    pytestmark = gpu

    def test_a_captured_training_is_the_eager_one(
        self,
        dataset: Dataset,
        make_network: Maker,
        replays_win: None,
        eager: Callable[[], None],
        recipe: Recipe,
        taught: bool,
    ) -> None:
        captured, plain = without_dropout(make_network(0)), without_dropout(make_network(0))
        teacher = make_network(1) if taught else None
        result = run(captured, dataset, recipe, teacher)
        assert result.facts["graph"] == "captured: by the test"
        eager()
        expected = run(plain, dataset, recipe, teacher)
        assert str(expected.facts["graph"]).startswith("eager: ")
        # atomics add up in any order, so both drift; a step that was left out or done twice drifts far more
        assert result.curve[0].train_loss == pytest.approx(expected.curve[0].train_loss, rel=0.02)
        assert result.accuracy == pytest.approx(expected.accuracy, abs=0.1)
        assert [p.lr for p in result.curve] == [p.lr for p in expected.curve]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_weights_after_one_epoch_are_those_of_eager_steps(
    dataset: Dataset, replays_win: None, eager: Callable[[], None]
) -> None:
    """Without batch normalisation and with a plain optimiser little drifts: weights can be compared."""

    def network() -> nn.Module:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.Tanh(), nn.Linear(16, 2))

    recipe = replace(RECIPE, optimizer="sgd", lr=0.05)
    captured, plain = network(), network()
    assert run(captured, dataset, recipe).facts["graph"] == "captured: by the test"
    eager()
    run(plain, dataset, recipe)
    for a, b in zip(captured.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_network_that_waits_for_the_device_runs_eagerly(dataset: Dataset, make_network: Maker) -> None:
    class Waiting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = make_network(0)

        def forward(self, images: Tensor) -> Tensor:
            scale = 1.0 if float(images.mean()) > -1e9 else 0.0  # reads a number from the device
            logits: Tensor = self.network(images) * scale
            return logits

    result = run(Waiting(), dataset, RECIPE)
    assert str(result.facts["graph"]).startswith("eager: RuntimeError: ")
    assert result.epochs == 6


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_capture_that_fails_leaves_a_training_that_goes_on(
    dataset: Dataset, make_network: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Uncapturable(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = make_network(0)  # with dropout, whose generator a failed capture may leave behind

        def forward(self, images: Tensor) -> Tensor:
            if torch.cuda.is_current_stream_capturing():
                torch.cuda.synchronize()
            logits: Tensor = self.network(images)
            return logits

    result = run(Uncapturable(), dataset, RECIPE)
    assert str(result.facts["graph"]).startswith("eager: ")
    assert result.epochs == 6


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_verdict_tells_both_timings(dataset: Dataset, make_network: Maker, tmp_path: Path) -> None:
    file = tmp_path / "state.pt"
    result = train(make_network(0), dataset, RECIPE, device="cuda", checkpoint=file)
    assert "ms a step against" in str(result.facts["graph"])
    again = train(make_network(1), dataset, RECIPE, device="cuda", checkpoint=file)
    assert again.accuracy == result.accuracy


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_no_step_of_an_epoch_waits_for_the_device(dataset: Dataset, make_network: Maker) -> None:
    """Steps, batches and the watch over losses, with every synchronising call made an error."""
    from nasearch.training.guard import LossWatch
    from nasearch.training.loop import _Run

    run = _Run(make_network(0), dataset, replace(RECIPE, ema=0.9), CUDA, 0)
    run.begin("float32", None)
    run.one_epoch(1)  # what is set up at first may wait
    watch, batches = LossWatch(run.steps, CUDA), run.data.training.epoch(2)
    first = next(batches)  # an epoch's order is sent at its start
    torch.cuda.set_sync_debug_mode("error")
    try:
        run.step(*first)
        for images, labels in batches:
            assert watch.add(run.step(images, labels)) is None
    finally:
        torch.cuda.set_sync_debug_mode("default")
