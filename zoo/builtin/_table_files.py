"""Reads tables row by row, never whole: text with separators (CSV, TSV) and Parquet."""

from __future__ import annotations

import codecs
import csv
import itertools
import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from zoo.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    Rows = Iterator[tuple[int, Sequence[str] | None]]
    """Number of the line (or row) in the file, from 1, and its cells as texts without blanks around them; None for a
    row that has more cells than there are columns."""

TEXT = (".csv", ".tsv")
PARQUET = ".parquet"
SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}
"""Words for what stands between cells."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LONGEST = 1 << 20  # characters of a cell; more is a quote that is never closed
_BATCH = 65_536  # rows of a Parquet file that are in memory


@dataclass(frozen=True, slots=True)
class TableFile:
    """A file that holds a table.

    Attributes:
        path: Where it is.
        encoding: Of text; empty for UTF-8, or what a mark at its beginning says.
        separator: A word of `SEPARATORS`; empty for a tab in `.tsv`, else what the first line has most of.
    """

    path: Path
    encoding: str = ""
    separator: str = ""

    @property
    def unit(self) -> str:
        """What a row is called: `line` of a text, `row` of Parquet."""
        return "row" if self.path.suffix.lower() == PARQUET else "line"

    def header(self) -> list[str]:
        """The names of the columns.

        Raises:
            SourceError: It cannot be read, is empty, is no such table, or pyarrow is needed and not there.
        """
        with self._explained():
            if self.unit == "row":
                with self._parquet() as file:
                    return list(file.schema_arrow.names)
            with self._text() as (header, _):
                return header

    def rows(self, places: Sequence[int]) -> Rows:
        """All rows that are not empty. Cells that a line lacks at its end are empty.

        Args:
            places: Positions of the columns that are wanted.

        Raises:
            SourceError: As in `header`, while it is read.
        """
        with self._explained():
            if self.unit == "row":
                with self._parquet() as file:
                    yield from _batches(file, places)
                return
            with self._text() as (header, lines):
                for line, cells in lines:
                    more = len(header) - len(cells)
                    if more < 0 and any(cells[len(header) :]):
                        yield line, None
                    else:
                        full = [*cells, *[""] * more]
                        yield line, [full[place] for place in places]

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except UnicodeError as error:
            raise self._undecodable(error) from error
        except csv.Error as error:
            raise SourceError(
                f"{str(self.path)!r} is not a table that can be read: {error}.",
                hint='Look for a quote (") that is opened and not closed; in a quoted cell a quote is written twice.',
            ) from error
        except OSError as error:
            raise SourceError(f"{str(self.path)!r} cannot be read: {error.strerror or error}.") from error

    @contextmanager
    def _text(self) -> Iterator[tuple[list[str], Iterator[tuple[int, list[str]]]]]:
        with self.path.open(encoding=self._encoding(), newline="") as file:
            first, skipped, separator = file.readline(), 0, ""
            if first.strip().lower().startswith("sep="):  # how spreadsheets tell one another
                separator, first, skipped = first.strip()[4:5], file.readline(), 1
            separator = SEPARATORS.get(self.separator, separator) or self._guess(first)
            lines = _numbered(csv.reader(itertools.chain([first], file), delimiter=separator, strict=True), skipped)
            usual = csv.field_size_limit()
            csv.field_size_limit(max(usual, _LONGEST))  # of the whole process, so it is given back
            try:
                header = next(lines, None)
                if header is None:
                    raise SourceError(f"{str(self.path)!r} is empty.", hint="Its first line names columns: path,label")
                yield header[1], lines
            finally:
                csv.field_size_limit(usual)

    def _encoding(self) -> str:
        if not self.encoding:
            with self.path.open("rb") as file:
                head = file.read(4)
            return next((name for mark, name in _MARKS if head.startswith(mark)), "utf-8")
        try:
            name = codecs.lookup(self.encoding).name
        except LookupError as error:
            raise SourceError(
                f"There is no encoding {self.encoding!r}.", hint="utf-8, latin-1, cp1252 and utf-16 are common ones."
            ) from error
        return "utf-8-sig" if name == "utf-8" else name

    def _guess(self, first: str) -> str:
        if self.path.suffix.lower() == ".tsv":
            return "\t"
        bare = "".join(first.split('"')[::2])  # outside of quotes
        return max(SEPARATORS.values(), key=bare.count)  # the first of equals: a comma

    def _undecodable(self, error: UnicodeError) -> SourceError:
        """Names the line: read again as bytes, since a decoder knows positions in its own buffer only."""
        encoding, where = self._encoding(), ""
        if encoding.startswith("utf-8"):
            with self.path.open("rb") as file:
                for number, line in enumerate(file, start=1):
                    try:
                        line.decode("utf-8")
                    except UnicodeError as fault:
                        where, error = f" in line {number:,}", fault
                        break
        found = error.object[error.start : error.start + 1].hex() if isinstance(error, UnicodeDecodeError) else ""
        byte = f" (byte 0x{found})" if found else ""
        return SourceError(
            f"{str(self.path)!r} is not {encoding.removesuffix('-sig').upper()}{where}{byte}.",
            hint="Save it as UTF-8, or say what it is: --source manifest:encoding=latin-1 "
            "(or cp1252, utf-16, …). Class names and paths would otherwise be wrong.",
        )

    @contextmanager
    def _parquet(self) -> Iterator[Any]:
        try:
            from pyarrow import lib
            from pyarrow.parquet import ParquetFile
        except ImportError as error:
            raise SourceError(
                f"{str(self.path)!r} is a Parquet file, and pyarrow, which reads them, is not installed.",
                hint="pip install pyarrow, or save the table as CSV.",
            ) from error
        try:
            with ParquetFile(self.path) as file:
                yield file
        except lib.ArrowException as error:
            text = (str(error).splitlines() or [""])[0].rstrip(".")
            raise SourceError(
                f"{str(self.path)!r} is not a Parquet file that can be read: {text}.",
                hint="Write it again, or save the table as CSV.",
            ) from error


def _numbered(reader: Any, skipped: int) -> Iterator[tuple[int, list[str]]]:  # noqa: ANN401 - csv's type has no name
    """Rows with the number of their first line; a cell in quotes may hold line breaks."""
    last = 0
    try:
        for cells in reader:
            line, last = last + 1 + skipped, reader.line_num
            stripped = [cell.strip() for cell in cells]
            if any(stripped):
                yield line, stripped
    except csv.Error as error:
        raise csv.Error(f"{error}, in the row that begins in line {last + 1 + skipped:,}") from error


def _batches(file: Any, places: Sequence[int]) -> Rows:  # noqa: ANN401 - pyarrow has no types
    from pyarrow.types import is_nested

    names, number = [file.schema_arrow.names[place] for place in places], 0
    for place, name in zip(places, names, strict=True):
        kind = file.schema_arrow.field(place).type
        if is_nested(kind):
            raise SourceError(
                f"The column {name!r} holds {str(kind)[:60]}, not texts.",
                hint="Name another column, or write the pictures to files and their paths into the table.",
            )
    for batch in file.iter_batches(batch_size=_BATCH, columns=names):
        columns = [[_text(value) for value in batch.column(name).to_pylist()] for name in names]
        for cells in zip(*columns, strict=True):
            number += 1
            if any(cells):
                yield number, cells


def _text(value: object) -> str:
    """A cell of a typed table as text: nothing for null and NaN, whole numbers without a point."""
    if value is None or value != value:  # noqa: PLR0124 - NaN
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, bytes):
        return os.fsdecode(value).strip()
    return str(value).strip()
