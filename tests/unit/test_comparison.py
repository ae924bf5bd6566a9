"""The main job in Python: grids, failures, the test part, and the line from the first page."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import pytest
from PIL import Image

import zoo
from zoo import comparison, pixels
from zoo.contracts import Weights
from zoo.errors import ContractError, RunNotFoundError, SourceError, TrainingError, UnknownNameError, UsageError
from zoo.events import Note
from zoo.hookspecs import hookimpl
from zoo.plugins import load_catalog
from zoo.store import Store
from zoo.testing import tiny_backbone
from zoo.values import ImageTable, Picture

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.registry import Catalog

QUICK: dict[str, Any] = {"epochs": 1, "batch_size": 8, "observe": lambda _: None}
LEARNS: dict[str, Any] = {**QUICK, "epochs": 6, "learning_rate": 0.02}
"""Enough for the tiny network to be better than guessing, so that a row is recommended."""


class Odd:
    """Backbones and heads that fail in their own ways, beside the tiny one."""

    broken = True

    @hookimpl
    def zoo_backbones(self) -> list[zoo.Backbone]:
        """One raises, one gives numbers that are not finite."""

        def explode(**options: Any) -> Any:
            if self.broken:
                raise RuntimeError("[red]no[/red] memory\nsecond line")
            return tiny_backbone().build(**options)

        def overflow(*, size: int, weights: Any) -> Any:
            model = tiny_backbone().build(size=size, weights=weights)
            model.get_layer("stem_conv").kernel.assign(model.get_layer("stem_conv").kernel * np.inf)
            return model

        tiny = tiny_backbone()
        record = {field: getattr(tiny, field) for field in tiny.__slots__}
        return [
            tiny,
            zoo.Backbone(**(record | {"name": "raises", "build": explode})),
            zoo.Backbone(**(record | {"name": "overflows", "build": overflow})),
        ]

    @hookimpl
    def zoo_heads(self) -> list[zoo.Head]:
        """One unit for two classes."""

        def build(feature_shape: Any, classes: int) -> Any:
            entry = keras.Input(feature_shape)
            return keras.Model(entry, keras.layers.Dense(1)(keras.layers.Flatten()(entry)))

        return [zoo.Head(name="one-unit", title="wrong", build=build)]


@pytest.fixture
def odd() -> Odd:
    """The failing items."""
    return Odd()


@pytest.fixture
def mixed(odd: Odd) -> Catalog:
    """Built-ins and the failing items."""
    return load_catalog(only=[], extra=[odd])


def test_pitfall_115_a_failed_row_costs_itself_only(photos: Path, tmp_path: Path, mixed: Catalog, odd: Odd) -> None:
    """Rows that raise or diverge stay with their reason; the others run; a second call runs only what failed."""
    grid: dict[str, Any] = {**QUICK, "policies": ["freeze-all"], "store": tmp_path, "catalog": mixed}
    board = zoo.compare(photos, backbones=["tiny", "raises", "overflows"], **grid)
    rows = {row.backbone: row for row in board.rows if row.kind == "run"}
    assert rows["tiny"].status == "finished"
    assert rows["raises"].status == "failed"
    assert "RuntimeError: [red]no[/red] memory" in rows["raises"].reason
    assert rows["overflows"].status == "diverged"
    assert rows["tiny"].rank == 1
    with Store(tmp_path) as store:
        trace = (store.folder(rows["raises"].run_ids[0]) / "traceback.txt").read_text(encoding="utf-8")
    assert "in explode" in trace
    odd.broken = False
    events: list[Any] = []
    again = zoo.compare(photos, backbones=["tiny", "raises"], **(grid | {"observe": events.append}))
    started = [event.recipe.backbone.name for event in events if type(event).__name__ == "RunStarted"]
    assert started == ["raises"]
    assert {row.status for row in again.rows} == {"finished"}


def test_pitfall_54_a_head_with_the_wrong_number_of_units_is_refused(
    photos: Path, tmp_path: Path, mixed: Catalog
) -> None:
    """One unit for two classes cannot be trained by mistake."""
    with pytest.raises(ContractError, match=r"Head 'one-unit' gives shape \(None, 1\), but there are 2 classes"):
        zoo.fit(photos, backbone="tiny", head="one-unit", store=tmp_path, catalog=mixed, **QUICK)


def test_pitfall_67_the_test_part_is_not_decoded_before_a_row_is_chosen(
    photos: Path, tmp_path: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the scan, test pictures are read once: after the last run ended, for the chosen row."""
    log: list[tuple[str, Any]] = []

    def spy(table: Any, indices: Any, **options: Any) -> Any:
        log.append(("read", {table.pictures[i].id for i in indices}))
        return pixels.load_pixels(table, indices, **options)

    monkeypatch.setattr("zoo.dataset.load_pixels", spy)
    board = zoo.compare(
        photos,
        backbones=["tiny"],
        policies=["bn-affine", "unfreeze-all"],
        store=tmp_path,
        catalog=catalog,
        **(LEARNS | {"observe": lambda event: log.append((type(event).__name__, event))}),
    )
    split = next(event.split for kind, event in log if kind == "DataReady")
    table = next(event.report.table for kind, event in log if kind == "DataReady")
    test = {table.pictures[i].id for i in split.test}
    reads = [position for position, (kind, ids) in enumerate(log) if kind == "read" and ids & test]
    assert len(reads) == 1
    assert reads[0] > max(position for position, (kind, _) in enumerate(log) if kind == "RunEnded")
    assert [row.test is not None for row in board.rows if row.kind == "run"].count(True) == 1
    assert board.recommended is not None
    assert board.recommended.test is not None
    assert board.recommended.test.n == len(test)


