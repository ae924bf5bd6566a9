"""Section N of the pitfalls: plugins that break, clash, age or are misspelt, each in a fresh interpreter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import metadata
from typing import TYPE_CHECKING, Any

import pluggy
import pytest

from zoo.contracts import Head
from zoo.hookspecs import hookimpl
from zoo.plugins import load_catalog

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

IMPORTS = "from zoo.contracts import Backbone, Block, Head\nfrom zoo.hookspecs import hookimpl\n"
HEADS = f"{IMPORTS}@hookimpl\ndef zoo_heads():\n    "
GOOD = f"{HEADS}return [Head(name='good-head', title='t', build=lambda feature_shape, classes: None)]\n"
BACKBONES = (
    f"{IMPORTS}@hookimpl\ndef zoo_backbones():\n    return [Backbone(name='vit-b16', title='t', family='f', "
    "image_size=64, min_size=32, blocks=(Block(name='all', layers=('*',)),), pixels='p', reference='r', "
    "build=lambda size, weights: None)]\n"
)
REPORT = """
import json
from zoo.plugins import load_catalog
catalog = load_catalog()
print(json.dumps({
    "plugins": {r.distribution: [r.status, r.cause, "Traceback" in r.traceback] for r in catalog.plugins},
    "origins": {f"{kind} {name}": catalog.origin(kind, name)
                for kind in ("backbone", "head") for name in catalog.names(kind)},
}))
"""


def _install(place: Path, distribution: str, code: str, *, point: str = "") -> None:
    """Install a distribution whose entry point leads to a module of its own."""
    module = distribution.replace("-", "_")
    info = place / f"{module}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[zoo]\n{point or distribution} = {module}\n", encoding="utf-8")
    (place / f"{module}.py").write_text(code, encoding="utf-8")


def _report(places: Sequence[Path]) -> dict[str, Any]:
    """Load the catalog in a fresh interpreter that sees these places, and tell what is in it."""
    environment = {name: value for name, value in os.environ.items() if name != "ZOO_LOAD_PLUGINS"}
    environment["PYTHONPATH"] = os.pathsep.join(map(str, places))
    command = [sys.executable, "-W", "error", "-c", REPORT]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120, env=environment)
    report: dict[str, Any] = json.loads(done.stdout)
    for other in ("keras-zoo", *(point.dist.name for point in metadata.entry_points(group="zoo") if point.dist)):
        report["plugins"].pop(other, None)
    return report


def test_pitfall_105_broken_plugins_do_not_stop_the_host(tmp_path: Path) -> None:
    """Import error, syntax error, exit, a raising hook and garbage are five reports, and the good plugin works."""
    broken = {
        "zoo-import": "import no_such_module",
        "zoo-syntax": "def broken(:",
        "zoo-exit": "import sys; sys.exit(3)",
        "zoo-raise": f"{HEADS}raise RuntimeError('not today')",
        "zoo-garbage": f"{HEADS}return {{'gap': 1}}",
    }
    for distribution, code in {**broken, "zoo-good": GOOD}.items():
        _install(tmp_path, distribution, code)
    report = _report([tmp_path])
    assert report["plugins"].pop("zoo-good") == ["loaded", "", False]
    assert {name: status for name, (status, _, _) in report["plugins"].items()} == dict.fromkeys(broken, "failed")
    assert all(cause and traceback for _, cause, traceback in report["plugins"].values())
    assert report["origins"]["head good-head"] == "zoo-good 1.0 (entry point zoo-good)"


def test_pitfall_106_clashes_do_not_depend_on_the_order(tmp_path: Path) -> None:
    """Two distributions with one entry-point name and one backbone name: same result for both orders of the path."""
    for distribution in ("zoo-one", "zoo-two"):
        _install(tmp_path / distribution, distribution, BACKBONES, point="vit")
    places = [tmp_path / "zoo-one", tmp_path / "zoo-two"]
    report, other = _report(places), _report(places[::-1])
    assert report == other
    assert report["plugins"]["zoo-one"][0] == report["plugins"]["zoo-two"][0] == "failed"
    assert "is also provided by zoo-two 1.0 (entry point vit)" in report["plugins"]["zoo-one"][1]
    assert not any(origin.startswith(("zoo-one", "zoo-two")) for origin in report["origins"].values())


def test_pitfall_107_another_level_of_the_contracts_is_refused(tmp_path: Path) -> None:
    """A plugin for level 99 is not loaded, and it is said what to update."""
    _install(tmp_path, "zoo-future", f"ZOO_API_LEVEL = 99\n{GOOD}")
    report = _report([tmp_path])
    status, cause, _ = report["plugins"]["zoo-future"]
    assert status == "failed"
    assert "level 99 of the plugin contracts; this keras-zoo has level 1. Update keras-zoo." in cause
    assert "head good-head" not in report["origins"]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (GOOD.replace("zoo_heads", "register_backbonez"), "implements 'register_backbonez', which is no hook."),
        (GOOD.replace("zoo_heads", "zoo_hed"), "Did you mean zoo_heads?"),
        (GOOD.replace("zoo_heads()", "zoo_heads(config)"), "Argument(s) {'config'}"),
    ],
)
def test_pitfall_108_a_misspelt_hook_is_an_error(tmp_path: Path, code: str, said: str) -> None:
    """An unknown hook or argument is a failure that lists the hooks, not a plugin that does nothing."""
    _install(tmp_path, "zoo-typo", code)
    status, cause, _ = _report([tmp_path])["plugins"]["zoo-typo"]
    assert status == "failed"
    assert said in cause
    if "is no hook" in said:
        assert "zoo_sources, zoo_backbones, zoo_heads, zoo_policies, zoo_augmentations" in cause


def test_pitfall_109_a_plugin_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    """One good hook before one that raises: the backbone of the first is not in the catalog."""
    _install(tmp_path, "zoo-half", f"{BACKBONES}@hookimpl\ndef zoo_policies():\n    raise OSError('gone')\n")
    report = _report([tmp_path])
    assert report["plugins"]["zoo-half"][:2] == ["failed", "OSError: gone"]
    assert not any(origin.startswith("zoo-half") for origin in report["origins"].values())


def test_pitfall_110_the_missing_dependency_is_named(tmp_path: Path) -> None:
    """A chained import error names the module that is really missing."""
    code = (
        "try:\n    import real_cause\nexcept ImportError:\n    raise ImportError('zoo-chain is not set up') from None\n"
    )
    _install(tmp_path, "zoo-chain", code)
    status, cause, _ = _report([tmp_path])["plugins"]["zoo-chain"]
    assert status == "failed"
    assert cause == (
        "ImportError: zoo-chain is not set up (caused by ModuleNotFoundError: No module named 'real_cause')"
    )


def test_pitfall_111_pluggys_own_loader_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """The product works if `load_setuptools_entrypoints` raises."""

    def refuse(*args: object, **kwargs: object) -> None:
        pytest.fail("load_setuptools_entrypoints was called")

    class Plugin:
        @hookimpl
        def zoo_heads(self) -> list[Head]:
            return [Head(name="fake-head", title="t", build=dict)]

    monkeypatch.setattr(pluggy.PluginManager, "load_setuptools_entrypoints", refuse)
    assert "fake-head" in load_catalog(extra=[Plugin()]).names("head")
