"""A data set made ready for a grid: checked, split, and decoded one side at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo import folders, statistics
from zoo.decoding import RGB
from zoo.errors import SourceError, UsageError, ZooError
from zoo.events import DataReady, Note, ignore
from zoo.handover import Handover
from zoo.health import scan
from zoo.memory import default_limit
from zoo.pixels import THUMBNAIL, load_pixels
from zoo.side_pixels import pixels_key, side_pixels
from zoo.specs import parse_spec
from zoo.splitting import split as divide
from zoo.values import ImageTable, Side

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zoo.contracts import Source
    from zoo.disk_cache import DiskCache
    from zoo.events import Observer
    from zoo.fingerprints import FingerprintCache
    from zoo.registry import Catalog
    from zoo.values import HealthReport, Part, Split, UInt8Array


@dataclass
class Dataset:
    """Pictures that can be used, on their sides of the split.

    Training and validation pictures are decoded once for each size and number of channels, and kept: in the cache on
    disk if there is one, for later calls too. Test pictures are decoded only when `test_side` is called, which
    `comparison` does after a row is chosen, and never kept.

    Attributes:
        report: What the scan found.
        split: Who is on which side.
        observe: Told about progress.
        directory: For pixels that are too many for memory.
        cache: The cache on disk, or None.
        ready: RGB pictures of the training and validation parts that are resized already.
        sizes: Sizes that will be asked for in RGB: who decodes pictures for one of them resizes them to all.
    """

    report: HealthReport
    split: Split
    observe: Observer = ignore
    directory: Path | None = None
    cache: DiskCache | None = None
    ready: Handover | None = None
    sizes: tuple[int, ...] = ()
    _sides: dict[tuple[str, int, int], Side] = field(default_factory=dict, repr=False)

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in label order."""
        return self.report.table.classes

    def indices(self, part: Part) -> tuple[int, ...]:
        """Rows of the table that are on a side."""
        chosen: tuple[int, ...] = getattr(self.split, part)
        return chosen

    def ids(self, part: Part) -> tuple[str, ...]:
        """Ids of the pictures of a side, in order."""
        return tuple(self.report.table.pictures[i].id for i in self.indices(part))

    def labels(self, part: Part) -> np.ndarray[Any, Any]:
        """int64 labels of a side, in order."""
        return np.array([self.report.table.pictures[i].label for i in self.indices(part)], dtype=np.int64)

    def side(self, part: Part, size: int, channels: int = RGB) -> Side:
        """The training or validation pictures at a size, decoded on first use.

        Raises:
            UsageError: If the test part is asked for.
        """
        if part == "test":
            raise UsageError("The test part is not for training.", hint="Use test_side() after a row is chosen.")
        key = (part, size, channels)
        if key not in self._sides:
            pixels, name = side_pixels(
                self.report,
                self.indices(part),
                size=size,
                channels=channels,
                cache=self.cache,
                about={"data": Path(self.report.table.location).name, "part": part},
                ready=self.ready,
                also=[other for other in self.sizes if other != size and not self._is_made(part, other)],
                observe=self.observe,
                directory=self.directory,
            )
            self._sides[key] = Side(pixels=pixels, labels=self.labels(part), key=name)
        return self._sides[key]

    def _is_made(self, part: Part, size: int) -> bool:
        if (part, size, RGB) in self._sides:
            return True
        key = pixels_key(self.report, self.indices(part), size=size, channels=RGB)
        return self.cache is not None and key in self.cache

    def expect(self, sizes: Iterable[int]) -> None:
        """Says in which sizes RGB pictures will be asked for, so that who decodes them makes all, and thumbnails."""
        self.sizes = tuple(sorted({THUMBNAIL, *sizes}))

    def gather(self) -> None:
        """Makes the training and validation pictures in all sizes that are expected, and decodes none of them twice."""
        parts: tuple[Part, ...] = ("train", "validation")
        for part in parts:
            for size in self.sizes:
                self.side(part, size)
        if self.ready is not None:
            self.ready.drop()

    def test_side(self, size: int, channels: int = RGB) -> Side:
        """The test pictures at a size; decoded now and not kept."""
        pixels = load_pixels(
            self.report.table,
            self.indices("test"),
            size=size,
            channels=channels,
            observe=self.observe,
            directory=self.directory,
        )
        key = pixels_key(self.report, self.indices("test"), size=size, channels=channels)
        return Side(pixels=pixels, labels=self.labels("test"), key=key)

    def baselines(self) -> dict[str, np.ndarray[Any, Any]]:
        """Predicted validation labels of the baselines `majority` and `nearest neighbour` (16 × 16 thumbnails).

        Thumbnails are RGB, whatever the rows take, and have other channels only of arrays that cannot be had as RGB.
        """
        labels = self.labels("train")
        channels = max((limit for limit, _ in self.report.channels), default=0) or RGB
        rows = statistics.neighbour_sample(len(labels))
        # Pictures of this side are their own thumbnails.
        small = [self._known(rows, channels), self.side("validation", THUMBNAIL, channels).pixels]
        known, asked = (pixels.reshape(len(pixels), -1) for pixels in small)
        most = statistics.majority_label(labels, len(self.classes))
        return {
            "majority": np.full(len(self.split.validation), most, dtype=np.int64),
            "nearest neighbour": statistics.nearest_neighbour(known, labels[rows], asked),
        }

    def _known(self, rows: np.ndarray[Any, Any], channels: int) -> UInt8Array:
        """Thumbnails of training pictures; of a sample only these are decoded, if nothing is kept."""
        indices = self.indices("train")
        if len(rows) == len(indices) or self.cache is not None or self.ready is not None:
            known: UInt8Array = self.side("train", THUMBNAIL, channels).pixels[rows]
            return known
        chosen = [indices[row] for row in rows.tolist()]
        return load_pixels(self.report.table, chosen, size=THUMBNAIL, channels=channels, observe=self.observe)