def test_the_test_part_is_looked_at_once(photos: Path, tmp_path: Path, catalog: Catalog) -> None:
    """The same grid again takes the test score from the store; the store counts one look."""
    options: dict[str, Any] = {**LEARNS, "backbones": ["tiny"], "policies": ["unfreeze-all"], "catalog": catalog}
    boards = [zoo.compare(photos, store=tmp_path, **options) for _ in range(2)]
    assert boards[0] == boards[1] == zoo.leaderboard(tmp_path)
    with Store(tmp_path) as store:
        assert len(store.test_looks(boards[0].split)) == 1


def test_pitfall_114_rows_on_other_data_are_not_compared(photos: Path, tmp_path: Path, catalog: Catalog) -> None:
    """One more picture, and the old rows stand apart with a note."""
    options: dict[str, Any] = {**QUICK, "backbones": ["tiny"], "policies": ["freeze-all"], "catalog": catalog}
    zoo.compare(photos, store=tmp_path, **options)
    Image.new("RGB", (30, 30), (9, 200, 30)).save(photos / "dark" / "new.png")
    zoo.compare(photos, store=tmp_path, **options)
    board = zoo.leaderboard(tmp_path)
    assert len([row for row in board.rows if row.kind == "run"]) == 1
    (stale,) = board.stale
    assert stale.notes[0] == "Run on other data: its score cannot be compared with those above."


def test_pitfall_55_labels_that_are_none_are_refused(tmp_path: Path) -> None:
    """A source that gives label 3 for three classes is an error before any training."""

    class Wrong:
        """A source with a label too many."""

        @staticmethod
        @hookimpl
        def zoo_sources() -> list[zoo.Source]:
            """The one source."""

            def load(location: object) -> ImageTable:
                noise = np.random.default_rng(0).integers(0, 256, (12, 16, 16, 3), dtype=np.uint8)
                rows = tuple(Picture(id=f"{i:02}", label=i % 4, pixels=noise[i]) for i in range(12))
                return ImageTable(location="x", classes=("a", "b", "c"), pictures=rows)

            return [zoo.Source(name="wrong", title="wrong", accepts=lambda location: location == "wrong", load=load)]

    with pytest.raises(SourceError, match="label"):
        zoo.fit("wrong", backbone="scratch-cnn", store=tmp_path, catalog=load_catalog(only=[], extra=[Wrong]), **QUICK)


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"backbones": ["tinny"]}, UnknownNameError, "no backbone named 'tinny'"),
        ({"backbones": []}, UsageError, "No backbone is named"),
        ({"backbones": "tiny"}, UsageError, "No backbone is named: 'tiny'"),
        ({"seeds": 0}, UsageError, "seeds must be a whole number of at least 1, not 0"),
        ({"epochs": 0}, UsageError, "epochs must be"),
        ({"batch_size": 1}, UsageError, "batch_size must be"),
        ({"backbones": ["tiny:weights=/no/such/file.h5"]}, TrainingError, ""),
    ],
)
def test_a_grid_that_cannot_start_says_why(
    changes: dict[str, Any], error: type[Exception], text: str, photos: Path, tmp_path: Path, catalog: Catalog
) -> None:
    """Wrong names and numbers are refused before anything runs; a missing weights file fails its row."""
    options = {**QUICK, "backbones": ["tiny"], "policies": ["freeze-all"], "store": tmp_path, "catalog": catalog}
    if error is TrainingError:
        board = zoo.compare(photos, **(options | changes))
        assert [row.status for row in board.rows if row.kind == "run"] == ["failed"]
        return
    with pytest.raises(error, match=text):
        zoo.compare(photos, **(options | changes))


def test_a_leaderboard_needs_a_store(tmp_path: Path) -> None:
    """Where nothing was compared, it says how to."""
    with pytest.raises(RunNotFoundError, match="There is no store in"):
        zoo.leaderboard(tmp_path / "nothing")


def test_pitfall_26_pictures_divided_by_255_are_refused(photos: Path, tmp_path: Path, catalog: Catalog) -> None:
    """uint8 and float 0-255 predict the same (but for the place in the batch); float 0-1 is said to be what it is."""
    run = zoo.fit(photos, backbone="tiny", policy="freeze-all", store=tmp_path, catalog=catalog, **QUICK)
    picture = np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8)
    whole, real, small = run.predict([picture, picture.astype(np.float32), picture / 255])
    assert whole.probabilities == pytest.approx(real.probabilities, abs=1e-6)
    assert run.predict([picture]) == run.predict([picture.astype(np.float32)])
    assert small.label is None
    assert "255" in small.error


