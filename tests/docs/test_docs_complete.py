"""Nothing that a person can meet is undocumented, and the documentation names nothing that is not there."""

from __future__ import annotations

import dataclasses
import importlib
import re
import shlex
import sys
from typing import TYPE_CHECKING, Any

import pytest
import typer
from markdown_pages import DOCS, PAGES, ROOT, blocks, shown, words

import zoo
from zoo import contracts, errors
from zoo.cli.app import app
from zoo.plugins import load_catalog
from zoo.recipe import complete_augmentation, complete_backbone, complete_head, complete_policy
from zoo.registry import HOOKS, KINDS
from zoo.specs import parse_spec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from zoo.contracts import Phase, Policy
    from zoo.registry import Catalog

COMMANDS = typer.main.get_command(app)
PUBLIC_VARIABLES = {
    "KERAS_BACKEND",
    "KERAS_HOME",
    "ZOO_CACHE",
    "ZOO_CACHE_LIMIT",
    "ZOO_CONNECT_SECONDS",
    "ZOO_LOAD_PLUGINS",
    "ZOO_OFFLINE",
}


def reference(name: str) -> str:
    """A page of the reference."""
    return (DOCS / "reference" / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("hook", list(HOOKS))
def test_every_hook_is_documented(hook: str) -> None:
    """It has a section with its own docstring and the record that it returns."""
    section = reference("hooks.md").partition(f"## `{hook}` {{ #{hook} }}")[2].partition("\n## ")[0]
    assert f"::: zoo.hookspecs.{hook}\n" in section
    assert f"::: zoo.contracts.{KINDS[HOOKS[hook]].__name__}\n" in section


def test_every_contract_is_documented() -> None:
    """All records that a plugin can return or fill in are on the page of the hooks."""
    records = [
        name
        for name, value in vars(contracts).items()
        if dataclasses.is_dataclass(value) and value.__module__ == contracts.__name__
    ]
    assert len(records) >= 9
    assert [name for name in records if f"::: zoo.contracts.{name}\n" not in reference("hooks.md")] == []


def test_every_public_name_is_documented() -> None:
    """Each name of `zoo.__all__` is on the page of the Python interface."""
    page = reference("python.md")
    assert [name for name in zoo.__all__ if not re.search(rf"\bzoo\.{name}\b", page)] == []


@pytest.mark.parametrize("name", list(COMMANDS.commands))
def test_every_command_is_documented(name: str) -> None:
    """Its section names all of its options, and some page besides the reference shows how it is used."""
    section = reference("cli.md").partition(f"\n## zoo {name}\n")[2].partition("\n## ")[0]
    command = COMMANDS.commands[name]
    params = [one for each in (command, *getattr(command, "commands", {}).values()) for one in each.params]
    spellings = [flag for one in params for flag in (*one.opts, *one.secondary_opts)]
    assert [flag for flag in spellings if flag.startswith("-") and flag not in section] == []
    used = [page for page in PAGES if page.name != "cli.md" and f"zoo {name}" in page.read_text(encoding="utf-8")]
    assert used


def test_every_error_is_documented() -> None:
    """Each class is in the tree and in the table, with its exit code."""
    page = reference("errors.md")
    kinds = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.ZooError)]
    assert len(kinds) >= 19
    for kind in kinds:
        assert re.search(rf"\b{kind.__name__} +exit code {kind.exit_code}\n", page), kind
        assert f"| `{kind.__name__}` | {kind.exit_code} | " in page
    assert {f"| {kind.exit_code} | " for kind in kinds if kind is not errors.ZooError} <= set(
        re.findall(r"^\| \d+ \| ", page, re.MULTILINE)
    )


def test_every_builtin_item_is_documented() -> None:
    """Each has a section in the catalog, under its kind."""
    page = reference("catalog.md")
    catalog = load_catalog(only=[])
    for kind in KINDS:
        assert [name for name in catalog.names(kind) if f"### {name} {{ #{kind}-{name} }}" not in page] == []


