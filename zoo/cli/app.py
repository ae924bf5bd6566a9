"""The command `zoo`: global options and the list of commands."""

from typing import Annotated

import typer

from zoo.cli import (
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


app.command("compare")(command_compare.compare)
app.command("fit")(command_fit.fit)
app.command("leaderboard")(command_leaderboard.leaderboard)
app.command("list")(command_list.list_items)
app.command("show")(command_show.show)
app.command("predict")(command_predict.predict)
app.command("plugins")(command_plugins.plugins)


def main() -> None:
    """Entry point of the console script."""
    app(prog_name="zoo")
