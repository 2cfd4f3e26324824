"""What reports say of a study, gathered as the plain values that `nasearch.report` takes."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nasearch.pareto import hypervolume, losses
from nasearch.report.audit_text import AUDIT_PICTURE, proxy_words
from nasearch.report.content import (
    REPORT,
    DataFacts,
    ExportedFile,
    FrontPicture,
    FrontRow,
    LatencyFacts,
    Reference,
    ScreenedRow,
    StudyReport,
    TrainedFacts,
    WinnerFacts,
)
from nasearch.report.formatting import CONFIRMED, title
from nasearch.study.choosing import distinct
from nasearch.study.confirming import still_to_confirm
from nasearch.study.environment import versions
from nasearch.study.folders import check_claim
from nasearch.study.given import find_given
from nasearch.study.proxies.names import accuracy_of, named

if TYPE_CHECKING:
    from nasearch.pareto import Objective
    from nasearch.report.audit import Audit
    from nasearch.report.curves import FrontComparison
    from nasearch.store.records import FinishRecord, TrialRecord
    from nasearch.study.study import Study


_CONFIRMED_BY = "Confirmed accuracy: on the validation split after a training of its own, one seed a network."


def objectives_of(study: Study) -> tuple[Objective, ...]:
    """The objectives as tables and pictures name them: an inherited accuracy is called so."""
    name = accuracy_of(study.settings.proxy)
    return tuple(
        replace(objective, name=name) if objective.name == "accuracy" else objective
        for objective in study.objectives
    )


def values_of(study: Study, trial: TrialRecord) -> dict[str, float]:
    """A trial's values by those names, with the accuracy of its own training where it was confirmed."""
    own = [each.values["accuracy"] for each in study.confirmed() if each.key == trial.key]
    return {**named(study.settings.proxy, trial.values), **({CONFIRMED: own[0]} if own else {})}


def rows_of(study: Study) -> tuple[FrontRow, ...]:
    """Every trial as tables and pictures see it; a confirmed one with its own training's accuracy, too."""
    confirmed = {trial.key: {CONFIRMED: trial.values["accuracy"]} for trial in study.confirmed()}
    front = {trial.number for trial in study.front()}
    knee = study.knee()
    finishes = study.finishes
    latencies = study._store.latencies(study._record.id)
    return tuple(
        FrontRow(
            number=trial.number,
            label=trial.architecture.label,
            values={**named(study.settings.proxy, trial.values), **confirmed.get(trial.key, {})},
            scores=trial.scores,
            outcome=trial.outcome,
            reason=trial.reason or "",
            is_front=trial.number in front,
            is_knee=knee is not None and trial.number == knee.number,
            is_winner=bool(finishes) and trial.number == finishes[-1].number,
            latency_iqr_ms=latencies.get(trial.key, {}).get("iqr_ms"),
            seconds=trial.seconds,
        )
        for trial in study.trials()
    )


def screened_of(study: Study) -> tuple[ScreenedRow, ...]:
    """What the last screen looked at, the most promising first."""
    return tuple(
        ScreenedRow(
            each.place, each.architecture.label, each.fate, each.values, each.scores, each.reason or ""
        )
        for each in study.screened()
    )


def references_of(study: Study) -> tuple[Reference, ...]:
    """Every reference as tables and pictures see it, cheapest first; those that failed last."""
    latencies = study._store.latencies(study._record.id)
    costs = [objective.name for objective in study.objectives if objective.is_cost]
    records = sorted(
        study.references(),
        key=lambda record: (record.state == "failed", [record.values.get(name, 0.0) for name in costs]),
    )
    return tuple(
        Reference(
            name=record.name,
            values=record.values,
            label=record.architecture.label,
            reason=(record.reason or "no reason given") if record.state == "failed" else "",
            latency_iqr_ms=latencies.get(record.key, {}).get("iqr_ms"),
            seconds=record.seconds,
        )
        for record in records
    )


def pictures_of(study: Study) -> tuple[FrontPicture, ...]:
    """The fronts of a study with everything that a picture shows; the one to choose from first.

    Where some were confirmed that is theirs, with the accuracies of their own trainings, and the front of all
    candidates by the proxy comes second.
    """
    return _pictures(study, study.audited())


