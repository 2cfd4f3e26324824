"""Baselines: the same search by another sampler, in a study beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nasearch.errors import SettingsError, StudyError
from nasearch.executors import InProcess, Job
from nasearch.report.equal_budget import comparison_line
from nasearch.space import SearchSpace
from nasearch.study import Progress, RunSummary, Study, ledger
from nasearch.study.identity import Kinship
from nasearch.study.lending import lent_by
from nasearch.study.opening import make_bench
from nasearch.study.search import training_seed
from nasearch.study.siblings import sibling_name, siblings_of
from nasearch.study.summaries import summaries_of

Make = Callable[..., Study]

FOUR = """
name: four
stem: {kind: conv, channels: 4, stride: 2}
stages:
  - {channels: [8, 16, 24, 32], block: {kind: conv, kernel: 3}}
"""


def baseline_of(study: Study, sampler: str = "random") -> Study:
    return Study.load(f"{study.name}.{sampler}", storage=study.settings.storage)


class Ear(Progress):
    """Notes which study runs; presses Ctrl-C when a study of that name has told so many trials."""

    def __init__(self, stop_in: str = "", after: int = 0) -> None:
        self.heard: list[str] = []
        self.summaries: list[RunSummary] = []
        self._stop_in, self._left = stop_in, after

    def started(self, study: str, standing: object) -> None:
        self.heard.append(study)

    def told(self, trial: object, standing: object) -> None:
        if self.heard[-1] == self._stop_in:
            self._left -= 1
            if self._left == 0:
                raise KeyboardInterrupt

    def finished(self, summary: RunSummary) -> None:
        self.summaries.append(summary)


def test_it_has_as_many_candidates_as_the_study_and_a_second_run_does_nothing(make_study: Make) -> None:
    study, ear = make_study(baseline="random", sampler="nsga2"), Ear()
    summary = study.run(budget=3, progress=ear)
    assert ear.heard == ["s", "s.random"]
    assert summary == ear.summaries[0]
    with baseline_of(study) as baseline:
        assert baseline.spent == 3
        assert baseline.samplers == ("random",)
        assert baseline.identity.fixed == study.identity.fixed
        assert baseline.identity.kinship == Kinship("s", "baseline")
        assert (baseline.finishes, study.finishes) == ([], [])
        before = baseline.trials()
        study.run(budget=3)
        assert baseline.trials() == before
        study.run(budget=4)
        assert (study.spent, baseline.spent) == (4, 4)
        assert baseline.trials()[: len(before)] == before
    assert not (study.directory / "s.random").exists()  # no file of its own is left


def test_what_the_study_has_measured_counts_and_is_not_trained_again(
    make_study: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = make_study(space=SearchSpace.parse(FOUR, "four"), epochs=2, racing=False)
    study.run(budget=4)
    monkeypatch.setattr(InProcess, "measure", lambda *_: pytest.fail("trained again"))
    summary = study.run_baseline()
    assert (summary.standing.spent, summary.outcomes["complete"]) == (4, 4)
    with baseline_of(study) as baseline:
        mine = {trial.key: trial for trial in study.trials(curves=True) if trial.outcome == "complete"}
        theirs = [trial for trial in baseline.trials(curves=True) if trial.outcome == "complete"]
        assert {trial.key for trial in theirs} == set(mine)
        for trial in theirs:
            twin = mine[trial.key]
            assert (trial.values, trial.curve, trial.seconds) == (twin.values, twin.curve, twin.seconds)
            frozen = ledger.find(baseline._optuna, trial.number)
            assert frozen is not None
            assert frozen.user_attrs[ledger.TRAINING]["taken_from"] == "s"
    (found,) = study.compare_baselines()
    # All four networks in both: nothing can differ in the end, and the same noise shows it.
    assert (found.difference[-1], found.low[-1], found.high[-1]) == pytest.approx((0, 0, 0), abs=1e-12)
    assert found.leader is None


def test_only_the_same_training_is_taken_over(make_study: Make) -> None:
    study = make_study(space=SearchSpace.parse(FOUR, "four"))
    study.run(budget=1)
    trial = study.trials()[0]
    job = Job(0, trial.architecture, training_seed(study.seed, trial.key))
    bench = make_bench(study, study.proxy.in_process(study))
    same = lent_by(study, bench)(job)
    assert same is not None
    assert same.accuracy == trial.values["accuracy"]
    elsewhere = {**bench.device, "name": "another processor"}
    longer = {**bench.fidelity(), "epochs": 99}
    for device, fidelity in ((elsewhere, bench.fidelity), (bench.device, lambda: longer)):
        other = type(bench)(bench.executor, bench.epochs, fidelity, device)
        assert lent_by(study, other)(job) is None
    assert lent_by(study, bench)(Job(0, trial.architecture, job.seed + 1)) is None
    unknown = next(study.space.neighbors(trial.architecture))
    assert lent_by(study, bench)(Job(0, unknown, job.seed)) is None


def test_its_proposals_are_its_own_also_where_the_study_is_random(make_study: Make) -> None:
    study = make_study()
    study.run(budget=4)
    study.run_baseline()
    with baseline_of(study) as baseline:
        assert [trial.key for trial in baseline.trials()] != [trial.key for trial in study.trials()]
        assert baseline.seed == study.seed


def test_interrupted_it_goes_on_where_it_stopped(make_study: Make, tmp_path: Path) -> None:
    whole = make_study(storage=f"sqlite:///{tmp_path}/other.db")
    whole.run(budget=4)
    whole.run_baseline()
    study = make_study(baseline="random")
    with pytest.raises(KeyboardInterrupt):
        study.run(budget=4, progress=Ear("s.random", after=2))
    (cut,) = study.compare_baselines()
    assert cut.budget == 2
    study.run(budget=4)
    with baseline_of(study) as one, baseline_of(whole) as other:
        assert one.spent == 4
        assert [trial.key for trial in one.trials()] == [trial.key for trial in other.trials()]


@pytest.mark.parametrize("racing", [True, False])
def test_it_races_as_the_study_did(make_study: Make, racing: bool) -> None:
    make_study(sampler="nsga2", racing=racing).run(budget=1)
    study = Study.load("s", storage=make_study(sampler="nsga2").settings.storage)  # knows nothing of the run
    with study:
        study.run_baseline()
        with baseline_of(study) as baseline:
            assert baseline.raced is racing


def test_what_would_mix_or_pile_up_baselines_is_refused(make_study: Make) -> None:
    study = make_study()
    with pytest.raises(StudyError, match="study 's' has no candidate yet; run it before its baseline"):
        study.run_baseline()
    study.run(budget=1)
    study.run_baseline()
    with pytest.raises(
        StudyError,
        match=r"'s\.random' is a baseline of s with the sampler random, and sampler is 'tpe'; expected "
        r"--sampler random, or the study s with --baseline random",
    ):
        make_study("s.random", sampler="tpe")
    with (
        baseline_of(study) as baseline,
        pytest.raises(StudyError, match=r"'s\.random' is a baseline of s; expected a study that"),
    ):
        baseline.run_baseline()
    with pytest.raises(SettingsError, match="sampler is 'chance'; expected one of surrogate, "):
        make_study(baseline="chance")
    with pytest.raises(SettingsError, match="sampler is 'chance'"):
        study.run_baseline("chance")
    make_study("s.nsga2")
    with pytest.raises(StudyError, match=r"study 's\.nsga2' is there already and is not a baseline of s"):
        study.run_baseline("nsga2")
    with pytest.raises(StudyError, match="has 256 characters"):
        sibling_name("n" * 249, "random")


def test_the_study_is_still_the_last_and_the_list_says_what_it_is(make_study: Make) -> None:
    study = make_study()
    study.run(budget=1)
    study.run_baseline()
    study.run_baseline("tpe")
    storage = study.settings.storage
    with Study.load(storage=storage) as last:
        assert last.name == "s"
    assert [record.name for record in siblings_of(study._store, "s", "baseline")] == ["s.random", "s.tpe"]
    assert siblings_of(study._store, "s", "audit") == []
    lines = [(line.name, line.sibling_of, line.role) for line in summaries_of(storage)]
    assert lines == [("s", None, None), ("s.random", "s", "baseline"), ("s.tpe", "s", "baseline")]
    assert [found.second.sampler for found in study.compare_baselines()] == ["random", "tpe"]


def test_the_report_has_the_comparison(make_study: Make) -> None:
    study = make_study()
    study.run(budget=2)
    assert "Compared at equal budget" not in {p.name: p for p in study.report()}["report.md"].read_text()
    study.run_baseline()
    written = {path.name: path for path in study.report()}
    assert list(written) == ["front.png", "front.html", "report.md", "baseline-random.png"]
    (found,) = study.compare_baselines()
    line = comparison_line(found)
    text = written["report.md"].read_text()
    assert f"\nA{line[1:]}.\n\n![Both curves](baseline-random.png)\n" in text
    assert line in written["front.html"].read_text()
