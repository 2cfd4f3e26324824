"""`nasearch show`: one network, block by block."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import click

from nasearch.cli.common import (
    console,
    echo_json,
    json_option,
    load_study,
    parse_target,
    plugins_option,
    storage_option,
    target_arguments,
)

if TYPE_CHECKING:
    from nasearch.store.records import TrialRecord
    from nasearch.study import Study
    from nasearch.study.trainings import Training


@click.command()
@target_arguments
@storage_option
@plugins_option
@json_option
def command(target: tuple[str, ...], storage: str, as_json: bool) -> None:
    """Draw the network of a trial.

    A row is a block: output shape, parameters, MACs and peak memory for one image. Below stand the trial's
    outcome and place, what was measured of it, and every longer training that it had. STUDY left out means
    the last one, TRIAL left out the knee of its front. `NAME#7` is trial 7 of study NAME.
    """
    name, number = parse_target(target)
    with load_study(name, storage) as study:
        from nasearch.measure import architecture_cost
        from nasearch.report.drawing import network_json, network_table
        from nasearch.report.tables import scores_json
        from nasearch.study.reporting import values_of

        trial = study.winner() if number is None else study.trial(number)
        blocks = study.block_costs(trial.number)
        whole = architecture_cost(trial.architecture, study.input_shape, len(study.classes))
        name = study.name
        if number is None:
            trial = study.trial(trial.number)  # with its learning curve
        place = _place(study, trial.number)
        start = str(study.identity.fixed.get("start") or "")
        trainings = study.trainings(trial.number)
        trial = replace(trial, values=values_of(study, trial))
    if as_json:
        echo_json(
            {
                "study": name,
                "trial": trial.number,
                "outcome": trial.outcome,
                "reason": trial.reason or None,
                **place,
                "key": trial.key,
                "values": dict(trial.values),
                "scores": scores_json(trial.scores),
                "decisions": dict(trial.architecture.decisions),
                **network_json(blocks),
                "peak_activation_bytes": whole.peak_activation_bytes,
                "curve": [
                    {"epoch": point.epoch, "train_loss": point.train_loss, "val_accuracy": point.val_accuracy}
                    for point in trial.curve
                ],
                "start": start or None,
                "trainings": [asdict(training) for training in trainings],
            }
        )
        return
    from nasearch.report.style import notes_table

    out = console()
    title = f"{name}, trial {trial.number}"
    out.print(network_table(blocks, title, whole.peak_activation_bytes, out.width))
    out.print(notes_table([(block.name, block.note) for block in blocks]))
    out.print("\n".join([*_facts(trial, place, start), *map(_line, trainings)]), markup=False)


def _place(study: Study, number: int) -> dict[str, bool]:
    """Where a trial stands in its study, by the names that JSON has for it."""
    knee, finishes = study.knee(), study.finishes
    return {
        "is_front": number in {trial.number for trial in study.front()},
        "is_knee": knee is not None and number == knee.number,
        "is_winner": bool(finishes) and number == finishes[-1].number,
    }


def _facts(trial: TrialRecord, place: dict[str, bool], start: str) -> list[str]:
    """Outcome, reason, place, measured values, scores and learning curve, a line each."""
    from nasearch.report.formatting import CONFIRMED, metric, percent, score, title

    lines = [trial.outcome if not trial.reason else f"{trial.outcome}: {trial.reason}"]
    words = {"is_front": "on the front", "is_knee": "the knee", "is_winner": "the winner"}
    if any(place.values()):
        lines.append(", ".join(words[name] for name, holds in place.items() if holds))
    values = {name: value for name, value in trial.values.items() if name != CONFIRMED}  # has a line below
    lines += [f"{title(name)}: {metric(name, value)}" for name, value in values.items()]
    if trial.scores:
        found = ", ".join(f"{name} {score(value)}" for name, value in sorted(trial.scores.items()))
        lines.append(f"scores without training: {found}")
    if trial.curve:
        curve = ", ".join(f"epoch {point.epoch} {percent(point.val_accuracy)}" for point in trial.curve)
        lines.append(f"accuracy by epoch: {curve}")
    if start:
        lines.append(f"began with {start}")
    return lines


def _line(training: Training) -> str:
    """One training in words: what for, what came out, and what of."""
    from nasearch.report.formatting import percent

    said = {
        "confirmed": "confirmed",
        "audit": "audited",
        "teacher": "trained as teacher",
        "winner": "finished",
    }
    words = [f"{said[training.role]}: validation accuracy {percent(training.accuracy)}"]
    if training.test_accuracy is not None:
        words.append(f"test accuracy {percent(training.test_accuracy)}")
    words.append(training.spent)
    if training.teacher is not None:
        words.append(f"taught by trial {training.teacher}")
    if training.start and training.start not in training.spent:
        words.append(f"began with {training.start}")
    if training.role in ("confirmed", "audit"):
        words.append(f"study {training.study}")
    return ", ".join(words)
