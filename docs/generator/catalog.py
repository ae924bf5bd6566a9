"""The catalog page: everything built in and of the first-party plugins, by kind."""

from __future__ import annotations

import importlib
import inspect
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, cast

from generator.markdown import page, sentence, table
from zoo.contracts import Backbone, Policy
from zoo.options import TYPE_WORDS, write_limits, write_value
from zoo.plugins import load_catalog
from zoo.specs import backbone_options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo.contracts import Item, Option

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
BLOCKS, EPOCHS = 18, 10
"""What the phases of a policy are shown for: EfficientNet-Lite0 and EfficientNetB0 have 18 blocks."""

_HEADINGS = {
    "backbone": "Backbones",
    "head": "Heads",
    "policy": "Policies",
    "augmentation": "Augmentations",
    "source": "Sources",
}
_INTRO = (
    "What keras-zoo itself and its first-party plugins provide. `zoo list` shows the same for what is installed with "
    "you, and `zoo show NAME` tells more. How names and options are written: [recipes](recipe.md)."
)


def write() -> str:
    """The page."""
    found = sorted(everything(), key=lambda pair: pair[0].name)
    parts = [_INTRO]
    for kind, heading in _HEADINGS.items():
        parts.append(f"## {heading}")
        parts += [_section(item, kind, origin) for item, origin in found if type(item).__name__.lower() == kind]
    return page("Catalog", parts)


def everything() -> Iterator[tuple[Item, str]]:
    """All items with the words that say where they come from. Needs no plugin to be installed."""
    own = load_catalog(only=[], strict=True)
    yield from ((entry.item, "Built in.") for entry in own.entries)
    for file in sorted(PLUGINS.glob("*/pyproject.toml")):
        project = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
        sys.path.insert(0, str(file.parent))
        modules = [importlib.import_module(name) for name in project["entry-points"]["zoo"].values()]
        both = load_catalog(only=[], strict=True, extra=modules)
        new = [entry.item for entry in both.entries if entry not in own.entries]
        yield from ((item, f"From the plugin `{project['name']}`.") for item in new)


def _section(item: Item, kind: str, origin: str) -> str:
    parts = [f"### {item.name} {{ #{kind}-{item.name} }}", f"{sentence(item.title)} *{origin}*"]
    if isinstance(item, Backbone):
        parts.append(_backbone(item))
    parts.append(_words(item))
    if reference := getattr(item, "reference", ""):
        parts.append(f"Reference: <{reference}>")
    if options := backbone_options(item) if isinstance(item, Backbone) else item.options:
        parts.append(table(("option", "default", "meaning"), map(_option, options)))
    if isinstance(item, Policy):
        parts.append(_phases(item))
    return "\n\n".join(filter(None, parts))


def _backbone(item: Backbone) -> str:
    blocks = item.blocks_for({})
    lines = [
        f"Pictures: {item.image_size} px, at least {item.min_size} px.",
        f"Pixels: {item.pixels}. The network does it; raw RGB 0–255 goes in.",
        f"Blocks, input to output ({len(blocks)}): {', '.join(f'`{block.name}`' for block in blocks)}.",
    ]
    for weights in item.weights:
        size = f", {weights.megabytes} MB" if weights.megabytes else ""
        how = "comes with the package, no download" if weights.bundled else f"downloaded{size}"
        top1 = f", published top-1 {weights.top1:.3f}" if weights.top1 is not None else ""
        lines.append(f"Weights `{weights.id}`: {weights.trained_on}, licence {weights.licence}, {how}{top1}.")
    if not item.weights:
        lines.append("Weights: none; it starts from random ones.")
    return "\n".join(f"- {line}" for line in lines)


def _words(item: Item) -> str:
    """What the module of a built-in item says about it, without its first line and its references."""
    function = next(getattr(item, name) for name in ("build", "plan", "load") if hasattr(item, name))
    module = str(getattr(function, "__module__", ""))
    if not module.startswith("zoo.builtin."):
        return ""
    paragraphs = cast("str", inspect.getdoc(sys.modules[module])).split("\n\n")[1:]
    return "\n\n".join(" ".join(part.split()) for part in paragraphs if not part.startswith("Reference"))


def _option(option: Option) -> tuple[str, str, str]:
    limits = write_limits(option, quote="`")
    words = f"{f'{option.help} {limits}'.strip()} ({TYPE_WORDS[type(option.default)]})"
    return f"`{option.name}`", f"`{write_value(option.default)}`", words


def _phases(policy: Policy) -> str:
    options = {option.name: option.default for option in policy.options}
    head = ("phase", "epochs", "rate", "open blocks", "weights", "BatchNorm", "drop layers")
    rows = (
        (
            phase.name,
            phase.epochs,
            f"{phase.learning_rate:g}",
            phase.open_blocks,
            phase.open_weights if phase.open_blocks else "—",
            phase.batch_norm,
            "on" if phase.drop_layers and phase.open_blocks else "off",
        )
        for phase in policy.plan(BLOCKS, EPOCHS, **options)
    )
    return f"For {BLOCKS} blocks and {EPOCHS} epochs:\n\n{table(head, rows)}"