def test_pitfall_31_arrays_are_never_changed(photos: Path, tmp_path: Path, catalog: Catalog) -> None:
    """What a person hands over to be predicted is as it was."""
    run = zoo.fit(photos, backbone="tiny", policy="freeze-all", store=tmp_path, catalog=catalog, **QUICK)
    pictures = np.random.default_rng(0).integers(0, 256, (3, 20, 24, 3)).astype(np.float32)
    before = pictures.copy()
    run.predict(pictures)
    assert np.array_equal(pictures, before)


@pytest.fixture
def downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Keras' download, faked: a file in the published layout with random numbers; lists what was asked for."""
    stock = keras.applications.EfficientNetB0(include_top=False, weights=None, input_shape=(32, 32, 3))
    path = tmp_path / "published.h5"
    stock.save_weights(tmp_path / "w.weights.h5")
    import h5py
    from keras.src.legacy.saving import legacy_h5_format

    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, stock)
    asked: list[str] = []

    def get_file(fname: str, origin: str, **options: Any) -> str:
        asked.append(fname)
        return str(path)

    monkeypatch.setattr("keras.src.utils.file_utils.get_file", get_file)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.delenv("ZOO_OFFLINE", raising=False)
    return asked


def test_fit_downloads_weights_where_there_is_a_network(photos: Path, tmp_path: Path, downloaded: list[str]) -> None:
    """`zoo.fit(backbone="efficientnetb0", policy="bn-trainable")` asks Keras for the one file, and proves its run."""
    run = zoo.fit(photos, backbone="efficientnetb0:size=32", policy="bn-trainable", store=tmp_path / "s", **QUICK)
    assert downloaded == ["efficientnetb0_notop.h5"]
    assert run.receipt is not None
    assert run.receipt.verdict in {"PASS", "WARN"}
    assert len(run.receipt.rows) == 19
    assert run.status == "finished"
    assert not any("moving statistics" in note for note in run.record.notes)  # those of this policy do not lag


@pytest.mark.parametrize(("policy", "warned"), [("bn-trainable", False), ("bn-trainable:stats=moving", True)])
def test_a_run_warns_of_lag_only_where_statistics_move(
    photos: Path, tmp_path: Path, catalog: Catalog, policy: str, *, warned: bool
) -> None:
    """The note is told before training, kept with the run, and names the way out."""
    told: list[Any] = []
    options = {**QUICK, "observe": told.append}
    run = zoo.fit(photos, backbone="tiny", policy=policy, store=tmp_path, catalog=catalog, **options)
    notes = [note for note in run.record.notes if "Too few steps for the moving statistics" in note]
    assert len(notes) == warned
    assert not warned or "take bn-trainable with stats=precise" in notes[0]
    assert [event.text for event in told if isinstance(event, Note) and "moving statistics" in event.text] == notes


@pytest.mark.slow
def test_the_line_of_the_first_page_works_as_written(
    tmp_path: Path, downloaded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Demo pictures, full size, default epochs: the line, word for word."""
    monkeypatch.chdir(tmp_path)
    run = zoo.fit(backbone="efficientnetb0", policy="bn-trainable")
    assert downloaded == ["efficientnetb0_notop.h5"]
    assert run.status in {"finished", "not learning in inference mode"}
    assert (tmp_path / "zoo-runs" / "runs" / run.id / "model.keras").is_file()


def test_fit_without_a_network_names_file_place_and_way_out(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Offline: within a second the exact file, where to put it, and backbones that carry their weights."""

    class Carrier:
        """A backbone that carries its weights."""

        @staticmethod
        @hookimpl
        def zoo_backbones() -> list[zoo.Backbone]:
            """The one backbone."""
            tiny = tiny_backbone(name="carrier")
            weights = Weights(id="x", origin="here", licence="MIT", trained_on="nothing", bundled=True)
            record = {field: getattr(tiny, field) for field in tiny.__slots__}
            return [zoo.Backbone(**(record | {"weights": (weights,)}))]

    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    items = load_catalog(only=[], extra=[Carrier])
    began = time.perf_counter()
    with pytest.raises(zoo.DataError) as caught:
        zoo.fit(photos, backbone="efficientnetb0", policy="bn-trainable", store=tmp_path / "s", catalog=items, **QUICK)
    assert time.perf_counter() - began < 30  # the second is for the fetch; the scan and Keras come on top
    assert str(tmp_path / "keras" / "models" / "efficientnetb0_notop.h5") in str(caught.value)
    assert "These installed backbones carry their weights: carrier." in caught.value.hint


def test_default_policies_are_the_four() -> None:
    """Nothing named means the four policies of the first page."""
    assert comparison.POLICIES == ("freeze-all", "bn-affine", "bn-trainable", "unfreeze-top-k:k=2")
