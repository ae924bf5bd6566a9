"""What holds for any number of pictures: memory is bounded, work is not repeated, the shortcuts change nothing."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from zoo import decoding, statistics
from zoo.board import Context, baselines, build_board
from zoo.dataset import prepare
from zoo.health import scan
from zoo.pixels import thumbnails
from zoo.predictions import StoredPredictions, read_predictions, write_predictions
from zoo.splitting import split
from zoo.store import Store
from zoo.values import ImageTable, Picture

if TYPE_CHECKING:
    from types import ModuleType

    from zoo.events import Event
    from zoo.registry import Catalog

PROGRAM = Path(__file__).resolve().parents[2] / "benchmarks" / "large.py"


def noise(seed: int, side: int = 24) -> Any:
    """A picture of coarse noise, so that no two look alike."""
    fields = np.random.default_rng(seed).integers(0, 256, (9, 9, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(fields).resize((side, side)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Forty pictures of two classes."""
    for number in range(40):
        place = tmp_path / "pictures" / "ab"[number % 2] / f"{number:02}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise(number)).save(place)
    return tmp_path / "pictures"


@pytest.fixture(scope="module")
def program() -> ModuleType:
    """The program that measures what many pictures cost."""
    spec = importlib.util.spec_from_file_location("large", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_nearest_neighbour_is_what_it_was(folder: Path, catalog: Catalog) -> None:
    """Pixels at 16 × 16 taken as they are give what thumbnails in floating point gave."""
    dataset = prepare(folder, catalog)
    small = [thumbnails(dataset.side(part, 16).pixels) for part in ("train", "validation")]
    expected = statistics.nearest_neighbour(small[0], dataset.labels("train"), small[1])
    assert np.array_equal(dataset.baselines()["nearest neighbour"], expected)


def test_many_training_pictures_are_sampled_for_the_nearest_neighbour(
    folder: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Above the limit only the sample is decoded; the answer is that of the sample, and the board says so."""
    monkeypatch.setattr(statistics, "NEIGHBOURS", 7)
    dataset = dataclasses.replace(prepare(folder, catalog), ready=None)  # else the scan hands all of them over
    rows = statistics.neighbour_sample(len(dataset.split.train))
    assert len(set(rows.tolist())) == 7
    assert sorted(rows) == rows.tolist() == statistics.neighbour_sample(len(dataset.split.train)).tolist()
    decoded: list[str] = []
    real = decoding.attempt
    monkeypatch.setattr(decoding, "attempt", lambda one, channels: decoded.append(one.id) or real(one, channels))
    predicted = dataset.baselines()
    ids = dataset.ids("train")
    assert sorted(decoded) == sorted([*(ids[row] for row in rows), *dataset.ids("validation")])
    known, asked = (dataset.side(part, 16).pixels for part in ("train", "validation"))
    expected = statistics.nearest_neighbour(thumbnails(known[rows]), dataset.labels("train")[rows], thumbnails(asked))
    assert predicted["nearest neighbour"].tolist() == expected.tolist()
    lines = baselines(predicted, dataset.labels("validation"), 2)
    context = Context(data="d", split="s", classes=("a", "b"), n_train=28, n_validation=6, n_test=6, baselines=lines)
    said = "The baseline nearest neighbour looks among 7 of the 28 training pictures, drawn with seed 0"
    assert any(said in note for note in build_board([], {}, context, metric="accuracy").notes)
    monkeypatch.setattr(statistics, "NEIGHBOURS", 28)
    assert not any("looks among" in note for note in build_board([], {}, context, metric="accuracy").notes)
    assert statistics.neighbour_sample(28).tolist() == list(range(28))


def test_a_scan_holds_few_pictures_at_a_time(tmp_path: Path) -> None:
    """Of fifty pictures of 750 kB in memory at once, decoded, there are fewer than ten."""
    pictures = []
    for number in range(50):
        Image.fromarray(noise(number, side=500)).save(tmp_path / f"{number:02}.bmp")
        pictures.append(Picture(f"{number:02}", number % 2, path=str(tmp_path / f"{number:02}.bmp")))
    table = ImageTable("here", ("a", "b"), tuple(pictures))
    scan(table, workers=2)  # what is imported and made once
    tracemalloc.start()
    try:
        report = scan(table, workers=2)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(report.table) == 50
    assert peak < 10 * 750_000


def test_a_scan_that_is_stopped_has_not_worked_for_nothing(folder: Path, tmp_path: Path, catalog: Catalog) -> None:
    """What was found before Ctrl-C is in the store; the next scan decodes the rest."""

    class Stop(BaseException):
        """What a person does in the middle."""

    def stop(event: Event) -> None:
        if getattr(event, "done", 0) == 25:
            raise Stop

    with pytest.raises(Stop), Store(tmp_path / "store") as store:
        prepare(folder, catalog, observe=stop, fingerprints=store.fingerprints())
    decoded: list[int] = []
    with Store(tmp_path / "store") as store:
        prepare(
            folder,
            catalog,
            observe=lambda event: decoded.append(getattr(event, "total", 0)),
            fingerprints=store.fingerprints(),
        )
    assert max(decoded) == 15


def test_notes_name_a_few_pictures_of_a_large_group() -> None:
    """Of three hundred copies a note names five; the report has all of them."""
    pictures = [Picture(f"{n:03}", n % 2, pixels=noise(0)) for n in range(300)]
    report = scan(ImageTable("here", ("a", "b"), (*pictures, Picture("x", 0, pixels=noise(1)))))
    assert len(report.duplicates[0]) == len(report.conflicts[0]) == 300
    assert "000 = 001 = 002 = 003 = 004 = … (300)." in report.notes[0]
    assert max(map(len, report.notes)) < 300


def test_one_long_name_costs_its_own_length(tmp_path: Path) -> None:
    """Names of pictures are kept as they are, whatever stands in them, and one of them does not widen all others."""
    names = (*(f"a/{number}.jpg" for number in range(5000)), "long/" * 20_000, "a/\udcff\n\x00'\"", "ü" * 9)
    labels = np.zeros(len(names), np.int64)
    kept = StoredPredictions(names, labels, np.zeros((len(names), 2), np.float32))
    tracemalloc.start()
    try:
        write_predictions(tmp_path / "new.npz", kept)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20_000_000  # as an array of texts: 5,003 × 100,000 × 4 bytes, 2 GB
    assert read_predictions(tmp_path / "new.npz").ids == names


def test_predictions_of_an_earlier_version_are_read(tmp_path: Path) -> None:
    """Their names are an array of texts."""
    with (tmp_path / "old.npz").open("wb") as file:
        np.savez_compressed(
            file, ids=np.array(["a/1", "b/2"]), labels=np.array([0, 1]), probabilities=np.eye(2, dtype=np.float32)
        )
    found = read_predictions(tmp_path / "old.npz")
    assert (found.ids, found.labels.tolist()) == (("a/1", "b/2"), [0, 1])


def test_groups_of_a_manifest_never_cross_sides(folder: Path, catalog: Catalog) -> None:
    """Pitfall 66: all pictures of a patient are on one side; without the column patients cross."""
    lines = [
        f"{'ab'[number % 2]}/{number:02}.png,{'ab'[number % 2]},p{number // 4}\n" for number in reversed(range(40))
    ]
    manifest = folder / "list.csv"
    manifest.write_text("path,label,patient\n" + "".join(lines), encoding="utf-8")

    def sides(source: str | None) -> list[set[str]]:
        dataset = prepare(manifest, catalog, source=source)
        parts = [dataset.ids(part) for part in ("train", "validation", "test")]
        assert sum(map(len, parts)) == 40
        return [{f"p{int(name[2:4]) // 4}" for name in ids} for ids in parts]

    train, validation, test = sides(None)
    assert (len(train), len(validation | test)) == (10 - len(validation | test), len(validation) + len(test))
    train, validation, test = sides("manifest:group=none")
    assert train & (validation | test)


def test_the_program_measures_rows_and_looks(program: ModuleType, tmp_path: Path) -> None:
    """Its manifest can be read and split with each group on one side, and its looks are of the kinds it says."""
    program.make_manifest(tmp_path / "rows.csv", 4000)
    found = program.measure_rows(tmp_path / "rows.csv")
    assert sum(found["n"]) == 4000
    assert set(found["stages"]) == {"load", "split"}
    groups = {kind: program.measure_looks(kind, 300)["n"] for kind in program.KINDS}
    assert groups["apart"] == [0, 0]
    assert groups["close"] == [1, 300]
    assert groups["spread"][1] < 300


def test_the_split_of_many_is_the_same_in_any_order() -> None:
    """Two thousand pictures in two orders: the same sides."""
    pictures = [Picture(f"{n:04}", n % 3, pixels=noise(0, 9), group=f"g{n // 2}") for n in range(2000)]
    sides = []
    for order in (pictures, pictures[::-1]):
        table = ImageTable("here", ("a", "b", "c"), tuple(order))
        report = scan(table)
        marks = tuple(picture.id for picture in report.table.pictures)  # as if all were different
        sides.append(split(replace(report, fingerprints=marks)).digest)
    assert sides[0] == sides[1]


@pytest.mark.slow
def test_twenty_thousand_pictures_in_bounded_memory(tmp_path: Path) -> None:
    """All stages of 20,000 pictures stay below 3 GB, and 18,000 pictures more cost less than 20 kB each."""
    target = tmp_path / "figures.json"
    words = ["--pictures", "2000", "20000", "--rows", "2000", "20000", "--looks", "20000", "--json", str(target)]
    subprocess.run([sys.executable, str(PROGRAM), *words], check=True, timeout=1500, cwd=PROGRAM.parents[1])
    found = json.loads(target.read_text(encoding="utf-8"))
    for size in ("2000", "20000"):
        assert sum(found["pictures"][size]["n"]) == int(size) * 0.85
    peaks = [max(stage["mib"] for stage in found["pictures"][size]["stages"].values()) for size in ("2000", "20000")]
    assert peaks[1] < 3000
    assert (peaks[1] - peaks[0]) * 2**20 < 20_000 * 18_000
