"""Timings: their statistics, their runtimes, and what they leave as it was."""

from __future__ import annotations

import gc
import importlib.util
import time
import warnings

import pytest
import torch
from torch import Tensor, nn

from nasearch.errors import DeviceError, MeasurementError
from nasearch.measure import Latency, describe_device, latency, measure_latency
from nasearch.measure.latency import WARM_UP_RUNS, summarise, time_runs
from nasearch.nets import Normalized, build
from nasearch.space import SearchSpace

needs_onnx = pytest.mark.skipif(
    importlib.util.find_spec("onnxruntime") is None, reason="onnxruntime is not installed"
)
RUNTIMES = ["eager", pytest.param("onnxruntime", marks=needs_onnx)]


class Slow(nn.Module):
    """Takes a known time."""

    def forward(self, x: Tensor) -> Tensor:
        time.sleep(0.02)
        return x


def test_statistics_of_known_runs() -> None:
    seconds = [i / 1000 for i in range(100, 0, -1)]  # 1 ms ... 100 ms
    found = summarise(seconds, batch=2, device="a machine", runtime="a runtime")
    assert found == Latency(
        median_ms=50.5,
        p95_ms=95.0,
        iqr_ms=49.5,
        repeats=100,
        batch=2,
        device="a machine",
        runtime="a runtime",
    )


def test_a_known_duration_is_measured() -> None:
    found = measure_latency(Slow(), (1, 2, 2), runtime="eager", min_repeats=5, max_seconds=0.01)
    assert 20 <= found.median_ms < 40
    assert found.median_ms <= found.p95_ms
    assert found.repeats == 5


def test_warm_up_is_not_timed_and_repeats_reach_both_bounds() -> None:
    calls = []
    assert len(time_runs(lambda: calls.append(0), min_repeats=7, max_seconds=0.0)) == 7
    assert len(calls) == 7 + WARM_UP_RUNS
    many = time_runs(lambda: None, min_repeats=2, max_seconds=0.02)
    assert len(many) > 2
    assert sum(many) <= 0.021
    assert gc.isenabled()


def test_the_collector_comes_back_after_an_error() -> None:
    def fails() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        time_runs(fails, 2, 0.0)
    assert gc.isenabled()


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("name", ["mobile", "nasbench201"])
def test_networks_are_timed_in_each_runtime(runtime: str, name: str) -> None:
    network = Normalized(build(SearchSpace.load(name).sample(seed=1), 10), (0.5,) * 3, (0.25,) * 3)
    network.network.eval()
    modes = [module.training for module in network.modules()]
    random = torch.get_rng_state()
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = measure_latency(
                network, (3, 32, 32), runtime=runtime, batch=3, threads=1, min_repeats=4, max_seconds=0.01
            )
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert 0 < found.median_ms <= found.p95_ms < 10_000
    assert found.repeats >= 4
    assert found.batch == 3
    assert found.device == describe_device("cpu")["name"]
    assert found.runtime.startswith(
        f"eager torch {torch.__version__}" if runtime == "eager" else "onnxruntime "
    )
    assert found.runtime.endswith("CPU, 1 thread")
    assert [module.training for module in network.modules()] == modes
    assert torch.equal(random, torch.get_rng_state())


@needs_onnx
def test_the_onnx_session_computes_what_the_model_computes() -> None:
    import onnxruntime

    network = build(SearchSpace.load("mobile").sample(seed=2), 10).eval()
    images = torch.rand(2, 3, 28, 28)
    session = onnxruntime.InferenceSession(
        latency._onnx_bytes(network, images), providers=["CPUExecutionProvider"]
    )
    (scores,) = session.run(None, {"images": images.numpy()})
    with torch.no_grad():
        torch.testing.assert_close(torch.from_numpy(scores), network(images), rtol=1e-4, atol=1e-5)


def test_auto_takes_onnxruntime_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "_provider", lambda device: "CPUExecutionProvider")
    assert latency._choose_runtime("auto", "cpu") == "onnxruntime"
    monkeypatch.setattr(latency, "_provider", lambda device: None)
    assert latency._choose_runtime("auto", "cpu") == "eager"


def test_a_missing_runtime_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency.importlib.util, "find_spec", lambda name: None)
    message = r"runtime 'onnxruntime' is not installed; pip install nasearch\[onnx\], or take runtime 'eager'"
    with pytest.raises(MeasurementError, match=message):
        measure_latency(nn.Identity(), runtime="onnxruntime")
    found = measure_latency(nn.Identity(), runtime="auto", min_repeats=2, max_seconds=0.0)
    assert found.runtime.startswith("eager torch")


@needs_onnx
def test_a_runtime_that_does_not_serve_the_device_is_said() -> None:
    with pytest.raises(MeasurementError, match="ONNX Runtime does not serve device 'mps'; install"):
        latency._choose_runtime("onnxruntime", "mps")


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_model_that_cannot_run_gives_one_line(runtime: str) -> None:
    message = rf"^Conv2d cannot be timed in {runtime} on cpu with an input of shape \(1, 5, 8, 8\): Run"
    before = torch.get_num_threads()
    with pytest.raises(MeasurementError, match=message) as caught:
        measure_latency(nn.Conv2d(3, 4, 3), (5, 8, 8), runtime=runtime, threads=before + 1)
    assert "\n" not in str(caught.value)
    assert torch.get_num_threads() == before


def test_settings_that_make_no_sense_are_refused() -> None:
    with pytest.raises(MeasurementError, match="runtime is 'tvm'; expected one of auto, onnxruntime, eager"):
        measure_latency(nn.Identity(), runtime="tvm")
    with pytest.raises(MeasurementError, match="threads is 0; expected a whole number of at least 1"):
        measure_latency(nn.Identity(), threads=0)
    with pytest.raises(DeviceError, match="device 'cuda:99' is not here"):
        measure_latency(nn.Identity(), device="cuda:99")


def test_latency_goes_to_a_dictionary_and_back() -> None:
    found = summarise([0.001, 0.002, 0.003], 1, "a machine", "a runtime")
    assert Latency.from_dict(found.to_dict()) == found
    with pytest.raises(MeasurementError, match=r"latency fields are \['median_ms'\]; expected \['batch', "):
        Latency.from_dict({"median_ms": 1.0})