def test_every_variable_is_documented() -> None:
    """Environment variables of the library and its plugin are in the table of the offline page."""
    sources = [*(ROOT / "zoo").rglob("*.py"), *(ROOT / "plugins").glob("*/zoo_*/**/*.py")]
    named = {name for path in sources for name in re.findall(r'"(ZOO_[A-Z_]+)"', path.read_text(encoding="utf-8"))}
    table = (DOCS / "how-to" / "work-offline.md").read_text(encoding="utf-8")
    assert named - {"ZOO_API_LEVEL"} <= PUBLIC_VARIABLES
    assert [name for name in PUBLIC_VARIABLES if f"| `{name}` | " not in table] == []


def policy_table() -> list[list[str]]:
    """The cells of the table that says what each policy does."""
    text = (DOCS / "explanation" / "policies.md").read_text(encoding="utf-8")
    _, _, table = text.partition("## What each policy does")
    lines = table.strip().split("\n\n")[0].splitlines()[2:]
    return [[cell.strip().strip("`") for cell in line[1:-1].split("|")] for line in lines]


@pytest.mark.parametrize("cells", policy_table(), ids=lambda cells: cells[0])
def test_the_table_of_policies_is_what_they_plan(cells: list[str]) -> None:
    """Gamma and beta, statistics, other weights and drop layers are as the last phase has them."""
    spec, affine, statistics, others, drops, besides = cells
    catalog = load_catalog(only=[])
    policy: Policy = catalog.policy(spec.partition(":")[0])
    options = parse_spec(spec, kind="policy", options=policy.options).values()
    phases = policy.plan(18, 10, **options)
    phase = phases[-1]
    where = " in the top k blocks" if 0 < phase.open_blocks < 18 else ""
    kind = phase.open_weights if phase.open_blocks else "nothing"
    assert affine == {"nothing": "fixed", "bias": "beta trained", "low-rank": "fixed"}.get(kind, "trained" + where)
    trained = {"all": "trained" + where, "bias": "biases trained", "low-rank": "kernels trained"}
    assert others == trained.get(kind, "fixed")
    adapts = phase.open_blocks > 0 and phase.batch_norm == "adapting"
    used = "re-estimated before training, used" if phase.re_estimated_blocks else "fixed, used"
    assert statistics == ("batch used, moving ones follow" + where if adapts else used)
    assert drops == ("on" + where if phase.open_blocks and phase.drop_layers else "off")
    assert besides == ", ".join(extras_of(phases))


def extras_of(phases: tuple[Phase, ...]) -> Iterator[str]:
    """What a plan has besides, in the words of the table."""
    if len(phases) > 1:
        yield "head first" if len(phases) == 2 else "blocks opened phase by phase"
    if any(phase.layer_decay < 1 for phase in phases):
        yield "lower rates below"
    if any(phase.schedule == "one-cycle" for phase in phases):
        yield "one cycle"
    if any(phase.open_weights == "low-rank" for phase in phases):
        yield "changes of low rank"
    if any(phase.pull for phase in phases):
        yield "pull to the start"
    if any(phase.statistics == "precise" for phase in phases):
        yield "statistics re-estimated before every validation"
    if any(phase.block_rates == "auto-rgn" for phase in phases):
        yield "measured rates"


def test_the_table_of_policies_has_all_of_them() -> None:
    """No built-in policy is missing from it."""
    listed = {cells[0].partition(":")[0] for cells in policy_table()}
    assert listed == set(load_catalog(only=[]).names("policy"))


def test_the_first_page_counts_right() -> None:
    """As many backbones, heads, policies and augmentations as it says are installed with the first-party plugin."""
    pytest.importorskip("zoo_efficientnet_lite")
    catalog = load_catalog(only=["efficientnet-lite"])
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    sizes = {kind: len(catalog.names(kind)) for kind in ("backbone", "head", "policy", "augmentation")}
    assert f"There are {sizes['backbone']} backbones" in text
    assert f"{sizes['head']} heads, {sizes['policy']} policies and {sizes['augmentation']} augmentations" in text


