"""Grid files in TOML, and the shares of a split."""

from __future__ import annotations

import inspect
from dataclasses import fields
from typing import TYPE_CHECKING

import pytest

from zoo.errors import RecipeError
from zoo.grid import GridRecipe, parse_split, read_grid
from zoo.settings import SETTINGS
from zoo.values import Recipe

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the grid file of a test is."""
    return tmp_path


def _read(folder: Path, text: str) -> GridRecipe:
    """Write a grid file and read it."""
    path = folder / "grid.toml"
    path.write_text(text, encoding="utf-8")
    return read_grid(path)


def test_all_keys_are_read(folder: Path) -> None:
    """Each key of the record can stand in a file."""
    text = """
        data = "photos"
        source = "folder:links=true"
        backbones = ["lite0", "efficientnetb0:size=160"]
        heads = ["gap"]
        policies = ["top:k=2", "freeze-all"]
        augmentations = ["none"]
        seeds = 3
        epochs = 4
        batch_size = 16
        split = "70/15/15"
        split_seed = 7
        learning_rate = 1
        schedule = "one-cycle"
        optimiser = "sgd"
        weight_decay = 0
        accumulate = 4
        ema = 0.99
        precision = "bfloat16"
        views = 3
        label_smoothing = 0.1
        patience = false
        metric = "balanced_accuracy"
        store = "runs"
    """
    grid = _read(folder, text)
    assert grid == GridRecipe(
        data=str(folder / "photos"),
        source="folder:links=true",
        backbones=("lite0", "efficientnetb0:size=160"),
        heads=("gap",),
        policies=("top:k=2", "freeze-all"),
        augmentations=("none",),
        seeds=3,
        epochs=4,
        batch_size=16,
        split=(0.7, 0.15, 0.15),
        split_seed=7,
        learning_rate=1.0,
        schedule="one-cycle",
        optimiser="sgd",
        weight_decay=0.0,
        accumulate=4,
        ema=0.99,
        precision="bfloat16",
        views=3,
        label_smoothing=0.1,
        patience=None,
        metric="balanced_accuracy",
        store=folder / "runs",
    )
    assert type(grid.learning_rate) is float
    assert {line.partition("=")[0].strip() for line in text.splitlines() if line.strip()} == {
        field.name for field in fields(GridRecipe)
    }


def test_rates_and_batch_sizes_may_be_lists(folder: Path) -> None:
    """Each makes a row; a value that is wrong or stands there twice is named."""
    grid = _read(folder, 'learning_rate = [0.001, 1, "auto"]\nbatch_size = [16, 64]')
    assert grid.learning_rate == (0.001, 1.0, "auto")
    assert grid.batch_size == (16, 64)
    with pytest.raises(RecipeError, match="learning_rate names something twice"):
        _read(folder, "learning_rate = [0.1, 0.1]")
    with pytest.raises(RecipeError, match="batch_size must be a whole number of at least 2"):
        _read(folder, "batch_size = [16, 1]")
    with pytest.raises(RecipeError, match="batch_size must be"):
        _read(folder, "batch_size = []")


def test_everything_may_be_left_out(folder: Path) -> None:
    """An empty file is the default grid; comments and Windows' mark at the start are fine."""
    assert _read(folder, "") == GridRecipe()
    assert _read(folder, "\ufeff# mine\r\nseeds = 2\r\n") == GridRecipe(seeds=2)


def test_defaults_agree() -> None:
    """A recipe, a grid and the table of settings have the same defaults."""
    recipe = {field.name: field.default for field in fields(Recipe)}
    grid = {field.name: field.default for field in fields(GridRecipe)}
    for name, setting in SETTINGS.items():
        assert {table[name] for table in (recipe, grid) if name in table} == {setting.default}
        assert setting.holds(setting.default)
        assert setting.help.endswith(".") or setting.help.endswith("…")
    assert grid["split"] == parse_split("0.7/0.15/0.15")


def test_every_key_is_documented() -> None:
    """The record describes each of its attributes."""
    for field in fields(GridRecipe):
        assert f"\n    {field.name}: " in (inspect.getdoc(GridRecipe) or "")


@pytest.mark.parametrize("data", ["demo", "demo:noise=2", "s3://bucket/photos", "/photos"])
def test_what_is_no_relative_path_stays(folder: Path, data: str) -> None:
    """The demo, addresses and absolute paths are not moved into the folder of the file."""
    assert _read(folder, f'data = "{data}"').data == (str(folder / data) if data.startswith("/") else data)


