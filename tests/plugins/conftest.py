"""Really installed plugins: folders with `.dist-info` on `sys.path`, made for one test."""

from __future__ import annotations

import sys
import textwrap
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING

import pytest

import zoo.builtin

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from zoo.registry import Catalog, PluginRecord

HEAD = """
from zoo.contracts import Head
from zoo.hookspecs import hookimpl

def build(feature_shape, classes):
    raise NotImplementedError

@hookimpl
def zoo_heads():
    return [Head(name="{name}", title="A head", build=build)]
"""
"""A good plugin with one head."""


@dataclass(frozen=True)
class Site:
    """A place to install distributions; each folder is one entry of `sys.path`."""

    root: Path
    monkeypatch: pytest.MonkeyPatch
    others: frozenset[str]

    def records(self, catalog: Catalog) -> list[PluginRecord]:
        """Those of the plugins that the test installed, whatever else is installed beside them."""
        return [record for record in catalog.plugins if record.distribution not in self.others]

    def install(
        self,
        name: str,
        *,
        points: Mapping[str, str],
        modules: Mapping[str, str],
        version: str = "1.0",
        folder: str = "site",
    ) -> Path:
        """Install a distribution with entry points and modules; returns its `.dist-info`."""
        place = self.root / folder
        info = place / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        lines = "\n".join(f"{point} = {value}" for point, value in points.items())
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
        (info / "entry_points.txt").write_text(f"[zoo]\n{lines}\n", encoding="utf-8")
        for module, source in modules.items():
            (place / f"{module}.py").write_text(textwrap.dedent(source), encoding="utf-8")
        if str(place) not in sys.path:
            self.monkeypatch.syspath_prepend(str(place))
        return info

    def head(self, distribution: str, *, head: str, point: str = "", folder: str = "site") -> None:
        """Install a good plugin with one head, in a module named after its distribution."""
        module = distribution.replace("-", "_")
        points = {point or distribution: module}
        self.install(distribution, points=points, modules={module: HEAD.format(name=head)}, folder=folder)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Where a test installs plugins; modules imported from there are forgotten afterwards."""
    monkeypatch.delenv("ZOO_LOAD_PLUGINS", raising=False)
    before = set(sys.modules)
    others = frozenset(point.dist.name for point in metadata.entry_points(group="zoo") if point.dist is not None)
    yield Site(tmp_path, monkeypatch, others | {"keras-zoo"})
    for name in set(sys.modules) - before:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def builtins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, site: Site) -> Path:
    """The folder that stands in for the package of built-in plugins: it holds the head `house` only."""
    folder = tmp_path / "builtin"
    folder.mkdir()
    (folder / "head_house.py").write_text(HEAD.format(name="house"), encoding="utf-8")
    monkeypatch.setattr(zoo.builtin, "__path__", [str(folder)])
    return folder
