"""`zoo list`: everything that can be chosen, or what is left of it."""

from typing import Annotated

import typer

from zoo.cli import narrowing, screen
from zoo.cli.options import Json
from zoo.cli.session import session_of
from zoo.contracts import BACKENDS
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
_PANEL = "Backbones only"

Filter = Annotated[
    str | None,
    typer.Option(
        "--filter",
        metavar="PATTERN",
        help="Only names that match a shell pattern, such as 'efficient*'; case does not count.",
        show_default=False,
    ),
]
Most = Annotated[
    str | None,
    typer.Option(
        "--max-params",
        metavar="N",
        help="At most so many parameters: 10M, 800k, 1e6, …",
        show_default=False,
        rich_help_panel=_PANEL,
    ),
]
Least = Annotated[
    str | None,
    typer.Option(
        "--min-params", metavar="N", help="At least so many parameters.", show_default=False, rich_help_panel=_PANEL
    ),
]
HasWeights = Annotated[
    bool, typer.Option("--has-weights", help="Those with pretrained weights.", rich_help_panel=_PANEL)
]
Bundled = Annotated[
    bool,
    typer.Option(
        "--bundled",
        "--offline",
        help="Those whose weights come with an installed package: no download is needed.",
        rich_help_panel=_PANEL,
    ),
]
Backend = Annotated[
    str | None,
    typer.Option(
        "--backend",
        metavar="NAME",
        help=f"Those that can be built on a Keras backend: {', '.join(BACKENDS)}.",
        show_default=False,
        rich_help_panel=_PANEL,
    ),
]


def list_items(
    context: typer.Context,
    kind: Annotated[str | None, _KIND] = None,
    *,
    pattern: Filter = None,
    max_params: Most = None,
    min_params: Least = None,
    has_weights: HasWeights = False,
    bundled: Bundled = False,
    backend: Backend = None,
    json: Json = False,
) -> None:
    """List backbones, heads, policies, augmentations and sources with their options. `zoo show NAME` tells more."""
    wanted = {name: _PLURALS[name] for name in ([_plural(kind)] if kind is not None else _PLURALS)}
    only = next(iter(wanted.values())) if kind is not None else None
    wish = narrowing.wish_of(
        only,
        pattern=pattern,
        most=max_params,
        least=min_params,
        has_weights=has_weights,
        bundled=bundled,
        backend=backend,
    )
    catalog = session_of(context).catalog()
    lists = {plural: narrowing.narrow(catalog.items(one), wish) for plural, one in wanted.items()}
    _tell(lists)
    if wish.words() and not any(found.items for found in lists.values()):
        everything = [item for one in wanted.values() for item in catalog.items(one)]
        raise narrowing.nothing_found(everything, wish, noun="items" if only is None else next(iter(wanted)))
    if json:
        from zoo.cli.item_json import item_document

        documents = {
            plural: [item_document(catalog, kind=wanted[plural], name=item.name) for item in found.items]
            for plural, found in lists.items()
        }
        screen.write_json({"format": FORMAT, **documents})
        return
    from zoo.cli.render_list import show_list

    if pattern is not None:
        lists = {plural: found for plural, found in lists.items() if found.items}
    shown = {plural: (wanted[plural], found) for plural, found in lists.items()}
    screen.show(lambda page: show_list(page, catalog, shown))


def _tell(lists: dict[str, narrowing.Narrowed]) -> None:
    """Says on stderr what was left out although it may be what is wanted."""
    for found in lists.values():
        if found.uncounted:
            screen.say(screen.errors(), narrowing.uncounted_words(found.uncounted), label="note")


def _plural(word: str) -> str:
    """The plural of a kind that was named in singular or plural."""
    for plural, singular in _PLURALS.items():
        if word in {plural, singular}:
            return plural
    raise UnknownNameError("kind of item", word, _PLURALS)
