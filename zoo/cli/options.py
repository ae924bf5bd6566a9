"""Options that several commands share, as types for typer. A default of None means: as the recipe or zoo says."""

from pathlib import Path
from typing import Annotated

import typer

from zoo.choices import Metric, Optimiser, Precision, Schedule
from zoo.settings import SETTINGS

STORE = Path("zoo-runs")
"""The store where none is named."""


def _setting(name: str, *flags: str, metavar: str) -> typer.models.OptionInfo:
    """An option for a plain setting; what it means and its default are said once, in `zoo.settings`."""
    setting = SETTINGS[name]
    default = "the policy's own" if setting.default is None else setting.default
    option: typer.models.OptionInfo = typer.Option(
        *flags,
        metavar=metavar,
        help=f"{setting.help} [default: {default}]",
        show_default=False,
        rich_help_panel="Training",
    )
    return option


def _several(name: str, *flags: str, metavar: str) -> typer.models.OptionInfo:
    """As `_setting`, for one that can be given several times."""
    option = _setting(name, *flags, metavar=metavar)
    option.help = f"{option.help} Can be repeated: a row for each."
    return option


Json = Annotated[bool, typer.Option("--json", help="Write one JSON document to stdout and nothing else.")]

Store = Annotated[
    Path | None,
    typer.Option("--store", metavar="DIR", help=f"Folder that keeps runs. [default: {STORE}]", show_default=False),
]

_FOLDER = (
    "Folder with one sub-folder of pictures per class (or train/ and val/ above those), a table (.csv, .tsv, "
    ".parquet) with a path and a label in each row,"
)
Data = Annotated[
    str | None,
    typer.Argument(metavar="DATA", help=f"{_FOLDER} `demo`, or a grid file ending in .toml.", show_default=False),
]
Photos = Annotated[str | None, typer.Argument(metavar="DATA", help=f"{_FOLDER} or `demo`.", show_default=False)]


def backbones(default: str) -> typer.models.OptionInfo:
    """The option that names backbones, several times where several are meant."""
    text = f"Backbone, such as efficientnetb0:size=160. Can be repeated. [{default}]"
    option: typer.models.OptionInfo = typer.Option("--backbone", "-b", metavar="NAME", help=text, show_default=False)
    return option


def pictures(which: str, default: int) -> typer.models.OptionInfo:
    """The option for how many pictures are looked at."""
    text = f"Look at so many {which} pictures at most, drawn evenly from the classes. [default: {default}]"
    option: typer.models.OptionInfo = typer.Option("--pictures", metavar="N", help=text, show_default=False)
    return option


Source = Annotated[
    str | None,
    typer.Option("--source", metavar="NAME", help="Source to read DATA with, if several could.", show_default=False),
]
Split = Annotated[
    str | None,
    typer.Option(
        "--split",
        metavar="T/V/T",
        help="Shares of training, validation and test pictures. [default: 0.7/0.15/0.15]",
        show_default=False,
    ),
]
SplitSeed = Annotated[int | None, _setting("split_seed", "--split-seed", metavar="N")]
Seed = Annotated[int | None, _setting("seed", "--seed", metavar="N")]
Seeds = Annotated[int | None, _setting("seeds", "--seeds", metavar="N")]
Epochs = Annotated[int | None, _setting("epochs", "--epochs", metavar="N")]
BatchSize = Annotated[int | None, _setting("batch_size", "--batch-size", metavar="N")]
BatchSizes = Annotated[list[int] | None, _several("batch_size", "--batch-size", metavar="N")]
Rate = Annotated[str | None, _setting("learning_rate", "--lr", metavar="RATE")]
Rates = Annotated[list[str] | None, _several("learning_rate", "--lr", metavar="RATE")]
Course = Annotated[Schedule | None, _setting("schedule", "--schedule", metavar="NAME")]
OptimiserName = Annotated[Optimiser | None, _setting("optimiser", "--optimiser", metavar="NAME")]
Decay = Annotated[float | None, _setting("weight_decay", "--weight-decay", metavar="DECAY")]
Accumulate = Annotated[int | None, _setting("accumulate", "--accumulate", metavar="N")]
Average = Annotated[float | None, _setting("ema", "--ema", metavar="DECAY")]
PrecisionName = Annotated[Precision | None, _setting("precision", "--precision", metavar="NAME")]
Views = Annotated[int | None, _setting("views", "--views", metavar="N")]
Smoothing = Annotated[float | None, _setting("label_smoothing", "--label-smoothing", metavar="SHARE")]
Patience = Annotated[
    str | None,
    typer.Option(
        "--patience",
        metavar="N",
        help=f"{SETTINGS['patience'].help} `none` never stops. [default: {SETTINGS['patience'].default}]",
        show_default=False,
    ),
]
RankBy = Annotated[Metric | None, _setting("metric", "--metric", metavar="NAME")]

Jobs = Annotated[
    int,
    typer.Option(
        "--jobs",
        metavar="N",
        help="Worker processes at a time; each has its share of the cores, or a GPU. 0: rows run in this process.",
        rich_help_panel="Worker processes",
    ),
]
RowTimeout = Annotated[
    float | None,
    typer.Option(
        "--row-timeout",
        metavar="SECONDS",
        help="End a row that takes longer, as failed. [default: never]",
        show_default=False,
        rich_help_panel="Worker processes",
    ),
]
MemoryLimit = Annotated[
    float | None,
    typer.Option(
        "--memory-limit",
        metavar="GIB",
        help="End a worker that holds more; its row is tried once more with half the batch. "
        "[default: its share of nine tenths of what is free]",
        show_default=False,
        rich_help_panel="Worker processes",
    ),
]
NoCache = Annotated[
    bool,
    typer.Option(
        "--no-cache",
        help="Keep no decoded pictures and features on disk for later calls, and use none. Changes no result.",
    ),
]
CacheLimit = Annotated[
    str | None,
    typer.Option(
        "--cache-limit",
        metavar="SIZE",
        help="Most that is kept there, such as 20G; the least recently used leaves. "
        "[default: 10G, or a tenth of what the disk could give]",
        show_default=False,
    ),
]
