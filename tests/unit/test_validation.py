"""What a hook may return: every breach of a contract is refused with the fact."""

from __future__ import annotations

import functools
import inspect
from collections import namedtuple
from dataclasses import replace
from typing import Any

import pytest

from zoo.contracts import Augmentation, Backbone, Block, Head, Option, Phase, Policy, Source, Weights
from zoo.errors import ContractError
from zoo.validation import _surely_takes, accepted

WEIGHTS = Weights(id="imagenet", origin="o", licence="MIT", trained_on="ImageNet", sha256="a" * 64, top1=0.7)
BACKBONE = Backbone(
    name="lite0",
    title="t",
    family="f",
    image_size=64,
    min_size=32,
    blocks=(Block(name="stem", layers=("stem*",)), Block(name="top", layers=("top*",))),
    pixels="p",
    reference="",
    build=lambda *, size, weights: (size, weights),
    weights=(WEIGHTS,),
)
HEAD = Head(name="gap", title="t", build=lambda feature_shape, classes, **options: (feature_shape, classes, options))
OPTION = Option("rate", 0.5, "A rate.", minimum=0, maximum=1)


def _head(options: Any) -> Head:
    """Make a head with these options."""
    return replace(HEAD, options=options)


def _weights(**changes: Any) -> Backbone:
    """Make a backbone whose weights are changed so."""
    return replace(BACKBONE, weights=(replace(WEIGHTS, **changes),))


def _plan(blocks: int, epochs: int, *, k: int = 1) -> tuple[Phase, ...]:
    """Plan with one option."""
    return ()


def _layers(size: int, seed: int) -> tuple[object, ...]:
    """Build an augmentation that does nothing."""
    return ()


def _plain(feature_shape: tuple[int, ...], classes: int) -> None:
    """Build a head without options."""


def _channels(*, size: int, weights: object, channels: int) -> None: ...


def _one(size: int) -> None:
    """Take one parameter where two are promised."""


def _failing_blocks() -> tuple[Block, ...]:
    """Fail to say the blocks."""
    message = "needs Keras"
    raise RuntimeError(message)


