"""Scores of tiny networks against closed forms, and against slower ways to the same number."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import nasearch as nas
from nasearch.measure.zero_cost import score_architectures, zero_cost_scores
from nasearch.measure.zero_cost.az import entropy, gradient_signal
from nasearch.measure.zero_cost.gradients import jacov

IMAGES, CLASSES = 6, 3


def batch(channels: int = 2, side: int = 3, count: int = IMAGES) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(count, channels, side, side, generator=generator, dtype=torch.float64)
    return images, torch.arange(count) % CLASSES


def own(model: nn.Module, name: str, images: Tensor, labels: Tensor) -> float:
    return zero_cost_scores(model, images, labels, [name], weights="own")[name]


def linear() -> tuple[nn.Sequential, np.ndarray, np.ndarray]:
    """A linear classifier of 2x3x3 images with its weights and biases."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(18, CLASSES)).double()
    layer = model[1]
    assert isinstance(layer, nn.Linear)
    return model, layer.weight.detach().numpy(), layer.bias.detach().numpy()


def weight_of(model: nn.Sequential, place: int) -> nn.Parameter:
    weight = model[place].weight
    assert isinstance(weight, nn.Parameter)
    return weight


def convolutional() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.SiLU(),  # smooth, so that second derivatives say something
        nn.Conv2d(4, 3, 3),
        nn.Flatten(),
        nn.Linear(3, CLASSES),
    ).double()


def softmax_gradient(
    w: np.ndarray, b: np.ndarray, images: Tensor, labels: Tensor
) -> tuple[np.ndarray, np.ndarray]:
    """Logits z of a linear classifier, and d mean loss / dz = (softmax(z) - one hot) / N."""
    z = images.flatten(1).numpy() @ w.T + b
    p = np.exp(z - z.max(1, keepdims=True))
    return z, (p / p.sum(1, keepdims=True) - np.eye(CLASSES)[labels.numpy()]) / len(images)


def test_gradient_scores_of_a_linear_classifier_by_hand() -> None:
    model, w, b = linear()
    images, labels = batch()
    z, dz = softmax_gradient(w, b, images, labels)
    dw = dz.T @ images.flatten(1).numpy()
    found = zero_cost_scores(model, images, labels, ["grad_norm", "snip", "fisher"], weights="own")
    assert found["grad_norm"] == pytest.approx(np.sqrt((dw**2).sum()))
    assert found["snip"] == pytest.approx(np.abs(w * dw).sum())
    assert found["fisher"] == pytest.approx(0.5 * ((z * dz) ** 2).mean(0).sum() * 18)  # 18 weights a channel


def test_scores_sum_over_layers() -> None:
    model, (images, labels) = convolutional(), batch()
    F.cross_entropy(model(images), labels).backward()
    grads = [layer.weight.grad for layer in model if isinstance(layer, (nn.Conv2d, nn.Linear))]
    assert len(grads) == 3
    expected = sum(float(grad.norm()) for grad in grads if grad is not None)
    assert own(model, "grad_norm", images, labels) == pytest.approx(expected)


def test_snip_is_the_gradient_of_masks_of_ones() -> None:
    model, (images, labels) = convolutional(), batch()
    masks = {
        name: torch.ones_like(value, requires_grad=True)
        for name, value in model.named_parameters()
        if name in ("0.weight", "3.weight", "5.weight")
    }
    masked = {name: mask * dict(model.named_parameters())[name].detach() for name, mask in masks.items()}
    loss = F.cross_entropy(torch.func.functional_call(model, masked, (images,)), labels)
    grads = torch.autograd.grad(loss, list(masks.values()))
    expected = sum(float(grad.abs().sum()) for grad in grads)
    assert own(model, "snip", images, labels) == pytest.approx(expected)


