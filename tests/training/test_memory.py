from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from nasearch.data import Dataset
from nasearch.errors import OutOfMemory, TrainingError
from nasearch.training import Recipe, train
from nasearch.training.memory import is_out_of_memory, part_size

Maker = Callable[[int], nn.Module]
RECIPE = Recipe("short", epochs=2, batch_size=32, lr=1e-2, images=128)
WORDS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    MemoryError(),
    RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 400 bytes."),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("MPS backend out of memory (MPS allocated: 8.00 GB)"),
]


@pytest.mark.parametrize("problem", WORDS)
def test_the_ways_of_saying_it_are_known(problem: Exception) -> None:
    assert is_out_of_memory(problem)


@pytest.mark.parametrize(
    "problem", [RuntimeError("shapes do not match"), ValueError("out of memory"), KeyError()]
)
def test_other_failures_are_none(problem: Exception) -> None:
    assert not is_out_of_memory(problem)


@pytest.mark.parametrize(
    ("batch", "parts", "size"),
    [(32, 1, 32), (32, 2, 16), (32, 4, 8), (28, 4, 8), (10, 4, 4), (2, 2, 2), (3, 1, 3)],
)
def test_parts_are_even_and_of_two_at_least(batch: int, parts: int, size: int) -> None:
    assert part_size(batch, parts) == size


class Small(nn.Module):
    """A network on a device that holds so many images at once, in training and in validation."""

    def __init__(self, network: nn.Module, most: int, most_judged: int = 1000, from_call: int = 0) -> None:
        super().__init__()
        self.network, self.most, self.most_judged, self.from_call = network, most, most_judged, from_call
        self.calls = 0
        self.sizes: list[int] = []

    def forward(self, images: Tensor) -> Tensor:
        self.calls += 1
        if self.calls > self.from_call and len(images) > (self.most if self.training else self.most_judged):
            raise torch.OutOfMemoryError("CUDA out of memory.")
        if self.training:
            self.sizes.append(len(images))
        logits: Tensor = self.network(images)
        return logits


def plain(seed: int = 0) -> nn.Module:
    """A network whose gradient is a mean over the images: no batch normalisation, no dropout."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(1, 8, 3), nn.ReLU(), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(8, 2)
        )


@pytest.mark.parametrize(("most", "parts"), [(16, 2), (31, 2), (8, 4)])
@pytest.mark.parametrize("from_call", [0, 6])
def test_smaller_parts_give_the_weights_of_the_whole_batch(
    dataset: Dataset, most: int, parts: int, from_call: int
) -> None:
    expected, model = plain(), Small(plain(), most, from_call=from_call)
    whole = train(expected, dataset, RECIPE)
    result = train(model, dataset, RECIPE)
    assert (whole.facts["accumulation"], result.facts["accumulation"]) == (1, parts)
    for a, b in zip(expected.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-6)
    assert result.curve[-1].train_loss == pytest.approx(whole.curve[-1].train_loss, abs=1e-6)
    assert set(model.sizes[from_call:]) == {32 // parts}
    assert result.images_seen == 2 * 128


def test_an_epoch_begins_anew_from_the_last_finished_one(dataset: Dataset, make_network: Maker) -> None:
    """Statistics of batch normalisation that a failed epoch touched are put back with the weights."""
    model = Small(make_network(0), 16, from_call=6)  # the first epoch has 4 steps and a validation
    train(model, dataset, RECIPE)
    norm = model.get_submodule("network.1")
    # 4 whole batches, then 8 halves; the failed step's and the one before it are not counted
    assert int(norm.num_batches_tracked) == 4 + 8  # type: ignore[arg-type]
    assert model.sizes == [32] * 4 + [32] + [16] * 8


def test_what_does_not_fit_in_quarters_is_an_outcome(dataset: Dataset) -> None:
    model = Small(plain(), 4)
    with pytest.raises(OutOfMemory) as caught:
        train(model, dataset, RECIPE)
    assert str(caught.value) == (
        "out of memory on cpu in training, even with 8 images of 1x8x8 at a time; "
        "expected a network and images that fit"
    )
    assert isinstance(caught.value, TrainingError)


def test_tiny_batches_are_not_cut_below_two(dataset: Dataset) -> None:
    with pytest.raises(OutOfMemory, match="even with 2 images"):
        train(Small(plain(), 1), dataset, replace(RECIPE, batch_size=4))


@pytest.mark.parametrize("recipe", [RECIPE, replace(RECIPE, ema=0.5)])
def test_validation_goes_by_smaller_batches(dataset: Dataset, make_network: Maker, recipe: Recipe) -> None:
    first, second = make_network(0), make_network(0)
    expected = train(first, dataset, recipe)
    result = train(Small(second, 1000, most_judged=30), dataset, recipe)
    assert result.facts["accumulation"] == 1
    assert result.facts["validation_batch"] == len(dataset.val) // 2
    if not recipe.ema:  # batches of statistics are cut as well
        assert [p.val_loss for p in result.curve] == pytest.approx([p.val_loss for p in expected.curve])
    with pytest.raises(OutOfMemory, match=r"in validation, even with \d+ images"):
        train(Small(make_network(0), 1000, most_judged=1), dataset, recipe)


def test_other_failures_are_raised_as_they_are(dataset: Dataset) -> None:
    class Broken(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(1))

        def forward(self, images: Tensor) -> Tensor:
            raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes do not match"):
        train(Broken(), dataset, RECIPE)


def test_the_callers_own_lack_of_memory_is_the_callers(dataset: Dataset) -> None:
    def greedy(_: object) -> None:
        raise MemoryError

    with pytest.raises(MemoryError):
        train(plain(), dataset, RECIPE, on_epoch=greedy)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on address space that the system keeps")
def test_a_process_that_may_take_no_more_memory() -> None:
    """The limit holds what torch has mapped, and less than a whole batch's activations need."""
    script = """
        import resource, torch
        from torch import nn
        from nasearch.data import Split
        from nasearch.data.dataset import make_dataset
        from nasearch.errors import OutOfMemory
        from nasearch.training import Recipe, train

        torch.set_num_threads(1)
        def split(count):
            labels = torch.arange(count) % 2
            return Split(torch.randint(0, 255, (count, 1, 64, 64), dtype=torch.uint8), labels)
        data = make_dataset(
            "x", split(80), split(10), split(10), classes=("a", "b"), val_share=0.2, seed=0, about=""
        )
        recipe = Recipe("short", epochs=1, batch_size=32, images=64, mixup_share=0.0, cutmix_share=0.0)
        def network(width):
            return nn.Sequential(nn.Conv2d(1, width, 3, padding=1), nn.Tanh(), nn.AdaptiveAvgPool2d(1),
                                 nn.Flatten(), nn.Linear(width, 2))
        train(network(8), data, recipe)  # what torch maps at first
        # a batch of 32 at 128 channels holds 32 * 128 * 64 * 64 * 4 bytes = 67 MB three times over
        with open("/proc/self/statm") as file:
            mapped = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (mapped + 185_000_000,) * 2)
        print(train(network(128), data, recipe).facts["accumulation"])
        try:
            train(network(2048), data, recipe)
        except OutOfMemory as problem:
            print(problem)
        print(train(network(8), data, recipe).facts["accumulation"])
    """
    ran = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    parts, outcome, after = ran.stdout.splitlines()
    assert parts in ("2", "4")
    assert outcome.startswith("out of memory on cpu in training, even with 8 images of 1x64x64")
    assert after == "1"