GOOD = {
    "zoo_backbones": [BACKBONE, replace(BACKBONE, name="lite-0.5", blocks=lambda: BACKBONE.blocks, weights=())],
    "zoo_heads": (HEAD, replace(_head((OPTION,)), name="0"), replace(HEAD, name="c", build=dict)),
    "zoo_policies": [Policy(name="p", title="t", plan=_plan, options=(Option("k", 1, "h"),))],
    "zoo_augmentations": [Augmentation(name="a", title="t", build=_layers)],
    "zoo_sources": [Source(name="s", title="t", accepts=callable, load=lambda location: location)],
}
FAULTS = {
    "name": (replace(HEAD, name="Gap"), "name 'Gap' must be lower-case letters, digits, dots and dashes"),
    "name with colon": (replace(HEAD, name="gap:k"), "name 'gap:k' must be"),
    "name of nothing": (replace(HEAD, name=""), "name '' must be"),
    "name is no text": (replace(HEAD, name=7), "name 7 must be"),
    "name with newline": (replace(HEAD, name="gap\n"), "name 'gap\\n' must be"),
    "no title": (replace(HEAD, title=" "), "title is empty"),
    "title": (replace(HEAD, title=None), "title must be text, not None"),
    "build": (replace(HEAD, build=3), "build must be a function, not 3"),
    "options": (_head([OPTION]), "options must be a tuple, not [Option("),
    "no option": (_head(("rate",)), "options hold 'rate', which is no zoo.contracts.Option"),
    "option name": (_head((replace(OPTION, name="a-b"),)), "option name 'a-b' is no identifier"),
    "keyword": (_head((replace(OPTION, name="lambda"),)), "option name 'lambda' is no identifier"),
    "reserved": (
        _head((replace(OPTION, name="classes"),)),
        "option 'classes' is reserved: the host passes that itself",
    ),
    "twice": (_head((OPTION, OPTION)), "option 'rate' is declared twice"),
    "default type": (_head((Option("o", None, "h"),)), "option 'o' has the default None, which is no bool, int, float"),
    "help": (_head((Option("o", 1, ""),)), "option 'o' has no help"),
    "default below": (
        _head((Option("o", 0, "h", minimum=1),)),
        "option 'o' must be at least 1, not 0, its own default",
    ),
    "default above": (_head((Option("o", 9, "h", maximum=1),)), "option 'o' must be at most 1, not 9, its own default"),
    "default no choice": (
        _head((Option("o", "a", "h", choices=("b", "c")),)),
        "must be b or c, not 'a', its own default",
    ),
    "choice range": (
        _head((Option("o", 1, "h", maximum=1, choices=(1, 2)),)),
        "must be at most 1, not 2, its own choice",
    ),
    "choice type": (
        _head((Option("o", 1, "h", choices=(1, 2.0)),)),
        "choices (1, 2.0) that are no tuple of the default's",
    ),
    "text limits": (_head((Option("o", "a", "h", minimum=1),)), "limits 1 and None; both need numbers"),
    "nan limit": (_head((Option("o", 1, "h", maximum=float("nan")),)), "limits None and nan; both need numbers"),
    "nan default": (_head((Option("o", float("nan"), "h"),)), "must be finite, not nan, its own default"),
    "signature": (
        replace(HEAD, build=_plain, options=(OPTION,)),
        "build cannot be called as build(feature_shape, classes, rate=…): got an unexpected keyword argument 'rate'",
    ),
    "missing parameter": (
        replace(BACKBONE, build=_one),
        "build cannot be called as build(size=…, weights=…): got an unexpected keyword argument 'weights'",
    ),
    "size reserved": (replace(BACKBONE, options=(Option("size", 1, "h"),)), "option 'size' is reserved"),
    "weights reserved": (replace(BACKBONE, options=(Option("weights", "a", "h"),)), "option 'weights' is reserved"),
    "sizes": (replace(BACKBONE, min_size=65), "min_size 65 and image_size 64 must be whole numbers"),
    "size type": (replace(BACKBONE, image_size=64.0), "image_size 64.0 must be whole numbers"),
    "no blocks": (
        replace(BACKBONE, blocks=()),
        "blocks must be a tuple of one or more zoo.contracts.Block, not tuple ()",
    ),
    "blocks list": (
        replace(BACKBONE, blocks=[1]),
        "blocks must be a tuple of one or more zoo.contracts.Block, not list",
    ),
    "blocks raise": (replace(BACKBONE, blocks=_failing_blocks), "for the default options: RuntimeError: needs Keras"),
    "block twice": (
        replace(BACKBONE, blocks=BACKBONE.blocks[:1] * 2),
        "block name 'stem' is empty, no text or used twice",
    ),
    "block without layers": (
        replace(BACKBONE, blocks=(Block(name="s", layers=()),)),
        "layers of block 's' must be a tuple",
    ),
    "layers as text": (replace(BACKBONE, blocks=(Block(name="s", layers="stem"),)), "one or more patterns, not 'stem'"),
    "weights": (replace(BACKBONE, weights=[WEIGHTS]), "weights must be a tuple of zoo.contracts.Weights, not list"),
    "weights twice": (replace(BACKBONE, weights=(WEIGHTS, WEIGHTS)), "weights 'imagenet' are declared twice"),
    "weights id": (_weights(id="a,b"), "weights id 'a,b' must be letters, digits"),
    "weights none": (_weights(id="none"), "weights id 'none' must be letters, digits and . - + _, and not `none`"),
    "licence": (_weights(licence=""), "weights 'imagenet': licence is empty"),
    "sha256": (_weights(sha256="A" * 64), "must be 64 lower-case hexadecimal digits"),
    "top1": (_weights(top1=76.3), "top1 76.3 must be in [0, 1]"),
    "parameters": (replace(BACKBONE, parameters=0), "parameters 0 must be a whole number of at least 1, or None"),
    "parameters type": (replace(BACKBONE, parameters=4e6), "parameters 4000000.0 must be a whole number"),
    "backends": (replace(BACKBONE, backends=("tf",)), "backends ('tf',) must be a tuple of names among jax, tens"),
    "backends text": (replace(BACKBONE, backends="tensorflow"), "backends 'tensorflow' must be a tuple"),
    "channels": (
        replace(BACKBONE, build=_channels, options=(Option("channels", 3, "h", maximum=16),)),
        "option 'channels' must be a whole number with a minimum of at least 1",
    ),
    "channels type": (
        replace(BACKBONE, build=_channels, options=(Option("channels", "rgb", "h"),)),
        "option 'channels' must be a whole number with a minimum of at least 1",
    ),
    "megabytes": (_weights(megabytes=0), "megabytes 0 must be greater than 0"),
}


@pytest.mark.parametrize("hook", GOOD)
def test_good_records_are_accepted(hook: str) -> None:
    """Lists and tuples of sound records pass as they are, an empty one too."""
    assert accepted(GOOD[hook], hook=hook, origin="me 1.0") == tuple(GOOD[hook])
    assert accepted([], hook=hook, origin="me 1.0") == ()