def test_fisher_is_half_the_mean_square_of_the_gradient_by_a_gate_on_each_channel() -> None:
    model, (images, labels) = convolutional(), batch()
    expected = 0.0
    for place, weights_a_channel in ((0, 2 * 9), (3, 4 * 9), (5, 3)):
        channels = weight_of(model, place).shape[0]
        gate = torch.ones(IMAGES, channels, dtype=torch.float64, requires_grad=True)
        x = images
        for i, layer in enumerate(model):
            x = layer(x)
            if i == place:
                x = x * gate.view(IMAGES, channels, *[1] * (x.dim() - 2))
        (grad,) = torch.autograd.grad(F.cross_entropy(x, labels), gate)
        expected += 0.5 * float(grad.square().mean(0).sum()) * weights_a_channel
    assert own(model, "fisher", images, labels) == pytest.approx(expected)


def test_grasp_by_the_whole_hessian() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 2, 2), nn.SiLU(), nn.Flatten(), nn.Linear(8, CLASSES, bias=False)
    ).double()
    images, labels = batch(channels=1)
    sizes = [p.numel() for p in (weight_of(model, 0), weight_of(model, 3))]
    flat = torch.cat([weight_of(model, 0).flatten(), weight_of(model, 3).flatten()]).detach()
    bias = dict(model.named_parameters())["0.bias"].detach()

    def loss(values: Tensor) -> Tensor:
        kernel, matrix = values.split(sizes)
        x = F.silu(F.conv2d(images, kernel.view(2, 1, 2, 2), bias)).flatten(1)
        return F.cross_entropy(x @ matrix.view(CLASSES, 8).T, labels)

    gradient = torch.func.grad(loss)(flat)
    hessian = torch.autograd.functional.hessian(loss, flat)
    expected = -float(flat @ (hessian @ gradient))
    assert expected != 0
    assert own(model, "grasp", images, labels) == pytest.approx(expected)


def test_grasp_of_weights_under_a_norm_is_the_squared_gradient() -> None:
    """Their scale does not matter: dL(c w) = dL(w) / c, whose derivative by c at 1 is H w = -g."""
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(CLASSES, eps=1e-14)
    model = nn.Sequential(nn.Conv2d(2, CLASSES, 2), norm, nn.AdaptiveAvgPool2d(1), nn.Flatten()).double()
    found = zero_cost_scores(model, *batch(), ["grasp", "grad_norm"], weights="own")
    assert found["grasp"] == pytest.approx(found["grad_norm"] ** 2, rel=1e-6)
    assert found["grasp"] > 0


def test_synflow_of_a_chain_counts_every_path_once_a_layer() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(2, 4, 1, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU6(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4, CLASSES, bias=False),
    )
    weight_of(model, 0).data *= 100  # past the bound of ReLU6
    first = weight_of(model, 0).detach().double().abs().view(4, 2).numpy()
    last = weight_of(model, 5).detach().double().abs().numpy()
    paths = float((last @ first).sum())
    images, labels = batch()
    assert own(model, "synflow", images.float(), labels) == pytest.approx(math.log(2 * paths))


def test_jacov_of_equal_and_of_unrelated_rows() -> None:
    n, k = 4, 1e-5
    equal = -(math.log(n + k) + 1 / (n + k) + (n - 1) * (math.log(k) + 1 / k))
    assert jacov(torch.tensor([[1.0, 2.0, 4.0]]).repeat(n, 1)) == pytest.approx(equal, rel=1e-6)
    unrelated = torch.tensor([[1.0, -1, 0, 0, 0, 0], [0, 0, 1.0, -1, 0, 0], [0, 0, 0, 0, 1, -1]])
    assert jacov(unrelated) == pytest.approx(-3 * (math.log(1 + k) + 1 / (1 + k)))
    assert jacov(torch.ones(n, 3)) == -math.inf


def test_a_linear_network_answers_alike_to_all_images() -> None:
    model, _, _ = linear()
    images, labels = batch()
    n, k = IMAGES, 1e-5
    expected = -(math.log(n + k) + 1 / (n + k) + (n - 1) * (math.log(k) + 1 / k))
    assert own(model, "jacov", images, labels) == pytest.approx(expected, rel=1e-6)


def test_jacov_by_numpy_and_a_jacobian_an_image() -> None:
    model, (images, labels) = convolutional(), batch()
    # batch norm ties the images together: the summed outputs of all are what each is derived by
    setattr(model[1], "track_running_stats", False)  # noqa: B010 - torch.func changes no buffer
    rows = torch.func.grad(lambda x: model(x).sum())(images).flatten(1).detach().numpy()
    values = np.linalg.eigvalsh(np.corrcoef(rows)) + 1e-5
    assert own(model, "jacov", images, labels) == pytest.approx(-float((np.log(values) + 1 / values).sum()))


