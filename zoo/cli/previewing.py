"""The contact sheet of an augmentation: `zoo show NAME --preview DATA`."""

from __future__ import annotations

import contextlib
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from zoo.cli import screen
from zoo.errors import UsageError
from zoo.recipe import complete_augmentation
from zoo.registry import KINDS
from zoo.specs import spec_name

if TYPE_CHECKING:
    from zoo.registry import Catalog
    from zoo.values import Spec

FORMAT = 1


def check_request(*, kind: str | None, data: str | None, given: dict[str, object]) -> None:
    """Whether the options go together.

    Args:
        kind: What `--kind` says.
        data: What `--preview` says.
        given: Options that make sense with `--preview` only, by name; None where they are not given.

    Raises:
        UsageError: If they do not.
    """
    alone = [f"--{name}" for name, value in given.items() if value is not None]
    if data is None and alone:
        raise UsageError(f"{alone[0]} is for a preview.", hint="Add --preview DATA.")
    if data is not None and kind not in (None, "augmentation"):
        raise UsageError(f"A {kind} has no preview.", hint="--preview is for augmentations: `zoo list augmentations`.")


def augmentation_of(text: str, catalog: Catalog) -> Spec:
    """The spec of an augmentation.

    Raises:
        UsageError: If the name is that of another kind of item.
        UnknownNameError: If there is no such item.
    """
    name = spec_name(text, kind="augmentation")
    others = [kind for kind in KINDS if name in catalog.names(kind)]
    if others and "augmentation" not in others:
        hint = f"Those are: {', '.join(catalog.names('augmentation'))}."
        raise UsageError(f"{name!r} is a {others[0]}; only augmentations have a preview.", hint=hint)
    return complete_augmentation(catalog, text)


def write_sheet(
    spec: Spec,
    data: str,
    catalog: Catalog,
    *,
    output: Path | None,
    numbers: dict[str, int | None],
    source: str | None,
    json: bool,
) -> None:
    """Draws the sheet, writes it and says where it is. Numbers that are None stay as `zoo.previews` has them."""
    from zoo import previews

    path = output or Path(f"preview-{re.sub(r'[^A-Za-z0-9.=_-]+', '-', str(spec))}.png")
    previews.check_place(path)
    console = screen.errors()
    waiting = console.status("drawing the pictures") if screen.is_live(sys.stderr) else None
    chosen = {name: value for name, value in numbers.items() if value is not None}
    with contextlib.redirect_stdout(sys.stderr), waiting or contextlib.nullcontext():
        sheet = previews.preview(spec, data, source=source, catalog=catalog, **chosen)
    previews.save_preview(sheet, path)
    if json:
        screen.write_json({"format": FORMAT, "spec": str(spec), "sheet": str(path), "pixels": list(sheet.size)})
        return
    screen.say(screen.results(), f"{path}: {sheet.width} × {sheet.height} pixels, the versions of {spec}")
