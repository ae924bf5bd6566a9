"""The command `zoo`: global options and the list of commands."""

import gc
import os
import sys
from types import MappingProxyType
from typing import Annotated

import typer

from zoo.cli.deferred import Deferred, DeferredShell
from zoo.cli.session import Session


class Zoo(DeferredShell):
    """The group of all commands."""

    declared = MappingProxyType(
        {
            "compare": Deferred("zoo.cli.command_compare", "compare", "Train a grid and rank its rows."),
            "scout": Deferred("zoo.cli.command_scout", "scout", "Rank backbones before any training."),
            "fit": Deferred("zoo.cli.command_fit", "fit", "Train one combination and keep its model."),
            "diagnose": Deferred(
                "zoo.cli.command_diagnose", "diagnose", "Measure whether BatchNorm statistics fit your pictures."
            ),
            "leaderboard": Deferred(
                "zoo.cli.command_leaderboard", "leaderboard", "Rank the runs of a store, any time."
            ),
            "list": Deferred("zoo.cli.command_list", "list_items", "List what can be chosen."),
            "show": Deferred("zoo.cli.command_show", "show", "Show everything about an item or a run."),
            "predict": Deferred("zoo.cli.command_predict", "predict", "Predict the class of pictures."),
            "plugins": Deferred("zoo.cli.command_plugins", "plugins", "Show what became of each plugin."),
            "cache": Deferred("zoo.cli.command_cache", "app", "List or remove what is kept on disk for later calls."),
        }
    )


app = typer.Typer(
    name="zoo",
    cls=Zoo,
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
        from zoo.discovery import host_version

        typer.echo(f"keras-zoo {host_version()}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit


def main() -> None:
    """Entry point of the console script."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow greets with lines that look like warnings
    try:
        app(prog_name="zoo")
    finally:
        if "keras" not in sys.modules:
            gc.freeze()  # else Python, about to end, looks for cycles among all objects again and again
