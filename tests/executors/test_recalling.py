"""Measurements that are taken from where they are."""

from __future__ import annotations

from nasearch.executors import InProcess, Job, Recalling
from nasearch.measure.trained import Fidelity, ProxyResult
from nasearch.space import SearchSpace
from nasearch.training import CurvePoint

POINTS = tuple(CurvePoint(epoch, 1.0, 1.0, epoch / 10, 0.1, 2.0 * epoch) for epoch in (1, 3, 9))
KNOWN = ProxyResult(0.9, POINTS, 20.0, Fidelity(9, 100, (8, 8)), 7, epochs=9, facts={"precision": "float32"})
SPACE = SearchSpace.load("tiny")


def job(number: int) -> Job:
    return Job(number, SPACE.sample(number), 7)


def trained(_: Job, on_point: object) -> ProxyResult:
    return ProxyResult(0.5, (), 1.0, Fidelity(9, 100, (8, 8)), 7)


def test_a_known_job_is_told_epoch_by_epoch_and_others_are_trained() -> None:
    executor = Recalling(InProcess(trained), lambda asked: KNOWN if asked.number == 1 else None)
    heard: list[tuple[int | None, int]] = []

    def on_point(asked: Job, point: CurvePoint) -> bool:
        heard.append((asked.number, point.epoch))
        return True

    assert executor.room == 1
    executor.submit(job(1))
    assert executor.room == 0
    done = executor.wait(on_point)
    assert executor.room == 1
    assert (done.job.number, done.seconds, done.result) == (1, 20.0, KNOWN)
    assert heard == [(1, 1), (1, 3), (1, 9)]
    executor.submit(job(2))
    done = executor.wait(on_point)
    assert done.result is not None
    assert (done.job.number, done.result.accuracy, done.reason) == (2, 0.5, None)


def test_a_race_stops_a_known_job_as_it_would_have_in_training() -> None:
    executor = Recalling(InProcess(trained), lambda _: KNOWN)
    executor.submit(job(1))
    done = executor.wait(lambda _, point: point.epoch < 3)
    assert done.result is not None
    assert (done.result.stopped, done.result.epochs, done.result.accuracy) == (True, 3, 0.3)
    assert done.seconds == 6.0  # what it took to get there


def test_closing_forgets_what_waits() -> None:
    inner = InProcess(trained)
    with Recalling(inner, lambda _: KNOWN) as executor:
        executor.submit(job(1))
    assert executor.room == 1
