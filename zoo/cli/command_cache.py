"""`zoo cache`: what is kept on disk between calls, and how to get rid of it."""

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.choices import CacheKind
from zoo.cli import screen
from zoo.cli.options import Json
from zoo.disk_space import read_amount
from zoo.errors import UsageError

if TYPE_CHECKING:
    from zoo.disk_cache import DiskCache

FORMAT = 1

app = typer.Typer(rich_markup_mode=None, subcommand_metavar="[COMMAND …]")

_UNITS = {"h": "hours", "d": "days", "w": "weeks"}

To = Annotated[
    str | None,
    typer.Option(
        "--to",
        metavar="SIZE",
        help="Stop when the rest takes no more than this, such as 2G.",
        show_default=False,
    ),
]
OlderThan = Annotated[
    str | None,
    typer.Option(
        "--older-than",
        metavar="AGE",
        help="Only what was not used for so long: 12h, 30d or 4w.",
        show_default=False,
    ),
]
OfKind = Annotated[
    CacheKind | None,
    typer.Option("--kind", metavar="KIND", help="Only `pixels`, `features` or `checks`.", show_default=False),
]
All = Annotated[bool, typer.Option("--all", help="Everything.")]


@app.callback(invoke_without_command=True)
def cache(context: typer.Context, json: Json = False) -> None:
    """List what `zoo compare` and `zoo fit` keep on disk for later calls: pictures, frozen features, checks of inputs.

    `zoo cache prune` removes it. Removing it changes no result, it has to be made again.
    """
    if context.invoked_subcommand is not None:
        if json:
            raise UsageError("--json stands behind `prune`.", hint="zoo cache prune … --json")
        return
    from zoo.disk_cache import open_cache

    kept = open_cache()
    if json:
        screen.write_json(_document(kept))
        return
    from zoo.cli.render_cache import show_entries

    show_entries(screen.results(), kept)


@app.command("prune", short_help="Remove what was used least recently.")
def prune(
    *, to: To = None, older_than: OlderThan = None, kind: OfKind = None, everything: All = False, json: Json = False
) -> None:
    """Remove entries from the cache, those first that were used least recently.

    Several options narrow one another down: `--kind pixels --older-than 30d` removes what is both.
    """
    given = [to, older_than, kind]
    if everything == any(one is not None for one in given):
        fact = "--all leaves nothing to choose" if everything else "It is not said what shall go"
        raise UsageError(f"{fact}.", hint="Give --all, or some of --to 2G, --older-than 30d and --kind pixels.")
    from zoo.disk_cache import open_cache

    kept = open_cache()
    removed = kept.prune(
        to_bytes=None if to is None else read_amount(to, what="--to"),
        kind=kind,
        older_than=None if older_than is None else age_of(older_than),
    )
    if json:
        freed = sum(entry.bytes for entry in removed)
        screen.write_json(_document(kept, freed=freed, removed=removed))
        return
    from zoo.cli.render_cache import show_removed

    show_removed(screen.results(), kept, removed)


def _document(kept: "DiskCache", **more: object) -> dict[str, Any]:
    entries = kept.entries()
    place = {"folder": str(kept.folder), "limit": kept.limit, "bytes": sum(entry.bytes for entry in entries)}
    return {"format": FORMAT, **place, **more, "entries": entries}


def age_of(text: str) -> timedelta:
    """The value of `--older-than`.

    Raises:
        UsageError: It is no time.
    """
    found = re.fullmatch(r"\s*(\d{1,6}(?:\.\d+)?)\s*([hdw])\s*", text.lower())
    if not found:
        raise UsageError(f"--older-than cannot be {text!r}.", hint="Give hours, days or weeks: 12h, 30d or 4w.")
    return timedelta(**{_UNITS[found[2]]: float(found[1])})
