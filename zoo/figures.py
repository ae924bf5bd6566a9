"""How figures and foreign text are written for people: one spelling for the command line and progress lines."""

from __future__ import annotations

import unicodedata

MISSING = "—"
"""Stands where there is no figure."""

_BIDI = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that turn the direction of what follows: `gnp.exe` could be shown as `exe.png`."""

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_SHORT = 9.95  # seconds below which a tenth is worth saying


def share(value: float | None) -> str:
    """A score in [0, 1] with three decimals: `0.953`; a dash for None."""
    return MISSING if value is None else f"{value:.3f}"


def interval(low: float | None, high: float | None) -> str:
    """Two bounds in [0, 1] with two decimals: `[0.91, 0.98]`; nothing where there is none."""
    return "" if low is None or high is None else f"[{low:.2f}, {high:.2f}]"


def count(number: int | None) -> str:
    """A number of weights: `987`, `12.4k`, `3.4M`, `1.2G`; a dash for None."""
    if number is None:
        return MISSING
    if number < 1000:  # noqa: PLR2004 - the first number that a prefix shortens
        return str(number)
    value, prefix = number / 1000, "k"
    for larger in "MG":
        if round(value, 1) < 1000:  # noqa: PLR2004 - rounded first, so that nothing is written 1000.0k
            break
        value, prefix = value / 1000, larger
    return f"{value:.1f}{prefix}"


def duration(seconds: float | None) -> str:
    """A time: `0.4 s`, `12 s`, `3 min 05 s`, `2 h 04 min`; a dash for None."""
    if seconds is None:
        return MISSING
    if seconds < _SHORT:
        return f"{max(0.0, seconds):.1f} s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02d} s"
    minutes = round(seconds / _MINUTE)
    return f"{minutes // _MINUTE} h {minutes % _MINUTE:02d} min"


def ago(seconds: float) -> str:
    """How long ago something was, in its largest unit: `just now`, `5 min ago`, `3 h ago`, `12 d ago`."""
    for unit, word in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= unit:
            return f"{int(seconds // unit):,} {word} ago"
    return "just now"


def milliseconds(value: float | None) -> str:
    """Milliseconds with one decimal; a dash for None and for zero, which is what was not measured."""
    return f"{value:.1f}" if value else MISSING


def amount(size: int) -> str:
    """Bytes in binary units with one decimal: `0.5 MiB`, `12.0 MiB`, `1.5 GiB`."""
    large = round(size / 2**20, 1) >= 1024  # noqa: PLR2004 - rounded first, so that nothing is written 1024.0 MiB
    return f"{size / 2**30:.1f} GiB" if large else f"{size / 2**20:.1f} MiB"


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number with its noun: `1 row`, `3 rows`, `1,200 pictures`."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


def literal(text: str) -> str:
    r"""Foreign text as it may be sent to a terminal: what would steer it is written as an escape (`\x1b`).

    Letters of all scripts, combining marks, emoji and brackets stay as they are. Control characters, line and
    paragraph separators, turns of direction, and what is no valid Unicode (file names can be such) do not.
    """
    if text.isprintable():  # nothing of all that is
        return text
    return "".join(
        char.encode("unicode_escape").decode("ascii")
        if unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} or char in _BIDI
        else char
        for char in text
    )


def sentence(text: str) -> str:
    """A message in one line: line breaks become spaces, the rest as in `literal`."""
    return literal(" ".join(line.strip() for line in text.replace("\r\n", "\n").split("\n")).strip())