def test_naswot_counts_the_units_that_two_images_agree_on() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1), nn.ReLU(), nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Flatten(),
        nn.Linear(4, CLASSES),
    ).double()  # fmt: skip
    images, labels = batch()
    first = model[1](model[0](images))
    codes = torch.cat([first.flatten(1) > 0, model[2](first).flatten(1) > 0], dim=1).tolist()
    agreed = [[sum(a == b for a, b in zip(one, other, strict=True)) for other in codes] for one in codes]
    assert agreed[0][0] == 27 + 4
    assert own(model, "naswot", images, labels) == pytest.approx(math.log(np.linalg.det(np.array(agreed))))


def test_naswot_passes_over_activations_that_lead_nowhere() -> None:
    class Dead(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.used, self.dead = nn.Conv2d(2, 4, 3), nn.ReLU(), nn.ReLU()
            self.head = nn.Linear(4, CLASSES)

        def forward(self, x: Tensor) -> Tensor:
            out = self.conv(x)
            self.dead(-out)
            scores: Tensor = self.head(self.used(out).flatten(1))
            return scores

    torch.manual_seed(0)
    model, (images, labels) = Dead().double(), batch(count=4)
    codes = model.conv(images).flatten(1) > 0
    agreed = np.array([[int((a == b).sum()) for b in codes] for a in codes])
    sign, expected = np.linalg.slogdet(agreed.astype(float))
    assert own(model, "naswot", images, labels) == (pytest.approx(expected) if sign > 0 else -math.inf)


def test_zico_of_a_linear_classifier_by_hand() -> None:
    model, w, b = linear()
    images, labels = batch()
    halves = []
    for some in (slice(0, 3), slice(3, 6)):
        _, dz = softmax_gradient(w, b, images[some], labels[some])
        halves.append(dz.T @ images[some].flatten(1).numpy())
    expected = math.log((np.abs(halves).mean(0) / np.std(halves, axis=0)).sum())
    assert own(model, "zico", images, labels) == pytest.approx(expected)


@pytest.mark.parametrize("norm", [False, True])
def test_zen_of_one_convolution_is_that_of_a_half_normal_mean(norm: bool) -> None:
    """|w . e| of 64 standard normal weights and noise has the mean |w| sqrt(2 / pi); a norm is given back."""
    layers = [nn.Conv2d(64, 64, 1, bias=False), *([nn.BatchNorm2d(64)] if norm else []), nn.Flatten()]
    model = nn.Sequential(*layers)
    images = torch.zeros(4, 64, 5, 5)
    expected = math.log(0.01 * 5 * 5 * 64 * math.sqrt(64) * math.sqrt(2 / math.pi))
    found = zero_cost_scores(model, images, torch.zeros(4, dtype=torch.int64), ["zen"])["zen"]
    assert found == pytest.approx(expected, abs=0.03)


def test_entropy_of_channels() -> None:
    torch.manual_seed(0)
    free = torch.randn(40, 4, 16, 16)
    assert entropy(free) == pytest.approx(math.log(4), abs=1e-3)
    assert entropy(free[:, :1].expand(-1, 4, -1, -1)) == pytest.approx(0, abs=1e-5)
    pair = torch.cat([free[:, :1], 3 * free[:, 1:2]], dim=1)  # shares 0.1 and 0.9
    assert entropy(pair) == pytest.approx(-0.1 * math.log(0.1) - 0.9 * math.log(0.9), abs=0.01)
    assert math.isnan(entropy(torch.zeros(2, 3, 4, 4)))


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_gradient_signal_of_a_block_that_only_scales(factor: float) -> None:
    before = torch.randn(8, 1, 6, 6, requires_grad=True)
    assert gradient_signal(before, factor * before) == pytest.approx(2 - factor - 1 / factor, abs=1e-4)


def test_gradient_signal_through_a_stride_sees_every_pixel() -> None:
    """Each of 4 pixels gets the gradient g: the matrix is a column of ones, whose singular value is 2."""
    before = torch.randn(8, 1, 6, 6, requires_grad=True)
    assert gradient_signal(before, 4 * F.avg_pool2d(before, 2)) == pytest.approx(2 - 2 - 0.5, abs=1e-4)
    odd = torch.randn(8, 1, 5, 5, requires_grad=True)
    assert math.isfinite(gradient_signal(odd, F.conv2d(odd, torch.ones(1, 1, 3, 3), stride=2, padding=1)))


def test_gradient_signal_without_a_gradient_is_very_low() -> None:
    before = torch.randn(8, 1, 6, 6, requires_grad=True)
    assert gradient_signal(before, torch.zeros(8, 1, 6, 6)) == pytest.approx(2 - 1e6)
    constant, weight = torch.zeros(8, 1, 6, 6), torch.ones(1, requires_grad=True)
    assert gradient_signal(constant, constant * weight) == pytest.approx(2 - 1e6)


def test_a_network_of_cells_without_any_edge_has_no_signal() -> None:
    """Its cells give a constant that belongs to no graph, and the reduction behind them one that does."""
    space = nas.SearchSpace.load("nasbench201")
    cell = space.propose(lambda _name, _values: "none")
    images, labels = torch.randn(8, 3, 8, 8), torch.arange(8) % 3
    (found,) = score_architectures([cell], images, labels, 3)
    silent = ("synflow", "jacov", "naswot", "zen", "zico", "az_expressivity", "az_progressivity")
    assert {name: found[name] for name in silent} == dict.fromkeys(silent, -math.inf)


def test_az_components_are_of_the_blocks_and_their_steps() -> None:
    """Rescaled noise stays noise: k free channels have the entropy log k, and a copy is no block."""

    class Scale(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * x

    model = nn.Sequential(Mixer(), Scale(), nn.Identity(), Scale(), nn.Flatten(), nn.Linear(3 * 64, CLASSES))
    images, labels = batch(channels=3, side=8)
    found = zero_cost_scores(model.double(), images, labels, ["az_nas"])
    assert list(found) == ["az_expressivity", "az_progressivity", "az_trainability", "macs"]
    assert found["az_expressivity"] == pytest.approx(3 * math.log(3), abs=0.01)
    assert found["az_progressivity"] == pytest.approx(0, abs=1e-9)
    assert found["az_trainability"] == pytest.approx(2 - 2 - 1 / 2, abs=0.1)


class Mixer(nn.Module):
    """Hands its input on by a weight of one, so that there is something to derive by."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.weight * x
        return out


def test_a_network_that_lets_nothing_through_ranks_lowest() -> None:
    class Nothing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm, self.relu = nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU()
            self.head = nn.Linear(4, CLASSES)

        def forward(self, x: Tensor) -> Tensor:
            scores: Tensor = self.head(self.norm(self.relu(torch.zeros_like(self.conv(x)))).mean((2, 3)))
            return scores

    images, labels = batch()
    names = ["grad_norm", "snip", "grasp", "fisher", "synflow", "jacov", "naswot", "zico"]
    found = zero_cost_scores(Nothing().double(), images, labels, names)
    assert [found[name] for name in names[4:]] == [-math.inf] * 4
    assert found["grad_norm"] == found["snip"] == 0.0
    assert math.isfinite(found["grasp"])
    assert math.isfinite(found["fisher"])


def test_ranks_are_those_of_depth_and_width_where_they_must_be() -> None:
    """SynFlow of a chain of n layers of width w and weights of one is log (paths x layers)."""
    images, labels = batch(channels=2, side=3)
    found = []
    for depth in (1, 2, 3):
        model = nn.Sequential(*[nn.Conv2d(2, 2, 1, bias=False) for _ in range(depth)], nn.Flatten(),
                              nn.Linear(18, CLASSES, bias=False)).double()  # fmt: skip
        for parameter in model.parameters():
            nn.init.ones_(parameter)
        paths = 9 * 2 ** (depth + 1) * CLASSES
        value = own(model, "synflow", images, labels)
        assert value == pytest.approx(math.log(paths * (depth + 1)))
        found.append(value)
    assert all(less < more for less, more in pairwise(found))
