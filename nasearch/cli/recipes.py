"""`nasearch recipes`: how networks are trained."""

from __future__ import annotations

import click

from nasearch.cli.common import Suggesting, console, echo_json, json_option

FOR = {
    "proxy": "candidates (--recipe)",
    "full": "teacher and winner (--winner-recipe)",
    "supernet": "supernets (--supernet-recipe)",
}
"""What each built-in recipe trains, and the option that takes another."""


@click.group(cls=Suggesting, invoke_without_command=True)
@click.pass_context
def command(ctx: click.Context) -> None:
    """List and show the recipes of trainings.

    Without a command, the list of built-in recipes.
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_command, as_json=False)


@command.command("list")
@json_option
def list_command(as_json: bool) -> None:
    """List the built-in recipes."""
    from nasearch.training import RECIPES

    if as_json:
        echo_json([recipe.to_dict() for recipe in RECIPES.values()])
        return
    from nasearch.report.style import plain_table

    table = plain_table()
    for title in ("recipe", "epochs", "images", "batch", "optimiser", "rate", "for"):
        table.add_column(title, justify="right" if title in ("epochs", "images", "batch", "rate") else "left")
    for recipe in RECIPES.values():
        table.add_row(
            recipe.name,
            str(recipe.epochs),
            "all" if recipe.images is None else f"{recipe.images:,}",
            str(recipe.batch_size),
            recipe.optimizer,
            f"{recipe.lr:g}",
            FOR[recipe.name],
        )
    console().print(table)


@command.command("show")
@click.argument("recipe")
@json_option
def show_command(recipe: str, as_json: bool) -> None:
    """Show every value of a recipe.

    RECIPE is a built-in name or the path of a YAML file. What is printed is such a file, except with --json.
    """
    from nasearch.training import find_recipe

    values = find_recipe(recipe).to_dict()
    if as_json:
        echo_json(values)
        return
    import yaml

    click.echo(yaml.safe_dump(values, sort_keys=False), nl=False)
