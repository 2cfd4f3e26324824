"""Audits: who is chosen, that they are trained in a study beside it, and what comes out."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from scipy import stats

from nasearch.errors import StudyError
from nasearch.executors import InProcess
from nasearch.measure.zero_cost import SCORES
from nasearch.report.audit_text import NOT_MADE, proxy_words
from nasearch.space import SearchSpace
from nasearch.store.records import Outcome, TrialRecord
from nasearch.study import Progress, Study
from nasearch.study.audit import Auditable, choose
from nasearch.study.reporting import pictures_of
from tests.study.test_given import Impatient, given_of

Make = Callable[..., Study]


def network(
    number: int, accuracy: float, macs: float, outcome: Outcome = "complete", front: bool = False
) -> Auditable:
    architecture = SearchSpace.load("tiny").sample(0)
    values = {"macs": macs} | ({"accuracy": accuracy} if outcome == "complete" else {})
    trial = TrialRecord(number, outcome, f"k{number}", architecture, values)
    return Auditable(trial, accuracy, front)


# Twelve complete networks, 0 the worst; the best third are 8 to 11, and 2 is a cheap one on the front.
# Three were raced out.
POOL = [
    *(network(i, 0.5 + i / 100, 1000 - 50 * (i % 5), front=i == 2) for i in range(12)),
    *(network(i, 0.3 + i / 100, 500, "raced_out") for i in (12, 13, 14)),
]


def numbers(found: list[Auditable]) -> list[int]:
    return [each.trial.number for each in found]


def test_half_are_of_the_best_spread_over_their_costs() -> None:
    """By MACs the best are 9 (800), 8 (850), 2 (900), 11 (950), 10 (1,000): three of them, both ends."""
    found = numbers(choose(POOL, [], 6, "macs", 0))
    assert len(set(found)) == 6
    assert found[0::2] == [9, 2, 10]
    # The others by accuracy are 12 13 14 | 0 1 3 4 | 5 6 7: one of each third.
    low, middle, high = found[1::2]
    assert (low in {12, 13, 14}, middle in {0, 1, 3, 4}, high in {5, 6, 7}) == (True, True, True)


def test_the_seed_decides_what_is_chance_and_nothing_else() -> None:
    chosen = [numbers(choose(POOL, [], 6, "macs", seed)) for seed in (0, 0, 1, 2, 3)]
    assert chosen[0] == chosen[1]
    assert len({tuple(each) for each in chosen}) > 1
    assert {tuple(each[0::2]) for each in chosen} == {(9, 2, 10)}


def test_those_trained_before_count_and_are_not_chosen_again() -> None:
    first = choose(POOL, [], 6, "macs", 0)
    taken = [each.trial.key for each in first]
    assert choose(POOL, taken, 6, "macs", 0) == []
    more = choose(POOL, taken, 10, "macs", 0)
    assert len(more) == 4
    assert not set(numbers(more)) & set(numbers(first))
    assert numbers(choose(POOL, taken[:2], 6, "macs", 0)) == numbers(first)[2:]  # where it was cut off


def test_more_than_there_are_is_all_of_them() -> None:
    assert sorted(numbers(choose(POOL, [], 99, "macs", 0))) == list(range(15))
    assert sorted(numbers(choose(POOL[:2], [], 12, "macs", 0))) == [0, 1]


def test_an_audit_trains_in_a_study_beside_and_agrees_with_scipy(make_study: Make) -> None:
    study = make_study(epochs=3, racing=False)
    study.run(budget=5)
    assert study.audited() is None
    assert pictures_of(study)[-1].agreement == NOT_MADE
    found = study.audit(n=4, epochs=2)
    assert (len(found.networks), found.wanted, found.failed, found.images) == (4, 4, 0, 12)
    assert found.fidelity == "2 epochs x 48 images at 8x8"
    assert found.trained_in_study
    with given_of(study, "audit") as sibling:
        full = {trial.key: trial.values["accuracy"] for trial in sibling.trials()}
        assert sibling.recipe.epochs == 2
        assert sibling.finishes == study.finishes == []
    mine = {trial.number: trial for trial in study.trials()}
    numbers = [network.number for network in found.networks]
    reached = [full[mine[number].key] for number in numbers]
    assert [network.accuracy for network in found.networks] == reached
    assert [row.proxy.name for row in found.rows] == ["epoch 1", "proxy accuracy", "params", "macs"]
    for row in found.rows:
        column = [
            mine[n].rungs[0][1]
            if row.proxy.kind == "rung"
            else mine[n].values.get(row.proxy.name, mine[n].values["accuracy"])
            for n in numbers
        ]
        assert row.tau is not None
        expected = stats.kendalltau(column, reached).statistic
        assert row.tau.value == pytest.approx(0.0 if expected != expected else expected)  # NaN: all alike
    assert study.spent == 5
    assert study.audited() == found
    assert pictures_of(study)[-1].agreement == proxy_words(found)


def test_a_report_asks_for_the_audit_once(make_study: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    study = make_study()
    study.run(budget=1)
    asked: list[str] = []
    monkeypatch.setattr("nasearch.study.audit.audited", lambda study: asked.append(study.name))
    study.report()
    assert asked == ["s"]


def test_again_it_trains_nothing_and_more_goes_on(make_study: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    study = make_study(racing=False)
    study.run(budget=4)
    found = study.audit(n=2, epochs=1)
    with monkeypatch.context() as patch:
        patch.setattr(InProcess, "measure", lambda *_: pytest.fail("trained again"))
        assert study.audit() == found  # as many as before, not twelve
        assert study.audit(n=2, epochs=1) == found
    more = study.audit(n=3)
    assert {network.number for network in more.networks} > {network.number for network in found.networks}
    assert more.fidelity == found.fidelity  # as long as before
    said: list[str] = []

    class Ear(Progress):
        def message(self, text: str) -> None:
            said.append(text)

    assert len(study.audit(n=9, progress=Ear()).networks) == 4
    assert said == ["9 networks are wanted, and the study has 4: all are audited"]


def test_interrupted_it_goes_on_and_shows_what_there_is(make_study: Make) -> None:
    study = make_study(racing=False)
    study.run(budget=4)
    with pytest.raises(KeyboardInterrupt):
        study.audit(n=3, epochs=2, progress=Impatient(after=3))
    so_far = study.audited()
    assert so_far is not None
    assert (len(so_far.networks), so_far.wanted) == (1, 3)
    found = study.audit()
    assert len(found.networks) == 3
    with given_of(study, "audit") as sibling:
        assert sibling.outcomes() == {"complete": 3}


def test_the_report_has_the_picture_and_the_words(make_study: Make) -> None:
    study = make_study(racing=False)
    study.run(budget=3)
    names = [path.name for path in study.report()]
    assert "audit.png" not in names
    found = study.audit(n=3, epochs=1)
    written = {path.name: path for path in study.report()}
    assert written["audit.png"].read_bytes().startswith(b"\x89PNG")
    assert proxy_words(found) in written["report.md"].read_text()
    assert "<h2>Audit of the proxies</h2>" in written["front.html"].read_text()


def test_what_cannot_be_audited_is_said(make_study: Make) -> None:
    study = make_study()
    with pytest.raises(StudyError, match="study 's' has 0 networks that were measured; expected at least 2"):
        study.audit()
    study.run(budget=2)
    with pytest.raises(StudyError, match="n is 1; expected at least 2 networks"):
        study.audit(n=1)
    study.audit(n=2, epochs=1)
    for given in ({"epochs": 2}, {"recipe": "proxy"}):
        with pytest.raises(
            StudyError,
            match=r"the audit of 's' was begun with the recipe full, epochs 1, and now .* is wanted",
        ):
            study.audit(**given)
    with given_of(study, "audit") as sibling, pytest.raises(StudyError, match="expected a study that stands"):
        sibling.audit(n=2)


def test_what_was_raced_out_gives_its_rungs(make_study: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    from nasearch.study.race import GO_ON, Race, Verdict

    study = make_study(epochs=3, racing=True)
    seen: list[int] = []

    def judge(race: Race, values: object, curve: dict[int, float]) -> Verdict:
        if max(curve) == 1:
            seen.append(1)
        return Verdict(False, "stopped") if max(curve) == 1 and len(seen) == 2 else GO_ON

    monkeypatch.setattr(Race, "judge", judge)
    study.run(budget=4)
    assert study.outcomes()["raced_out"] == 1
    monkeypatch.undo()
    found = study.audit(n=4, epochs=1)
    (stopped,) = [network for network in found.networks if "proxy accuracy" not in network.known]
    assert set(stopped.known) == {"epoch 1", "params", "macs"}
    rung, verdict = found.row("epoch 1"), found.row("proxy accuracy")
    assert rung is not None
    assert verdict is not None
    assert rung.tau is not None
    assert verdict.tau is not None
    assert (rung.tau.n, verdict.tau.n) == (4, 3)


def test_scores_are_held_against_it_too_and_kept(make_study: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    study = make_study(racing=False)
    study.run(budget=3)
    plain = study.audit(n=3, epochs=1)
    assert {row.proxy.kind for row in plain.rows} == {"verdict", "cost"}
    found = study.audit(scores=True)
    rows = {row.proxy.name: row for row in found.rows if row.proxy.kind == "score"}
    assert set(rows) == (set(SCORES) - {"params", "macs"}) | {"az_nas", "ensemble"}
    kept = study._store.scores.all(study._record.id)
    reached = [network.accuracy for network in found.networks]
    snip = [kept[study.trial(network.number).key]["snip"] for network in found.networks]
    tau = rows["snip"].tau
    assert tau is not None
    expected = stats.kendalltau(snip, reached).statistic
    assert tau.value == pytest.approx(0.0 if expected != expected else expected)
    monkeypatch.setattr("nasearch.study.scoring.score_architectures", lambda *_: pytest.fail("scored again"))
    assert study.audit(scores=True) == found
    assert study.audited() == found
