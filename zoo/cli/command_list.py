"""`zoo list`: everything that can be chosen."""

from typing import Annotated

import typer

from zoo.cli import screen
from zoo.cli.options import Json
from zoo.cli.session import session_of
from zoo.errors import UnknownNameError
from zoo.registry import Kind

FORMAT = 1

_PLURALS: dict[str, Kind] = {
    "backbones": "backbone",
    "heads": "head",
    "policies": "policy",
    "augmentations": "augmentation",
    "sources": "source",
}

_KIND = typer.Argument(metavar="[KIND]", help=f"Only these: {', '.join(_PLURALS)}.", show_default=False)


def list_items(context: typer.Context, kind: Annotated[str | None, _KIND] = None, json: Json = False) -> None:
    """List backbones, heads, policies, augmentations and sources with their options. `zoo show NAME` tells more."""
    wanted = {name: _PLURALS[name] for name in ([_plural(kind)] if kind is not None else _PLURALS)}
    catalog = session_of(context).catalog()
    if json:
        from zoo.cli.item_json import item_document

        lists = {
            plural: [item_document(catalog, kind=one, name=name) for name in catalog.names(one)]
            for plural, one in wanted.items()
        }
        screen.write_json({"format": FORMAT, **lists})
        return
    from zoo.cli.render_list import show_list

    show_list(screen.results(), catalog, wanted)


def _plural(word: str) -> str:
    """The plural of a kind that was named in singular or plural."""
    for plural, singular in _PLURALS.items():
        if word in {plural, singular}:
            return plural
    raise UnknownNameError("kind of item", word, _PLURALS)