def command_lines() -> Iterator[Any]:
    """Every `zoo …` that the documentation tells people to type."""
    for page in PAGES:
        for block in blocks(page):
            if block.language not in {"bash", "console"}:
                continue
            for line in block.text.replace("\\\n", " ").split("\n"):
                for part in line.removeprefix("$ ").split(" && "):
                    bare = re.sub(r"^(\w+=\S* )+", "", part.strip()).partition(" > ")[0]
                    if bare.startswith("zoo "):
                        yield pytest.param(bare, id=f"{shown(page)}: {bare}")


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    """Built-in items, the first-party plugin, and the plugins that the documentation writes."""
    folder = tmp_path_factory.mktemp("plugins")
    for page in (DOCS / "tutorial" / "first-policy.md", DOCS / "how-to" / "add-a-backbone.md"):
        for block in blocks(page):
            if block.title.startswith("zoo_"):
                (folder / block.title).write_text(block.text, encoding="utf-8")
    paths = [str(folder), str(ROOT / "plugins" / "zoo-efficientnet-lite")]
    sys.path[:0] = paths
    names = ("zoo_head_first", "zoo_pebble", "zoo_efficientnet_lite.plugin")
    yield load_catalog(only=[], strict=True, extra=[importlib.import_module(name) for name in names])
    for path in paths:
        sys.path.remove(path)
    for name in names[:2]:
        del sys.modules[name]


@pytest.mark.parametrize("line", list(command_lines()))
def test_commands_in_the_docs_can_be_typed(line: str, everything: Catalog) -> None:
    """Command, options and values parse, and the named items exist with these options."""
    tokens = shlex.split(line)[1:]
    name = next(token for token in tokens if token in COMMANDS.commands)
    position = tokens.index(name)
    COMMANDS.make_context("zoo", [*tokens[:position], name])
    given = COMMANDS.commands[name].make_context(f"zoo {name}", tokens[position + 1 :]).params
    completers = {
        "backbone": complete_backbone,
        "head": complete_head,
        "policy": complete_policy,
        "augment": complete_augmentation,
    }
    for kind, complete in completers.items():
        specs = given.get(kind) or ()
        for spec in [specs] if isinstance(specs, str) else specs:
            assert complete(everything, spec).text


def test_the_readme_has_its_two_commands() -> None:
    """Each stands in a bash block right after its marker, where the check of a clean clone finds it."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for marker, wanted in (("main", "zoo compare demo "), ("test", "pytest")):
        (command,) = re.findall(rf"^<!-- {marker} command -->\n```bash\n(.*?)\n```$", text, re.MULTILINE | re.DOTALL)
        assert command.startswith("python3 -m venv .venv && . .venv/bin/activate && ")
        assert wanted in command.splitlines()[-1]


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_places_for_results_are_closed(page: Path) -> None:
    """Every place that real output is put into has a beginning and an end, and something in between."""
    text = page.read_text(encoding="utf-8")
    opened = re.findall(r"^<!-- results:([\w-]+) -->$", text, re.MULTILINE)
    filled = re.findall(r"^<!-- results:([\w-]+) -->\n.*?\S.*?\n<!-- /results:\1 -->$", text, re.MULTILINE | re.DOTALL)
    assert filled == opened
    assert text.count("<!-- /results:") == len(opened)


def test_docs_show_no_picture_of_the_shared_data(shared: Path) -> None:
    """The photos may not be published: no page names a file among them."""
    names = {path.name for path in shared.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg", ".png", ".webp"}}
    assert len(names) > 100
    text = words()
    found = [name for name in names if name in text]
    assert sorted(name for name in found if re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w.-])", text)) == []


def test_no_result_is_missing() -> None:
    """Every place for measured results holds one."""
    pages = [ROOT / "README.md", *DOCS.rglob("*.md")]
    assert [path.name for path in pages if "Not measured yet" in path.read_text(encoding="utf-8")] == []
