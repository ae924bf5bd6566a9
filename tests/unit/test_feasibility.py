"""What is refused when a grid is planned, before a picture is read."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

import zoo
from zoo.cli.app import app
from zoo.errors import UsageError
from zoo.feasibility import check_backends
from zoo.hookspecs import hookimpl
from zoo.plugins import load_catalog
from zoo.recipe import complete_backbone
from zoo.testing import tiny_backbone

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.registry import Catalog


class Picky:
    """Backbones that can be built on some backends only, and never here."""

    @hookimpl
    def zoo_backbones(self) -> list[zoo.Backbone]:
        """One for each choice of backends."""

        def never(**_: Any) -> Any:
            raise AssertionError("nothing is built in these tests")

        tiny = dataclasses.replace(tiny_backbone(), build=never)
        return [
            dataclasses.replace(tiny, name="anywhere"),
            dataclasses.replace(tiny, name="torch-only", backends=("torch",)),
            dataclasses.replace(tiny, name="no-tensorflow", backends=("jax", "torch")),
            dataclasses.replace(tiny, name="jax-only", backends=("jax",)),
        ]


@pytest.fixture
def picky() -> Catalog:
    """Everything built in and the picky backbones."""
    return load_catalog(only=[], extra=[Picky()])


@pytest.mark.parametrize("call", ["fit", "compare"])
def test_the_backend_is_checked_before_the_pictures(call: str, picky: Catalog, tmp_path: Path) -> None:
    """The folder does not even exist; no store is made."""
    backbone: Any = {"backbone": "torch-only"} if call == "fit" else {"backbones": ["anywhere", "torch-only"]}
    with pytest.raises(UsageError) as caught:
        getattr(zoo, call)(tmp_path / "absent", **backbone, catalog=picky, store=tmp_path / "runs")
    assert caught.value.message == (
        "The Keras backend is 'tensorflow', on which 'torch-only' cannot be built, only on torch."
    )
    assert caught.value.hint.startswith("Set KERAS_BACKEND=torch before Keras is imported; `zoo list backbones")
    assert not (tmp_path / "runs").exists()


def test_the_advice_suits_all_that_are_named(picky: Catalog) -> None:
    """The backend that is named can build all of them; where none can, that is said."""

    def fault(*names: str) -> UsageError:
        with pytest.raises(UsageError) as caught:
            check_backends(picky, [complete_backbone(picky, name) for name in names], backend="tensorflow")
        return caught.value

    assert "Set KERAS_BACKEND=jax before" in fault("no-tensorflow").hint
    assert "Set KERAS_BACKEND=torch before" in fault("no-tensorflow", "torch-only", "anywhere").hint
    both = fault("jax-only", "torch-only:size=32", "torch-only")
    assert "'jax-only', 'torch-only' cannot be built, only on jax or torch." in both.message
    assert "No backend can build all" in both.hint
    check_backends(picky, [complete_backbone(picky, "torch-only")], backend="torch")


def test_show_tells_the_record_and_why_nothing_was_counted(picky: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """`zoo show` needs no backend but for the counts; what it says of the backbone stands."""
    monkeypatch.setattr("zoo.cli.session.load_catalog", lambda **_: picky)
    result = CliRunner().invoke(app, ["show", "torch-only"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    assert ["backends", "torch"] in [line.split() for line in result.stdout.splitlines()]
    assert "weights were not counted: The Keras backend is 'tensorflow', on which 'torch-only'" in result.stderr


@pytest.mark.parametrize("way", ["variable", "file"])
def test_the_check_imports_no_keras(way: str, tmp_path: Path) -> None:
    """The backend comes from the variable or Keras' configuration file."""
    code = """
import dataclasses, sys
from zoo.errors import UsageError
from zoo.feasibility import check_backends
from zoo.registry import Catalog, Entry
from zoo.testing import tiny_backbone
from zoo.values import Spec
record = dataclasses.replace(tiny_backbone(), backends=("tensorflow",))
try:
    check_backends(Catalog((Entry(record, "here"),)), [Spec("tiny")])
except UsageError as error:
    print(error.message, "keras" in sys.modules)
"""
    env = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"} | {"KERAS_HOME": str(tmp_path)}
    if way == "variable":
        env["KERAS_BACKEND"] = "jax"
    else:
        (tmp_path / "keras.json").write_text('{"backend": "jax"}', encoding="utf-8")
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout == "The Keras backend is 'jax', on which 'tiny' cannot be built, only on tensorflow. False\n"