def find_source(data: object, catalog: Catalog, *, source: str | None = None) -> tuple[Source, object, dict[str, Any]]:
    """The source that makes sense of a location, the location, and the source's options.

    Args:
        data: A path, or `demo` or `demo:images=600` (any source's name with options).
        catalog: Where sources are looked up.
        source: Name with options of the source to use, instead of the only one that accepts the location.

    Raises:
        SourceError: If no source accepts the location, or several do.
    """
    if source is None and isinstance(data, str) and not folders.there(data):
        name = data.partition(":")[0]
        if name in catalog.names("source"):
            source, data = data, name
    if source is not None:
        record = catalog.source(source.partition(":")[0])
        spec = parse_spec(source, kind="source", options=record.options)
        return record, data, spec.values()
    stumbled: list[str] = []
    able = [item for item in map(catalog.source, catalog.names("source")) if _accepts(item, data, stumbled)]
    if len(able) == 1:
        return able[0], data, {option.name: option.default for option in able[0].options}
    if able:
        names = ", ".join(record.name for record in able)
        raise SourceError(f"Several sources accept {str(data)!r}: {names}.", hint="Choose one with --source.")
    if isinstance(data, str | Path) and not folders.is_folder_path(data) and "folder" in catalog.names("source"):
        catalog.source("folder").load(data)  # says best what is wrong with a path: near names, an archive, …
    raise SourceError(
        f"No source knows what to do with {str(data)!r}.",
        hint="A folder must have one sub-folder for each class. `zoo list sources` shows what else is understood."
        + (f" These sources failed on it: {'; '.join(stumbled)}." if stumbled else ""),
    )


def _accepts(source: Source, location: object, stumbled: list[str]) -> bool:
    """Whether a source understands a location; one that fails to look at it does not, and is remembered."""
    try:
        return bool(source.accepts(location))
    except Exception as error:  # noqa: BLE001 - a plugin's look at somebody else's data must not stop the others
        stumbled.append(f"{source.name} ({type(error).__name__}: {error})")
        return False


def _load(source: Source, location: object, options: dict[str, Any]) -> ImageTable:
    try:
        table = source.load(location, **options)
    except ZooError:
        raise
    except Exception as error:
        raise SourceError(
            f"The source {source.name!r} failed on {str(location)!r}: {type(error).__name__}: {error}.",
            hint="Report it to the author of that plugin, or choose another source with --source.",
        ) from error
    if not isinstance(table, ImageTable):
        raise SourceError(
            f"The source {source.name!r} gave a {type(table).__name__}, not an ImageTable.",
            hint="Report it to the author of that plugin.",
        )
    return table


def load_table(data: object, catalog: Catalog, *, source: str | None = None) -> ImageTable:
    """The table of a data set as its source gives it, neither checked nor split; arguments as in `find_source`.

    Raises:
        SourceError: If no source can read it.
    """
    return _load(*find_source(data, catalog, source=source))


def prepare(
    data: object,
    catalog: Catalog,
    *,
    source: str | None = None,
    fractions: tuple[float, float, float] = (0.7, 0.15, 0.15),
    split_seed: int = 0,
    observe: Observer = ignore,
    fingerprints: FingerprintCache | None = None,
    directory: Path | None = None,
    cache: DiskCache | None = None,
    sizes: Iterable[int] = (),
) -> Dataset:
    """Loads, checks and splits a data set, and tells what was found.

    Args:
        data: See `find_source`.
        catalog: Where sources are looked up.
        source: See `find_source`.
        fractions: Of training, validation and test pictures; ignored for sides that the data come with.
        split_seed: Draws the split; the same for all rows and seeds of a grid.
        observe: Told about progress and notes.
        fingerprints: Remembers fingerprints of files between calls.
        directory: For pixels that are too many for memory.
        cache: Keeps pixels of the training and validation parts on disk.
        sizes: Sizes in pixels that will be asked for in RGB; what the check decodes is resized to them at once.

    Raises:
        SourceError: If the pictures cannot be used.
        SplitError: If they cannot be divided as asked.
    """
    wanted = (THUMBNAIL, *sizes)
    ready = Handover(wanted, limit=default_limit() // 2)
    report = scan(load_table(data, catalog, source=source), observe=observe, cache=fingerprints, ready=ready)
    sides = divide(report, fractions=fractions, seed=split_seed)
    seen = {*sides.train, *sides.validation}
    ready.drop(picture.id for index, picture in enumerate(report.table.pictures) if index not in seen)
    for text in (*report.notes, *sides.notes):
        observe(Note(text, level="warning"))
    observe(DataReady(report, sides))
    return Dataset(report, sides, observe, directory=directory, cache=cache, ready=ready, sizes=ready.sizes)