def test_paths_may_start_at_home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tilde is the home folder; one of nobody is an error."""
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    assert _read(folder, 'store = "~/runs"').store == folder / "runs"
    with pytest.raises(RecipeError, match="there is no such home folder"):
        _read(folder, 'store = "~no-such-user-here/runs"')


def test_a_source_alone_is_its_own_data(folder: Path) -> None:
    """A source that makes its pictures needs no data."""
    assert _read(folder, 'source = "panels:n=5"').data == "panels"
    assert _read(folder, 'source = "panels:n=5"\ndata = "demo"').data == "demo"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("seed = 3", "there is no key 'seed'.", "Did you mean seeds? The keys are data, source, backbones"),
        ("[run]\nepochs = 1", "there is no key 'run'.", "The keys are data, source"),
        ("seeds = 0", "seeds must be a whole number of at least 1, not 0.", "seeds: Number of seeds"),
        ("seeds = true", "seeds must be a whole number of at least 1, not True.", "seeds: "),
        ('epochs = "ten"', "epochs must be a whole number of at least 1, not 'ten'.", "epochs: "),
        ("epochs = 1.0", "epochs must be a whole number of at least 1, not 1.0.", "epochs: "),
        ("batch_size = 1", "batch_size must be a whole number of at least 2 (a batch of one", "batch_size: "),
        ("learning_rate = inf", "learning_rate must be a finite number greater than 0", "learning_rate: Highest"),
        ("patience = true", "patience must be a whole number of at least 1, or none at all, not True.", "patience: "),
        ("metric = []", "metric must be 'accuracy' or 'balanced_accuracy', not [].", "metric: "),
        (
            'backbones = "lite0"',
            "backbones must be a list of one or more texts, not 'lite0'.",
            "Example: backbones = [",
        ),
        ("heads = []", "heads must be a list of one or more texts, not [].", "leave the key out"),
        ('heads = ["gap", 3]', "heads must be a list of one or more texts, not ['gap', 3].", "Example: heads"),
        ('heads = ["gap", "gap"]', "heads names something twice: ['gap', 'gap'].", "Each once is enough."),
        ("data = 3", "data must be text that is not empty, not 3.", "data = "),
        ('store = " "', "store must be text that is not empty, not ' '.", "store = "),
        ('split = "80/30/0"', "The parts of split '80/30/0' add up to 110, not to 1 or 100.", "Write training/"),
        (
            "seeds = \nepochs = 3",
            "grid.toml' is no TOML: Invalid value (at line 1, column 9).",
            "Text stands in quotes",
        ),
        (
            "seeds = 1\nseeds = 2",
            "is no TOML: Cannot overwrite a value (at line 2, column 10).",
            "Text stands in quotes",
        ),
    ],
)
def test_a_mistake_is_said(folder: Path, text: str, message: str, hint: str) -> None:
    """Unknown keys, wrong types, wrong values and syntax are told with key, value and line."""
    with pytest.raises(RecipeError) as caught:
        _read(folder, text)
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_files_that_cannot_be_read(folder: Path) -> None:
    """A missing file, a folder and another encoding are told apart."""
    with pytest.raises(RecipeError, match="There is no grid file"):
        read_grid(folder / "absent.toml")
    with pytest.raises(RecipeError, match="cannot be read"):
        read_grid(folder)
    (folder / "latin.toml").write_bytes(b'data = "\xe9"')
    with pytest.raises(RecipeError, match="is not UTF-8"):
        read_grid(str(folder / "latin.toml"))


@pytest.mark.parametrize(
    ("text", "shares"),
    [
        ("0.7/0.15/0.15", (0.7, 0.15, 0.15)),
        ("70/15/15", (0.7, 0.15, 0.15)),
        (" 80 / 20 / 0 ", (0.8, 0.2, 0.0)),
        ("0.333333333/0.333333333/0.333333334", (0.333333333, 0.333333333, 0.333333334)),
    ],
)
def test_shares_of_a_split(text: str, shares: tuple[float, float, float]) -> None:
    """Shares and percent mean the same, bit for bit."""
    assert parse_split(text) == shares


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0.7/0.3", "has 2 parts instead of 3"),
        ("a/b/c", "holds something that is no number"),
        ("", "holds something that is no number"),
        ("0.7/0.2/0.2", "add up to 1.1, not to 1 or 100"),
        ("nan/nan/nan", "add up to nan, not to 1 or 100"),
        ("0/0.5/0.5", "leaves training or validation empty"),
        ("0.5/0/0.5", "leaves training or validation empty"),
        ("0.7/0.5/-0.2", "has a part below 0"),
    ],
)
def test_other_splits_are_refused(text: str, message: str) -> None:
    """Each fault of a split has its message."""
    with pytest.raises(RecipeError, match=message) as caught:
        parse_split(text)
    assert "0.7/0.15/0.15" in caught.value.hint
