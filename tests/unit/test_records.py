"""Records as JSON and back."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.errors import RunFormatError
from zoo.explanations import Cause, Explanation
from zoo.records import dumps, from_plain, loads, to_plain
from zoo.values import EpochRecord, Receipt, ReceiptRow, Recipe, RunRecord, Scores, Spec

NUMBERS = st.floats(allow_nan=False)
TEXTS = st.text(st.characters(exclude_categories=()), max_size=8)
VALUES = st.one_of(TEXTS, st.integers(-(2**60), 2**60), NUMBERS, st.booleans())
SPECS = st.builds(Spec, name=TEXTS, options=st.lists(st.tuples(TEXTS, VALUES), max_size=2).map(tuple), text=TEXTS)
RECIPES = st.builds(
    Recipe,
    backbone=SPECS,
    head=SPECS,
    policy=SPECS,
    augmentation=SPECS,
    data=TEXTS,
    split=TEXTS,
    classes=st.lists(TEXTS, max_size=3).map(tuple),
    learning_rate=st.none() | st.just("auto") | NUMBERS,
    schedule=st.sampled_from(["policy", "one-cycle"]),
    ema=NUMBERS,
    patience=st.none() | st.integers(0, 9),
    metric=st.sampled_from(["accuracy", "balanced_accuracy"]),
    seed=st.integers(0, 2**40),
)
SCORES = st.builds(
    Scores,
    n=st.integers(1, 99),
    accuracy=NUMBERS,
    balanced_accuracy=NUMBERS,
    loss=NUMBERS,
    recalls=st.lists(st.none() | NUMBERS, max_size=3).map(tuple),
)
EPOCHS = st.builds(EpochRecord, TEXTS, st.integers(1, 9), *([NUMBERS] * 7))
RECEIPT_ROWS = st.builds(
    ReceiptRow,
    block=TEXTS,
    weights=st.integers(0, 9),
    declared=TEXTS,
    statistics_declared=st.booleans(),
    opened=st.integers(0, 9),
    moved=st.integers(0, 9),
    relative_change=NUMBERS,
    affine_moved=st.none() | st.booleans(),
    statistics_moved=st.none() | st.booleans(),
    verdict=st.sampled_from(["PASS", "WARN", "FAIL"]),
    reason=TEXTS,
)
RUNS = st.builds(
    RunRecord,
    id=TEXTS,
    recipe=RECIPES,
    digest=TEXTS,
    status=st.sampled_from(["finished", "failed", "diverged"]),
    notes=st.lists(TEXTS, max_size=2).map(tuple),
    validation=st.none() | SCORES,
    inference_accuracy=st.none() | NUMBERS,
    receipt=st.none() | st.builds(Receipt, rows=st.lists(RECEIPT_ROWS, max_size=2).map(tuple)),
    history=st.lists(EPOCHS, max_size=2).map(tuple),
    environment=st.dictionaries(TEXTS, VALUES | st.lists(VALUES, max_size=2), max_size=2),
)


@given(RUNS)
def test_runs_survive_without_loss(record: RunRecord) -> None:
    """Any run comes back equal, types of numbers and undecodable names included, and its text is ASCII."""
    text = dumps(record)
    back = loads(RunRecord, text)
    assert back == record
    assert repr(back) == repr(record)  # 1, 1.0 and True are equal, but written differently
    assert text.isascii()


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_losses_that_are_not_finite_survive(number: float) -> None:
    """The loss of a diverged epoch is kept, in text that every JSON reader takes."""
    text = dumps(EpochRecord("head", 1, number, 0.5, 1.0, 0.5, 0.5, 1e-3, 2.0))
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert repr(loads(EpochRecord, text).loss) == repr(number)


def test_numpy_numbers_become_plain_ones() -> None:
    """Scores computed with NumPy are stored as the numbers that they are."""
    scores = Scores(np.int64(2), np.float32(0.5), np.float64(0.25), 1.0, (None,))  # type: ignore[arg-type]
    assert loads(Scores, dumps(scores)) == Scores(2, 0.5, 0.25, 1.0, (None,))
    assert type(to_plain(np.bool_(True))) is bool


@pytest.mark.parametrize("value", [{1, 2}, b"bytes", np.zeros(2), object()], ids=["set", "bytes", "array", "object"])
def test_what_has_no_place_in_json_is_refused(value: object) -> None:
    """Nothing is turned into a text that cannot be turned back."""
    with pytest.raises(RunFormatError, match=f"A value of type {type(value).__name__} cannot be stored"):
        dumps({"environment": value})


def test_keys_are_strings() -> None:
    """JSON would turn the key 1 into '1'."""
    with pytest.raises(RunFormatError, match="The key 1 of a stored mapping is no string"):
        dumps({1: "one"})


def test_an_absent_field_takes_its_default() -> None:
    """A record that an older version wrote, before a field with a default existed, can be read."""
    plain = to_plain(Spec("gap", (), "gap"))
    del plain["text"]
    assert from_plain(Spec, plain) == Spec("gap")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": "red"}, "Scores has fields that this version does not know: colour"),
        ({"n": "many"}, r"Scores\.n should be int, but is 'many'"),
        ({"n": True}, r"Scores\.n should be int, but is True"),
        ({"recalls": [0.5, "x"]}, r"Scores\.recalls\[1\] should be float, but is 'x'"),
        ({"recalls": 3}, r"Scores\.recalls should be a list, but is 3"),
    ],
    ids=["unknown field", "type", "bool for int", "item", "no list"],
)
def test_a_field_that_does_not_fit_is_named(change: dict[str, Any], message: str) -> None:
    """The message leads to the field, and says what was expected."""
    plain = {**to_plain(Scores(1, 0.5, 0.5, 1.0, (0.5,))), **change}
    with pytest.raises(RunFormatError, match=message):
        from_plain(Scores, plain)


def test_a_missing_field_is_named() -> None:
    """A record without a field that has no default is damaged."""
    with pytest.raises(RunFormatError, match="Scores lacks accuracy, loss"):
        from_plain(Scores, {"n": 1, "balanced_accuracy": 1.0, "recalls": []})


def test_an_unknown_status_is_refused() -> None:
    """A status of a later version is not taken for one of ours."""
    spec = Spec("x")
    recipe = Recipe(backbone=spec, head=spec, policy=spec, augmentation=spec, data="", split="", classes=())
    plain = {**to_plain(RunRecord(id="a", recipe=recipe, digest="", status="failed")), "status": "paused"}
    with pytest.raises(RunFormatError, match=r"RunRecord\.status should be 'finished' or .* but is 'paused'"):
        from_plain(RunRecord, plain)


def test_damaged_text_is_refused() -> None:
    """Half a record is no record."""
    with pytest.raises(RunFormatError, match="A stored Scores is not JSON"):
        loads(Scores, dumps(Scores(1, 0.5, 0.5, 1.0, ()))[:-3])


def test_records_have_only_fields_that_can_be_read() -> None:
    """Every field of a run's record has a type that the reader knows."""
    spec = Spec("x", (("k", 2), ("bn", "fixed"), ("rate", 0.5), ("on", False)))
    recipe = Recipe(backbone=spec, head=spec, policy=spec, augmentation=spec, data="", split="", classes=("a",))
    record = RunRecord(id="a", recipe=recipe, digest="d", status="finished")
    assert {field.name for field in dataclasses.fields(RunRecord)} == set(to_plain(record))
    assert loads(RunRecord, dumps(record)) == record


def test_a_cause_of_a_later_version_is_read_as_unknown() -> None:
    """One name that this version does not know leaves the rest of a record readable; what is no name is refused."""
    cause = Cause(name="labels", measurement="m", remedy="r", weight=0.5)
    plain = to_plain(Explanation(matter="not learning", score="s", causes=(cause,)))
    plain["causes"][0]["name"] = "tired network"
    read = from_plain(Explanation, plain)
    assert read.causes == (dataclasses.replace(cause, name="unknown"),)
    plain["causes"][0]["name"] = 3
    with pytest.raises(RunFormatError):
        from_plain(Explanation, plain)
