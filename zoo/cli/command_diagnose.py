"""`zoo diagnose`: do a backbone's BatchNorm statistics fit the pictures?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.cli import options, screen
from zoo.cli.session import Session, session_of
from zoo.errors import UsageError

if TYPE_CHECKING:
    from zoo.diagnosis import Diagnosis

FORMAT = 1

Backbones = Annotated[list[str] | None, options.backbones("required")]
Pictures = Annotated[int | None, options.pictures("training and validation", 768)]
Html = Annotated[
    Path | None,
    typer.Option(
        "--html", metavar="FILE", help="Write a page to FILE, too: verdicts, drawing, table.", show_default=False
    ),
]


def diagnose(
    context: typer.Context,
    data: options.Photos = None,
    *,
    backbone: Backbones = None,
    pictures: Pictures = None,
    epochs: options.Epochs = None,
    batch_size: options.BatchSize = None,
    precision: options.PrecisionName = None,
    seed: options.Seed = None,
    split: options.Split = None,
    split_seed: options.SplitSeed = None,
    source: options.Source = None,
    store: options.Store = None,
    no_cache: options.NoCache = False,
    cache_limit: options.CacheLimit = None,
    html: Html = None,
    json: options.Json = False,
) -> None:
    """Measure whether a backbone's BatchNorm statistics fit your pictures, and which policy to try. Trains nothing.

    It costs about one and a half forward passes over the pictures that are looked at. Test pictures are not.
    """
    from zoo.cli.request import chosen, location

    data = location(data)
    if not backbone:
        raise UsageError("No backbone is named.", hint="Name one with -b; `zoo list backbones` shows them.")
    if html is not None:
        _check_place(html)
    given = {
        "pictures": pictures,
        "epochs": epochs,
        "batch_size": batch_size,
        "precision": precision,
        "seed": seed,
        "split": split,
        "split_seed": split_seed,
        "source": source,
    }
    disk = {"store": store or options.STORE, "cache": not no_cache, "cache_limit": cache_limit}
    found = _diagnosed(data, backbone, session_of(context), {**disk, **chosen(given)})
    if html is not None:
        _write_page(html, found)
    if json:
        screen.write_json({"format": FORMAT, "diagnoses": [one.to_dict() for one in found]})
        return
    from zoo.cli.render_diagnosis import show_diagnosis

    for number, one in enumerate(found):
        show_diagnosis(screen.results(), one, data=data, apart=number > 0, page=html if one is found[-1] else None)


def _diagnosed(data: str, backbones: list[str], session: Session, asked: dict[str, Any]) -> "list[Diagnosis]":
    catalog = session.catalog()
    from zoo import diagnosing
    from zoo.cli.live import watching

    with watching() as observe:
        return [
            diagnosing.diagnose(data, backbone=name, observe=observe, catalog=catalog, **asked) for name in backbones
        ]


def _check_place(path: Path) -> None:
    try:
        taken, there = path.is_dir(), path.parent.is_dir()
    except (OSError, ValueError) as error:
        raise UsageError(f"{str(path)!r} cannot be written: {error}.", hint="Choose another place.") from error
    if taken:
        raise UsageError(f"{str(path)!r} is a folder.", hint="Name a file in it.")
    if not there:
        raise UsageError(f"There is no folder {str(path.parent)!r} to write into.", hint="Make it first.")


def _write_page(path: Path, found: "list[Diagnosis]") -> None:
    from zoo.diagnosis_page import page

    try:
        path.write_text(page(found), encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise UsageError(
            f"{str(path)!r} cannot be written: {error.strerror or error}.", hint="Choose another place with --html."
        ) from error
