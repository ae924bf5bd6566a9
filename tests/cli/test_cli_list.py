"""`zoo list` where the list is long: what is left of it, and how it is shown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from rich.cells import cell_len

from zoo.cli.narrowing import Wish, narrow, parameters_of
from zoo.contracts import Backbone, Block, Head, Weights
from zoo.errors import UsageError
from zoo.registry import Catalog, Entry

if TYPE_CHECKING:
    from collections.abc import Callable

    from typer.testing import Result

    Zoo = Callable[..., Result]

FAMILIES = ("EfficientNet", "EfficientNetV2", "MobileNetV3", "ResNet", "ConvNeXt", "DenseNet", "NASNet", "CSPDarkNet")


def backbone(name: str, number: int) -> Backbone:
    """A backbone of number × 0.5 million parameters; every third has no weights, every fourth bundled ones."""
    weights = Weights(
        id="imagenet",
        origin="a package",
        licence="Apache-2.0",
        trained_on="ImageNet-1k",
        megabytes=None if number % 4 == 0 else 2.0 * number,
        bundled=number % 4 == 0,
    )
    return Backbone(
        name=name,
        title=f"{name}: number {number} of its family, with a title as long as such titles are",
        family=name.partition("-")[0],
        image_size=224 + number,
        min_size=32,
        blocks=(Block(name="all", layers=("*",)),),
        pixels="x / 255",
        reference="https://example.org",
        build=lambda **_: None,
        weights=() if number % 3 == 0 else (weights,),
        parameters=None if number == 1 else number * 500_000,
        backends=("tensorflow",) if number % 2 == 0 else (),
    )


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> Catalog:
    """88 backbones of eight families and a head."""
    names = [f"{family.lower()}-{size}-in1k" for family in FAMILIES for size in range(11)]
    items = [backbone(name, number) for number, name in enumerate(names, start=1)]
    entries = [Entry(item, "keras-zoo 0.1.0 (zoo.builtin.x)") for item in items]
    head = Head(name="gap", title="pools", build=lambda *_: None)
    catalog = Catalog(entries=(*entries, Entry(head, "keras-zoo 0.1.0 (zoo.builtin.y)")))
    monkeypatch.setattr("zoo.cli.session.load_catalog", lambda **_: catalog)
    return catalog


def names_in(zoo: Zoo, *words: str) -> list[str]:
    """Names of the backbones that are listed."""
    return [one["name"] for one in json.loads(zoo("list", "backbones", *words, "--json").stdout)["backbones"]]


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("columns", [80, 120])
def test_a_long_list_is_one_line_each(zoo: Zoo, columns: int) -> None:
    """88 backbones take 88 lines and a few, none wider than the screen; size, parameters and weights are there."""
    result = zoo("list", "backbones", columns=columns)
    lines = result.stdout.splitlines()
    assert 88 < len(lines) < 96
    assert max(map(cell_len, lines)) <= columns
    (line,) = [line for line in lines if line.startswith("mobilenetv3-5-in1k ")]
    assert line.split()[:4] == ["mobilenetv3-5-in1k", "14.0M", "252", "32"]
    assert "bundled" in line
    assert "jax, torch" in line
    assert "torch" not in next(line for line in lines if line.startswith("mobilenetv3-6-in1k "))
    assert ("Apache-2.0" in line) is (columns == 120)


@pytest.mark.usefixtures("many")
def test_a_pipe_gets_everything_in_one_line(zoo: Zoo) -> None:
    """Without a terminal each line has the title, too."""
    (line,) = [line for line in zoo("list", columns=None).stdout.splitlines() if line.startswith("resnet-1-")]
    assert "imagenet (Apache-2.0, download, 70 MB)" in line
    assert "number 35 of its family" in line


@pytest.mark.usefixtures("many")
def test_a_pattern_is_over_the_whole_name(zoo: Zoo) -> None:
    """Case does not count, and `resnet*` is no `xresnet`."""
    assert len(names_in(zoo, "--filter", "RESnet*")) == 11
    assert names_in(zoo, "--filter", "*v3-1[01]*") == ["mobilenetv3-10-in1k"]
    assert "backbones (11 of 88)" in zoo("list", "--filter", "resnet-*").stdout
    assert "backbones" not in zoo("list", "--filter", "g?p").stdout


@pytest.mark.usefixtures("many")
def test_limits_leave_out_what_is_not_counted_and_say_so(zoo: Zoo) -> None:
    """A backbone without a number of parameters is neither small nor large; stderr names it."""
    result = zoo("list", "backbones", "--max-params", "1.5M", "--json")
    assert [one["parameters"] for one in json.loads(result.stdout)["backbones"]] == [1_000_000, 1_500_000]
    note = "note: efficientnet-0-in1k does not declare its number of parameters and is left out"
    assert " ".join(result.stderr.split()) == note
    assert len(names_in(zoo, "--min-params", "43m")) == 3
    assert zoo("list", "backbones", "--filter", "res*", "--max-params", "1g").stderr == ""


@pytest.mark.usefixtures("many")
def test_weights_and_backends_can_be_asked_for(zoo: Zoo, many: Catalog) -> None:
    """Each wish takes away what does not grant it; --offline is another word for --bundled."""
    records = [many.backbone(name) for name in many.names("backbone")]
    assert names_in(zoo, "--has-weights") == [one.name for one in records if one.weights]
    assert names_in(zoo, "--offline") == [one.name for one in records if one.weights and one.weights[0].bundled]
    assert names_in(zoo, "--bundled") == names_in(zoo, "--offline")
    assert names_in(zoo, "--backend", "jax") == [one.name for one in records if not one.backends]
    assert len(names_in(zoo, "--backend", "tensorflow")) == 88


@pytest.mark.parametrize(
    ("text", "number"),
    [("10M", 10_000_000), ("4.5m", 4_500_000), ("800k", 800_000), ("1e6", 1_000_000), ("42", 42), (".5 g", 5 * 10**8)],
)
def test_numbers_of_parameters_are_read(text: str, number: int) -> None:
    """Thousands, millions and milliards have letters in either case."""
    assert parameters_of(text, flag="--max-params") == number


@pytest.mark.parametrize("text", ["", "ten", "-3", "10MB", "1e999", "nan", "1,000", "٣"])
def test_what_is_no_number_is_refused(zoo: Zoo, text: str) -> None:
    """The error names option and text, and says how numbers look."""
    result = zoo("list", "backbones", f"--max-params={text}")
    assert result.exit_code == 2
    assert f"error: --max-params cannot be {text!r}." in result.stderr
    assert "10M" in result.stderr


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("words", [("--max-params", "3"), ("--bundled",), ("--has-weights",), ("--backend", "jax")])
@pytest.mark.parametrize("kind", [("heads",), ()])
def test_wishes_for_backbones_are_no_wishes_for_others(zoo: Zoo, kind: tuple[str, ...], words: tuple[str, ...]) -> None:
    """They are refused for another kind and for no kind; the pattern is for all."""
    result = zoo("list", *kind, *words)
    assert result.exit_code == 2
    assert f"{words[0]} narrows a list of backbones" in result.stderr
    assert zoo("list", *kind, "--filter", "gap").exit_code == 0


@pytest.mark.usefixtures("many")
def test_wrong_wishes_are_usage_errors(zoo: Zoo) -> None:
    """Limits that exclude each other, and a backend that there is not."""
    result = zoo("list", "backbones", "--min-params", "2M", "--max-params", "1M")
    assert result.exit_code == 2
    assert "at least 2M and at most 1M" in result.stderr
    result = zoo("list", "backbones", "--backend", "torhc")
    assert (result.exit_code, "Did you mean torch?" in result.stderr) == (2, True)


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("--filter", "resnet"), "hint: --filter '*resnet*' matches resnet-0-in1k, resnet-1-in1k,"),
        (("--filter", "resnte-1-in1k"), "hint: Names near it: resnet-1-in1k"),
        (("--filter", "??"), "hint: A pattern is over the whole name"),
        (("--filter", "resnet*", "--max-params", "1M"), "hint: Without --filter 'resnet*': efficientnet-1-in1k."),
        (("--filter", "resnet*", "--max-params", "1M"), "Without --max-params 1.0M: resnet-0-in1k,"),
    ],
)
def test_an_empty_list_says_what_is_in_the_way(zoo: Zoo, words: tuple[str, ...], hint: str) -> None:
    """Nothing on stdout, the exit code of a wrong name, and what would have matched."""
    result = zoo("list", "backbones", *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert hint in " ".join(result.stderr.split())


def test_narrowing_keeps_the_order_and_counts(many: Catalog) -> None:
    """What is left stands as it stood; the total is that of the whole list."""
    found = narrow(many.items("backbone"), Wish(least=10**6, most=2 * 10**6))
    assert [item.name for item in found.items] == [f"efficientnet-{n}-in1k" for n in (1, 2, 3)]
    assert (found.total, found.uncounted) == (88, ("efficientnet-0-in1k",))
    with pytest.raises(UsageError, match="--min-params cannot be"):
        parameters_of("many", flag="--min-params")
