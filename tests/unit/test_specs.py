"""The language of specs: what it takes, what it refuses, and that it reads what it writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.contracts import Backbone, Block, Option, Weights
from zoo.errors import RecipeError
from zoo.specs import backbone_options, complete_spec, parse_spec, spec_name

if TYPE_CHECKING:
    from zoo.values import Spec

OPTIONS = (
    Option("k", 1, "Number of open blocks.", minimum=1, maximum=99),
    Option("bn", "fixed", "How BatchNorm works.", choices=("fixed", "adapting")),
    Option("rate", 0.5, "A rate.", minimum=0),
    Option("deep", False, "Whether it is deep."),
    Option("path", "", "A path."),
)


def _parse(text: str) -> Spec:
    """Parse the spec of a policy with all types of options."""
    return parse_spec(text, kind="policy", options=OPTIONS)


def test_defaults_are_filled_in_declared_order() -> None:
    """A bare name is a complete spec."""
    spec = _parse("top")
    assert spec.options == (("k", 1), ("bn", "fixed"), ("rate", 0.5), ("deep", False), ("path", ""))
    assert (spec.name, str(spec)) == ("top", "top")


def test_the_canonical_text_has_changed_options_in_declared_order() -> None:
    """Order, spaces and values that are defaults do not show."""
    assert str(_parse(" top : rate = 5e-1 , bn=adapting,k=2 ")) == "top:k=2,bn=adapting"


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("k=+07", "k", 7),
        ("rate=1", "rate", 1.0),
        ("rate=.5e1", "rate", 5.0),
        ("rate=-0.0", "rate", 0.0),
        ("deep=yes", "deep", True),
        ("deep=ON", "deep", True),
        ("deep=No", "deep", False),
        (r"path=C:\a=b.h5", "path", r"C:\a=b.h5"),
        (r'path="C:\a,b.h5"', "path", r"C:\a,b.h5"),
        ('path="say ""a"", b"', "path", 'say "a", b'),
        ('path=a"b', "path", 'a"b'),
        ('path="" , k=2', "path", ""),
        ('path=" a "', "path", " a "),
        ("path=https://host/x?y=1", "path", "https://host/x?y=1"),
    ],
)
def test_values_are_typed(text: str, key: str, value: object) -> None:
    """Each type has its spellings, and text may be a path."""
    found = _parse(f"top:{text}").values()[key]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' names no policy."),
        (":k=2", "':k=2' names no policy."),
        ("top:", "'top:' has nothing between or after its separators."),
        ("top:k=2,", "'top:k=2,' has nothing between or after its separators."),
        ("top:k=2,,deep=yes", "'top:k=2,,deep=yes' has nothing between or after its separators."),
        ("top:k", "'k' in 'top:k' has no '='."),
        ("top:path=a,b.h5", "'b.h5' in 'top:path=a,b.h5' has no '='."),
        ("top:=2", "'=2' in 'top:=2' has no option before its '='."),
        ("top:k=", "Option 'k' in 'top:k=' has no value."),
        ("top:k= ,deep=yes", "Option 'k' in 'top:k= ,deep=yes' has no value."),
        ('top:path="a', "The quotes of 'path=\"a' in 'top:path=\"a' do not match."),
        ('top:path="a"b', "The quotes of 'path=\"a\"b' in 'top:path=\"a\"b' do not match."),
        ("top:k=2,k=2", "'top:k=2,k=2' sets option 'k' twice."),
        ("top:kk=2", "The policy 'top' has no option 'kk'."),
        ("top:k=two", "Option 'k' of policy 'top' must be a whole number, not 'two'."),
        ("top:k=2.0", "Option 'k' of policy 'top' must be a whole number, not '2.0'."),
        ("top:k=1_0", "Option 'k' of policy 'top' must be a whole number, not '1_0'."),
        ("top:k=٣", "Option 'k' of policy 'top' must be a whole number, not '٣'."),
        ("top:k=0", "Option 'k' of policy 'top' must be at least 1, not 0."),
        ("top:k=100", "Option 'k' of policy 'top' must be at most 99, not 100."),
        ("top:rate=nan", "Option 'rate' of policy 'top' must be a number, not 'nan'."),
        ("top:rate=1e999", "Option 'rate' of policy 'top' must be finite, not inf."),
        ("top:rate=-1", "Option 'rate' of policy 'top' must be at least 0, not -1.0."),
        ("top:deep=1", "Option 'deep' of policy 'top' must be true or false, not '1'."),
        ("top:bn=Fixed", "Option 'bn' of policy 'top' must be fixed or adapting, not 'Fixed'."),
    ],
)
def test_what_is_wrong_is_said(text: str, message: str) -> None:
    """Every breach of the grammar and of an option has its own message, and a hint."""
    with pytest.raises(RecipeError) as caught:
        _parse(text)
    assert caught.value.message == message
    assert caught.value.hint


def test_hints_show_the_way() -> None:
    """An unknown option lists the known ones, a broken setting an example, a wrong value the option's meaning."""
    with pytest.raises(RecipeError) as caught:
        _parse("top:dep=yes")
    assert caught.value.hint == (
        'Did you mean deep? Its options and their defaults: k=1, bn=fixed, rate=0.5, deep=false, path="".'
    )
    with pytest.raises(RecipeError) as caught:
        _parse("top:k")
    assert caught.value.hint.startswith("Example: top:k=1,bn=fixed. A value with a comma stands in double quotes")
    with pytest.raises(RecipeError) as caught:
        _parse("top:k=0")
    assert caught.value.hint == "k: Number of open blocks."
    with pytest.raises(RecipeError, match=r"It has no options: write gap alone\."):
        parse_spec("gap:k=2", kind="head", options=())