def _pictures(study: Study, audit: Audit | None) -> tuple[FrontPicture, ...]:
    rows = rows_of(study)
    confirmed = _confirmed_picture(study, rows, audit)
    kind = f"by {title(accuracy_of(study.settings.proxy))}" if confirmed is not None else ""
    candidates = FrontPicture(
        study=study.name,
        data=str(study.identity.found["data"]),
        objectives=objectives_of(study),
        rows=rows,
        fidelity=fidelity_text(study),
        limits=study.limits,
        references=references_of(study),
        agreement=proxy_words(audit),
        kind=kind,
        hypervolume=study.hypervolume(),
        reference=study.reference(),
    )
    if confirmed is not None:  # whose front has the knee
        plain = tuple(replace(row, is_knee=False) for row in rows)
        return confirmed, replace(candidates, rows=plain)
    left, wanted = still_to_confirm(study)
    return (replace(candidates, left=left, wanted=wanted),)


def _confirmed_picture(study: Study, rows: Sequence[FrontRow], audit: Audit | None) -> FrontPicture | None:
    """The front of the confirmed by the accuracies of their own trainings; None without any."""
    trials = study.confirmed()
    sibling = find_given(study, "confirmed") if trials else None
    if sibling is None:
        return None
    with sibling:
        outcomes = {trial.key: trial for trial in sibling.trials()}
        fidelity = f"{fidelity_text(sibling)} (study {sibling.name})"
    front, corner = study.confirmed_front(), study.reference()  # one box for both fronts
    table = losses([[each.values[o.name] for o in study.objectives] for each in front], study.objectives)
    keys = {trial.key for trial in front}
    by_number = {row.number: row for row in rows}
    left, wanted = still_to_confirm(study)
    return FrontPicture(
        study=study.name,
        data=str(study.identity.found["data"]),
        objectives=tuple(
            replace(each, name=CONFIRMED) if each.name == "accuracy" else each for each in study.objectives
        ),
        rows=tuple(
            replace(
                by_number[trial.number],
                outcome=outcomes[trial.key].outcome,
                reason=outcomes[trial.key].reason or "",
                seconds=outcomes[trial.key].seconds,
                is_front=trial.key in keys,
            )
            for trial in distinct(study)
            if trial.key in outcomes
        ),
        fidelity=fidelity,
        limits=study.limits,
        agreement=proxy_words(audit, title(CONFIRMED)),
        kind="confirmed",
        wanted=wanted,
        left=left,
        hypervolume=hypervolume(table, corner) / math.prod(corner),
        reference=corner,
    )


def fidelity_text(study: Study) -> str:
    """What the proxy spends, such as `2 epochs x 4,096 images at 28x28`."""
    return str(study.identity.found["fidelity"])


