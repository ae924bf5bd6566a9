"""The command `zoo`: global options and the list of commands."""

import os
from typing import Annotated

import typer

from zoo.cli import (
    command_cache,
    command_compare,
    command_fit,
    command_leaderboard,
    command_list,
    command_plugins,
    command_predict,
    command_show,
)
from zoo.cli.session import Session
from zoo.cli.shell import Shell

app = typer.Typer(
    name="zoo",
    cls=Shell,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_BLOCK = typer.Option("--no-plugin", metavar="NAME", help="Leave a plugin out, unimported. Can be repeated.")
_STRICT = typer.Option("--strict-plugins", help="A plugin that fails to load is an error.")
_DEBUG = typer.Option("--debug", help="Show tracebacks of errors and of plugins that failed.")
_VERSION = typer.Option("--version", help="Show the version and exit.")


@app.callback(invoke_without_command=True)
def globals_(
    context: typer.Context,
    no_plugin: Annotated[list[str] | None, _BLOCK] = None,
    strict_plugins: Annotated[bool, _STRICT] = False,
    debug: Annotated[bool, _DEBUG] = False,
    version: Annotated[bool, _VERSION] = False,
) -> None:
    """Find out which backbone, head and fine-tuning policy classifies your pictures best.

    Start with `zoo list`, then: zoo compare PHOTOS -b BACKBONE -b OTHER, where PHOTOS has one folder per class.
    `zoo compare demo -b NAME` needs no pictures.
    """
    context.obj = Session(blocked=tuple(no_plugin or ()), strict=strict_plugins, debug=debug)
    if version:
        from importlib import metadata

        typer.echo(f"keras-zoo {metadata.version('keras-zoo')}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit


app.command("compare", short_help="Train a grid and rank its rows.")(command_compare.compare)
app.command("fit", short_help="Train one combination and keep its model.")(command_fit.fit)
app.command("leaderboard", short_help="Rank the runs of a store, any time.")(command_leaderboard.leaderboard)
app.command("list", short_help="List what can be chosen.")(command_list.list_items)
app.command("show", short_help="Show everything about an item or a run.")(command_show.show)
app.command("predict", short_help="Predict the class of pictures.")(command_predict.predict)
app.command("plugins", short_help="Show what became of each plugin.")(command_plugins.plugins)
app.add_typer(command_cache.app, name="cache", short_help="List or remove what is kept on disk for later calls.")


def main() -> None:
    """Entry point of the console script."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow greets with lines that look like warnings
    app(prog_name="zoo")
