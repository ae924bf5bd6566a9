"""How figures and foreign text are written."""

from __future__ import annotations

import pytest

from zoo import figures


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (0, "0"),
        (987, "987"),
        (999, "999"),
        (1000, "1.0k"),
        (12_380, "12.4k"),
        (999_949, "999.9k"),
        (999_960, "1.0M"),
        (3_412_000, "3.4M"),
        (999_999_999, "1.0G"),
        (25_000_000_000, "25.0G"),
        (None, "—"),
    ],
)
def test_weights_are_counted_in_the_prefix_that_leaves_fewest_digits(number: int | None, said: str) -> None:
    """Never is anything written 1000.0k, and a missing number is a dash."""
    assert figures.count(number) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.04, "0.0 s"),
        (0.44, "0.4 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (12.3, "12 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (185.2, "3 min 05 s"),
        (3599.7, "1 h 00 min"),
        (7440.0, "2 h 04 min"),
        (-3.0, "0.0 s"),
        (None, "—"),
    ],
)
def test_times_carry_over_at_full_minutes_and_hours(seconds: float | None, said: str) -> None:
    """Rounding never leaves 60 seconds or 60 minutes standing."""
    assert figures.duration(seconds) == said


@pytest.mark.parametrize(
    ("size", "said"),
    [(0, "0.0 MiB"), (1_600_000, "1.5 MiB"), (2**30 - 2**17, "1023.9 MiB"), (2**30 - 1, "1.0 GiB"), (2**31, "2.0 GiB")],
)
def test_amounts_of_memory_have_one_decimal(size: int, said: str) -> None:
    """In the unit that leaves fewest digits, of the two that matter."""
    assert figures.amount(size) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, "just now"),
        (59.9, "just now"),
        (60, "1 min ago"),
        (7199, "1 h ago"),
        (86_400, "1 d ago"),
        (1e8, "1,157 d ago"),
    ],
)
def test_ages_are_told_in_their_largest_unit(seconds: float, said: str) -> None:
    """They are cut off, not rounded: what is an hour ago was at least an hour ago. A clock that went back is now."""
    assert figures.ago(seconds) == said


def test_scores_have_three_decimals_and_bounds_two() -> None:
    """The figures of a board have one spelling; what is missing is a dash or nothing."""
    assert figures.share(0.95349) == "0.953"
    assert figures.share(1.0) == "1.000"
    assert figures.share(None) == "—"
    assert figures.interval(0.9149, 0.978) == "[0.91, 0.98]"
    assert figures.interval(None, 0.9) == ""
    assert figures.milliseconds(3.14) == "3.1"
    assert figures.milliseconds(0.0) == "—"


def test_numbers_agree_with_their_noun() -> None:
    """One row, two rows, and plurals that are not made with an s."""
    assert figures.counted(1, "row") == "1 row"
    assert figures.counted(1200, "picture") == "1,200 pictures"
    assert figures.counted(2, "policy", "policies") == "2 policies"


@pytest.mark.parametrize(
    "name", ["[/]", "[red]x[/red]", "u\u0308ber", "über", "👩‍🔬", "ネコ", "a b", "<b>", ":smile:", "%s{0}"]
)
def test_foreign_text_stays_to_the_letter(name: str) -> None:
    """Markup, decomposed letters, joined emoji and other scripts are text like any other."""
    assert figures.literal(name) == name


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a\x1b[31mb", r"a\x1b[31mb"),
        ("a\nb\tc\r", r"a\nb\tc\r"),
        ("\x00\x7f\x9b", r"\x00\x7f\x9b"),
        ("gnp\u202egnp.exe", r"gnp\u202egnp.exe"),
        ("\udcff.jpg", r"\udcff.jpg"),
        ("a\u2028b", r"a\u2028b"),
    ],
)
def test_what_would_steer_a_terminal_is_shown_as_an_escape(name: str, said: str) -> None:
    """Control characters, line separators, turns of direction and lone surrogates are never sent."""
    assert figures.literal(name) == said


def test_a_message_of_several_lines_becomes_one() -> None:
    """Line breaks in a message are layout, not content; other control characters are shown."""
    assert figures.sentence("first\n   second\r\n third\x1b") == r"first second third\x1b"