def report_of(
    study: Study, folder: Path, comparisons: Sequence[FrontComparison] | None = None
) -> StudyReport:
    """Everything that report.md says; files of the winner are named relative to `folder`.

    The comparisons with the baselines are made where they are not given.
    """
    from nasearch.measure import describe_device

    found = study.identity.found
    measured = study._store.measurements(study._record.id)
    device: dict[str, Any] = dict(measured[-1].device if measured else describe_device(study.device))
    libraries: dict[str, str] = device.pop("versions", versions())
    finishes, fixed = study.finishes, study.identity.fixed
    audit = study.audited()
    picture, *others = _pictures(study, audit)
    return StudyReport(
        picture=picture,
        candidates=others[0] if others else None,
        data=_data(study),
        space=str(found["space"]),
        space_about=str(found["space_about"]),
        space_size=study.space.size,
        sampler=", ".join(study.samplers) or study.settings.proposer,
        seed=study.seed,
        deterministic=study.threads is not None,
        recipes={**study.proxy.recipes(study), **({"Confirmed": fixed["recipe"]} if others else {})},
        judged=(study.proxy.judged, *([_CONFIRMED_BY] if others else [])),
        device=device,
        versions=libraries,
        budget=max(study.settings.budget, study.spent),
        spent=study.spent,
        seconds=study._worked_s("run"),
        confirming_s=_confirming_s(study),
        winner=_winner(study, finishes, folder) if finishes else None,
        comparisons=tuple(study.compare_baselines() if comparisons is None else comparisons),
        audit=audit,
        block_limits=tuple(bound.name for bound in study.space.block_limits),
        screened=screened_of(study),
        command=study.command,
        stored_in=study.storage_url,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _data(study: Study) -> DataFacts:
    """Of a study on a table without images, splits of none."""
    splits = (study.dataset.train, study.dataset.val, study.dataset.test) if study.has_images else ((),) * 3
    return DataFacts(
        name=str(study.identity.found["data"]),
        about=str(study.identity.found.get("data_about", "")),
        classes=len(study.classes),
        input_shape=study.input_shape,
        train=len(splits[0]),
        val=len(splits[1]),
        test=len(splits[2]),
        split_seed=study.seed,
        fingerprint=study.proxy.fingerprint(study),
    )


def _confirming_s(study: Study) -> float | None:
    """Seconds of wall clock that the trainings of confirmed candidates took; None where none was."""
    sibling = find_given(study, "confirmed")
    if sibling is None:
        return None
    with sibling:
        return sibling._worked_s("run")


def write_report(
    study: Study, folder: Path, comparisons: Sequence[FrontComparison] | None = None
) -> list[Path]:
    """Write front.png, front.html, report.md and a picture for each baseline and the audit into a folder."""
    from nasearch.report.audit_plot import audit_png
    from nasearch.report.budget_plot import budget_png
    from nasearch.report.equal_budget import picture_name
    from nasearch.report.files import write_text
    from nasearch.report.html import front_html
    from nasearch.report.markdown import report_md
    from nasearch.report.plots import front_png

    check_claim(folder, study)
    report = report_of(study, folder, comparisons)
    return [
        front_png(report.picture, folder / report.picture_path),
        *([front_png(report.searched, folder / report.candidates_path)] if report.candidates else []),
        front_html(report.pictures, folder / report.page_path, report.comparisons, report.audit),
        write_text(folder / REPORT, report_md(report)),
        *(budget_png(each, folder / picture_name(each)) for each in report.comparisons),
        *([audit_png(report.audit, folder / AUDIT_PICTURE)] if report.audit is not None else []),
    ]


def _winner(study: Study, finishes: list[FinishRecord], folder: Path) -> WinnerFacts:
    record = finishes[-1]
    details, trial = record.details, study.trial(record.number)
    latency = study._store.latency(study._record.id, record.key)
    return WinnerFacts(
        trained=_trained(details["winner"]),
        why=str(details["why"]),
        values=trial.values,
        test_accuracy=record.test_accuracy,
        test_images=int(details["test_images"]),
        test_readings=len(finishes),
        teacher=_trained(details["teacher"]) if details["teacher"] else None,
        distillation=details["distillation"],
        latency=_latency(latency) if latency else None,
        files=_files(study.name, record, folder),
    )


def _trained(facts: Mapping[str, Any]) -> TrainedFacts:
    return TrainedFacts(**facts)


def _latency(found: Mapping[str, Any]) -> LatencyFacts:
    names = LatencyFacts.__dataclass_fields__
    return LatencyFacts(**{name: value for name, value in found.items() if name in names})


def _files(study: str, record: FinishRecord, folder: Path) -> tuple[ExportedFile, ...]:
    """The winner's files as their metadata name them: in the folder, else where the study was finished.

    None where it was exported to neither.
    """
    from nasearch.deploy import FORMATS
    from nasearch.deploy.handover import METADATA

    home = Path(record.details["weights"]).parent.parent
    places = [place / "winner" for place in (folder, home)]
    place = next((place for place in places if _is_of(study, record, place / METADATA)), None)
    if place is None:
        return ()
    checked = json.loads((place / METADATA).read_text(encoding="utf-8"))["max_abs_difference"]
    shown = Path(os.path.relpath(place, folder))
    return tuple(
        ExportedFile(shown / name, kind, (place / name).stat().st_size, checked.get(kind))
        for kind, shape in FORMATS.items()
        if kind in checked
        for name in shape.files
        if (place / name).exists()
    )


def _is_of(study: str, record: FinishRecord, metadata: Path) -> bool:
    """Whether the network that a study finished was exported with that file; not where it cannot be read."""
    try:
        found = json.loads(metadata.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # none, or cut off
        return False
    if not isinstance(found, dict) or not isinstance(found.get("max_abs_difference"), dict):
        return False
    return (found.get("study"), found.get("key")) == (study, record.key)
