"""`nasearch studies`: what a store holds."""

from __future__ import annotations

from typing import Any

import click

from nasearch.cli.common import (
    Suggesting,
    check_store_exists,
    console,
    echo_json,
    json_option,
    load_study,
    plugins_option,
    quiet_optuna,
    storage_option,
    study_argument,
)


@click.group(cls=Suggesting, invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """List and show the studies of a store.

    Without a command, the list of studies in the default store.
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_command)


@command.command("list")
@storage_option
@json_option
def list_command(storage: str, as_json: bool) -> None:
    """List the studies of a store, oldest first."""
    check_store_exists(storage)
    from nasearch.report.tables import studies_json, studies_table
    from nasearch.study.summaries import summaries_of

    quiet_optuna()
    summaries = summaries_of(storage)
    if as_json:
        echo_json(studies_json(summaries))
    else:
        console().print(studies_table(summaries))


@command.command("show")
@study_argument
@storage_option
@plugins_option
@json_option
def show_command(study: str | None, storage: str, as_json: bool) -> None:
    """Show what a study is, how far it is and what was finished.

    STUDY left out means the last one.
    """
    with load_study(study, storage) as loaded:
        from nasearch.report.formatting import metric, percent, title
        from nasearch.study.reporting import fidelity_text
        from nasearch.study.summaries import summary_of

        summary = summary_of(loaded)
        facts: dict[str, Any] = {
            "study": loaded.name,
            "sibling_of": summary.sibling_of,
            "role": summary.role,
            "space": summary.space,
            "plugins": dict(loaded.identity.found.get("plugins", {})),
            "data": summary.data,
            "objectives": list(summary.objectives),
            "limits": [limit.text for limit in loaded.limits],
            "sampler": loaded.settings.proposer,
            "proxy": fidelity_text(loaded),
            "seed": loaded.seed,
            "deterministic": loaded.threads is not None,
            "created_at": summary.created_at,
            "budget_used": summary.budget_used,
            "outcomes": loaded.outcomes(),
            "best_accuracy": summary.best_accuracy,
            "accuracy": summary.accuracy,
            "confirmed": [trial.number for trial in loaded.confirmed()],
            "confirmed_front": [trial.number for trial in loaded.confirmed_front()],
            "front": [trial.number for trial in loaded.front()],
            "hypervolume": loaded.hypervolume(),
            "finishes": [
                {
                    "trial": record.number,
                    "teacher": record.teacher,
                    "val_accuracy": record.val_accuracy,
                    "test_accuracy": record.test_accuracy,
                    "finished_at": record.finished_at.isoformat(timespec="seconds"),
                }
                for record in loaded.finishes
            ],
            "directory": str(loaded.directory),
            "storage": loaded.storage_url,
        }
        if as_json:
            echo_json(facts)
            return
        finishes = [
            f"trial {record.number}, test accuracy {percent(record.test_accuracy)}"
            for record in loaded.finishes
        ]
    from rich.text import Text

    from nasearch.report.style import plain_table

    table = plain_table(header=False)
    blocks = [f"{kind} of {origin}" for kind, origin in facts["plugins"].items()]
    best = summary.best_accuracy
    accuracy = None if best is None else f"{metric(summary.accuracy, best)} ({title(summary.accuracy)})"
    del facts["accuracy"]  # stands beside it
    shown = {**facts, "plugins": blocks, "best_accuracy": accuracy, "finishes": finishes}
    for name, value in shown.items():
        table.add_row(name.replace("_", " "), Text(_shown(value)))
    console().print(table)


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{count} {name}" for name, count in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(str(item) for item in value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4f}"
    return "none" if value is None else str(value)