@pytest.mark.parametrize(("record", "fault"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_is_named(record: Backbone | Head, fault: str) -> None:
    """Each fault of a record is said, with plugin, hook, record and what was expected."""
    hook = "zoo_heads" if isinstance(record, Head) else "zoo_backbones"
    with pytest.raises(ContractError) as caught:
        accepted([record], hook=hook, origin="me 1.0 (entry point me)")
    assert caught.value.message.startswith(f"me 1.0 (entry point me): {hook} returned the {hook[4:-1]} {record.name!r}")
    assert fault in caught.value.message
    assert caught.value.hint.startswith(f"Expected a list of zoo.contracts.{type(record).__name__} records")


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (None, "returned None (is a `return` missing?)"),
        ("gap", "returned str 'gap'"),
        (HEAD, "returned Head Head(name='gap', title='t'"),
        (Head, "returned the class Head itself"),
        ((head for head in [HEAD]), "returned a generator"),
        ({"gap": HEAD}, "returned dict {'gap'"),
        ([Head], "returned the class Head itself at position 0"),
        ([HEAD, BACKBONE], "returned Backbone Backbone(name='lite0'"),
        ([HEAD, None], "returned None (is a `return` missing?) at position 1"),
        ([HEAD, HEAD], "the same plugin provides that name twice"),
        (namedtuple("Pair", "a b")(1, 2), "returned int 1 at position 0"),  # noqa: PYI024 — any tuple will do
    ],
)
def test_other_values_are_refused(returned: object, words: str) -> None:
    """Only lists and tuples of the hook's own records are taken."""
    with pytest.raises(ContractError) as caught:
        accepted(returned, hook="zoo_heads", origin="me")
    assert words in caught.value.message
    assert len(caught.value.message) < 200


def test_all_faults_are_said_at_once() -> None:
    """An author learns all faults of a record in one go."""
    with pytest.raises(ContractError) as caught:
        accepted([replace(HEAD, name="A", title="", build=1)], hook="zoo_heads", origin="me")
    assert caught.value.message.count(";") == 2


def test_sources_policies_and_augmentations_are_called_as_promised() -> None:
    """The functions of the other kinds are checked against their calls too."""
    for hook, record, field in (
        ("zoo_sources", replace(GOOD["zoo_sources"][0], load=lambda: None), "load(location)"),
        ("zoo_sources", replace(GOOD["zoo_sources"][0], accepts=lambda: None), "accepts(location)"),
        ("zoo_policies", replace(GOOD["zoo_policies"][0], plan=_one), "plan(blocks, epochs, k=…)"),
        ("zoo_augmentations", replace(GOOD["zoo_augmentations"][0], build=_one), "build(size, seed)"),
    ):
        with pytest.raises(ContractError) as caught:
            accepted([record], hook=hook, origin="me")
        assert f"cannot be called as {field}" in caught.value.message


@functools.wraps(_plan)
def _wrapped(*_: Any, **__: Any) -> None:
    """Says that it takes what another one takes."""


FUNCTIONS = (
    _plan,
    _layers,
    _plain,
    _channels,
    _one,
    _wrapped,
    lambda: None,
    lambda a, b=1: None,  # noqa: ARG005
    lambda a, /, b=2: None,  # noqa: ARG005
    lambda *a: None,  # noqa: ARG005
    lambda a, *b, k=1, n: None,  # noqa: ARG005
    lambda a=1, **rest: None,  # noqa: ARG005
    lambda *, a, b=2: None,  # noqa: ARG005
    lambda a, b, *, size=1, weights=None: None,  # noqa: ARG005
    print,
    str,
)
CALLS = [(number, names) for number in range(4) for names in ((), ("k",), ("a",), ("b", "k"), ("size", "weights"))]


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("filled", [(), (1,), (1, 2)])
def test_functions_are_asked_as_inspect_asks_them(function: Any, filled: tuple[int, ...]) -> None:
    """Whatever is said to take a call takes it; for plain functions, and those filled in, the answer is complete."""
    asked = functools.partial(function, *filled) if filled else function
    plain = type(function) is type(_plan) and function is not _wrapped
    positional_only = plain and function.__code__.co_posonlyargcount
    takes_any = plain and function.__code__.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS)
    for number, names in CALLS:
        said = _surely_takes(asked, number, dict.fromkeys(names))
        try:
            inspect.signature(asked).bind(*range(number), **dict.fromkeys(names))
            real = True
        except (TypeError, ValueError):
            real = False
        if plain and not positional_only and not takes_any:
            assert said is real, (number, names)
        assert real or not said, (number, names)