def test_a_spec_is_text() -> None:
    """Something else is refused before it can do harm."""
    with pytest.raises(RecipeError, match="A head is given as text, not 3"):
        spec_name(3, kind="head")  # type: ignore[arg-type]


def test_typed_values_are_checked_like_written_ones() -> None:
    """A spec made in Python is held to the same rules, and numbers get the option's type."""
    spec = complete_spec("top", {"rate": 2, "k": 3}, kind="policy", options=OPTIONS)
    assert spec == _parse("top:k=3,rate=2.0")
    assert type(spec.values()["rate"]) is float
    for given_values in (
        {"k": True},
        {"k": 2.0},
        {"k": "2"},
        {"deep": 1},
        {"path": 1},
        {"rate": float("inf")},
        {"x": 1},
    ):
        with pytest.raises(RecipeError):
            complete_spec("top", given_values, kind="policy", options=OPTIONS)


def test_options_of_a_backbone_begin_with_those_of_the_host() -> None:
    """`weights` defaults to the first declared ones, `size` is limited by the backbone."""
    weights = Weights(id="imagenet", origin="o", licence="l", trained_on="t")
    backbone = Backbone(
        name="b",
        title="t",
        family="f",
        image_size=224,
        min_size=32,
        blocks=(Block(name="s", layers=("*",)),),
        pixels="p",
        reference="r",
        build=lambda size, weights, k: (size, weights, k),
        weights=(weights,),
        options=OPTIONS[:1],
    )
    options = backbone_options(backbone)
    spec = parse_spec("b:size=32", kind="backbone", options=options)
    assert spec.options == (("weights", "imagenet"), ("size", 32), ("k", 1))
    with pytest.raises(RecipeError, match="'size' of backbone 'b' must be at least 32, not 31"):
        parse_spec("b:size=31", kind="backbone", options=options)
    without = Backbone(**{name: getattr(backbone, name) for name in backbone.__slots__} | {"weights": ()})
    assert backbone_options(without)[0].default == "none"


@settings(deadline=None)
@given(
    k=st.integers(1, 99),
    bn=st.sampled_from(["fixed", "adapting"]),
    rate=st.floats(min_value=0, allow_infinity=False, allow_nan=False),
    deep=st.booleans(),
    path=st.text() | st.text(alphabet=' ,="\\:a\n\x1f\u3000'),
)
def test_a_spec_reads_back_what_it_wrote(*, k: int, bn: str, rate: float, deep: bool, path: str) -> None:
    """Parsing the canonical text gives the same spec, whatever the values are."""
    values = {"k": k, "bn": bn, "rate": rate, "deep": deep, "path": path}
    spec = complete_spec("top", values, kind="policy", options=OPTIONS)
    assert _parse(str(spec)) == spec
    assert spec.values() == values


@settings(deadline=None)
@given(text=st.text() | st.text(alphabet=' ,="\\:kpath1').map(lambda rest: f"top:{rest}"))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    """No text breaks the parser, and what it accepts it reads back."""
    try:
        spec = _parse(text)
    except RecipeError as error:
        assert error.message  # noqa: PT017 — either way is right
    else:
        assert _parse(str(spec)) == spec
