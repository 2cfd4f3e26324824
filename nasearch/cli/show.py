"""`nasearch show`: one network, block by block."""

from __future__ import annotations

from dataclasses import replace
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


@click.command()
@target_arguments
@storage_option
@plugins_option
@json_option
def command(target: tuple[str, ...], storage: str, as_json: bool) -> None:
    """Draw the network of a trial.

    A row is a block: output shape, parameters, MACs and peak memory for one image. STUDY left out means the
    last one, TRIAL left out the knee of its front. `NAME#7` is trial 7 of study NAME.
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
        trial = replace(trial, values=values_of(study, trial))
    if as_json:
        echo_json(
            {
                "study": name,
                "trial": trial.number,
                "outcome": trial.outcome,
                "reason": trial.reason or None,
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
            }
        )
        return
    from nasearch.report.style import notes_table

    out = console()
    title = f"{name}, trial {trial.number}"
    out.print(network_table(blocks, title, whole.peak_activation_bytes, out.width))
    out.print(notes_table([(block.name, block.note) for block in blocks]))
    out.print(_facts(trial), markup=False)


def _facts(trial: TrialRecord) -> str:
    """Outcome, reason, measured values, scores and learning curve in a few lines."""
    from nasearch.report.formatting import metric, percent, score, title

    lines = [trial.outcome if not trial.reason else f"{trial.outcome}: {trial.reason}"]
    lines += [f"{title(name)}: {metric(name, value)}" for name, value in trial.values.items()]
    if trial.scores:
        found = ", ".join(f"{name} {score(value)}" for name, value in sorted(trial.scores.items()))
        lines.append(f"scores without training: {found}")
    if trial.curve:
        curve = ", ".join(percent(point.val_accuracy) for point in trial.curve)
        lines.append(f"accuracy by epoch: {curve}")
    return "\n".join(lines)
