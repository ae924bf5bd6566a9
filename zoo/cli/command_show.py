"""`zoo show`: everything about one item or one run."""

import contextlib
import sys
from pathlib import Path
from typing import Annotated

import typer

from zoo.cli import options, previewing, screen
from zoo.cli.counts import BackboneCount, count
from zoo.cli.finding import RUN, FoundItem, FoundRun, find
from zoo.cli.session import session_of
from zoo.errors import UnknownNameError, ZooError
from zoo.registry import KINDS, Catalog

FORMAT = 1

Name = Annotated[
    str, typer.Argument(metavar="NAME|RUN", help="Item with or without options, run id or beginning of one, or folder.")
]
Kind = Annotated[
    str | None,
    typer.Option("--kind", metavar="KIND", help=f"Which is meant: {', '.join(KINDS)} or {RUN}.", show_default=False),
]
Counts = Annotated[
    bool,
    typer.Option(help="For a backbone: build it and count what each policy opens. Needs Keras and some seconds."),
]
_PANEL = "Preview of an augmentation"
Preview = Annotated[
    str | None,
    typer.Option(
        "--preview",
        metavar="DATA",
        help="Write a contact sheet of what the augmentation makes of these pictures, as PNG.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Where the sheet goes; what is there is replaced. [default: preview-NAME.png]",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]


def _number(flag: str, text: str) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(
        flag, metavar="N", help=text, rich_help_panel=_PANEL, show_default=False
    )
    return option


Count = Annotated[int | None, _number("--count", "Pictures, one row each, from all classes in turn. [default: 6]")]
Versions = Annotated[int | None, _number("--versions", "Augmented versions of each picture. [default: 5]")]
Size = Annotated[int | None, _number("--size", "Side of the pictures in pixels. [default: 160]")]
Seed = Annotated[int | None, _number("--seed", "Seed of the augmentation and of the choice. [default: 0]")]
Source = Annotated[
    str | None,
    typer.Option(
        "--source",
        metavar="NAME",
        help="Source to read DATA with, if several could.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]


def show(
    context: typer.Context,
    name: Name,
    kind: Kind = None,
    counts: Counts = True,
    store: options.Store = None,
    json: options.Json = False,
    *,
    preview: Preview = None,
    output: Output = None,
    count: Count = None,
    versions: Versions = None,
    size: Size = None,
    seed: Seed = None,
    source: Source = None,
) -> None:
    """Show everything about a backbone, head, policy, augmentation, source or run."""
    numbers = {"count": count, "versions": versions, "size": size, "seed": seed}
    previewing.check_request(kind=kind, data=preview, given={"output": output, **numbers, "source": source})
    if kind is not None and kind not in (*KINDS, RUN):
        raise UnknownNameError("kind", kind, (*KINDS, RUN))
    catalog = session_of(context).catalog()
    if preview is not None:
        spec = previewing.augmentation_of(name, catalog)
        previewing.write_sheet(spec, preview, catalog, output=output, numbers=numbers, source=source, json=json)
        return
    found = find(name, catalog, store=store or options.STORE, kind=kind)
    if isinstance(found, FoundItem):
        _show_item(found, catalog, counts=counts and found.kind == "backbone", json=json)
    else:
        _show_run(found, json=json)


def _show_item(found: FoundItem, catalog: Catalog, *, counts: bool, json: bool) -> None:
    from zoo.cli import render_item

    console = screen.results()
    if not json:
        render_item.show_item(console, catalog, kind=found.kind, spec=found.spec)
    counted, fault = _counted(found, catalog) if counts else (None, None)
    if json:
        from zoo.cli.item_json import item_document

        document = item_document(catalog, kind=found.kind, name=found.spec.name)
        screen.write_json({"format": FORMAT, **document, "spec": str(found.spec), "counts": counted})
        return
    if counted is not None:
        render_item.show_counts(console, counted)
    if found.run:
        other = f"A run begins with that name, too: zoo show --kind run {found.run}"
        screen.say(screen.errors(), other, label="note")
    if fault is not None:
        screen.say(screen.errors(), f"weights were not counted: {fault.message} {fault.hint}", label="note")


def _counted(found: FoundItem, catalog: Catalog) -> tuple[BackboneCount | None, ZooError | None]:
    """The counts, or why there are none. What Keras prints meanwhile goes to stderr."""
    console = screen.errors()
    waiting = console.status("building it without its weights, to count them") if screen.is_live(sys.stderr) else None
    with contextlib.redirect_stdout(sys.stderr), waiting or contextlib.nullcontext():
        try:
            return count(catalog, found.spec), None
        except ZooError as error:
            return None, error


def _show_run(found: FoundRun, *, json: bool) -> None:
    if json:
        from zoo.cli.run_json import run_document

        screen.write_json(run_document(found.record, found.folder))
        return
    from zoo.cli.render_run import show_run

    show_run(screen.results(), found.record, found.folder)
