"""Whole runs on pictures that are not RGB: grey, with alpha, arrays of five channels."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

import zoo
from zoo.builtin import source_folder
from zoo.dataset import prepare
from zoo.errors import ContractError, SourceError
from zoo.events import DataReady, RunStarted
from zoo.hookspecs import hookimpl
from zoo.planning import plan
from zoo.plugins import load_catalog
from zoo.recipe import recipe_digest, row_digest
from zoo.testing import check_backbone, tiny_backbone

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.registry import Catalog

QUICK: dict[str, Any] = {"epochs": 3, "batch_size": 8, "learning_rate": 0.02, "policy": "unfreeze-all"}


class Bands:
    """Tiny backbones with the option `channels`, with a fixed one, and one that does not obey."""

    @hookimpl
    def zoo_backbones(self) -> list[zoo.Backbone]:
        """The last takes RGB whatever it is told."""
        obeying = tiny_backbone(name="bands", channels=True)

        def stubborn(*, size: int, weights: Any, channels: int) -> Any:
            assert channels
            return tiny_backbone().build(size=size, weights=weights)

        record = {field: getattr(obeying, field) for field in obeying.__slots__}
        return [obeying, tiny_backbone(), zoo.Backbone(**(record | {"name": "stubborn", "build": stubborn}))]


@pytest.fixture(scope="module")
def bands() -> Catalog:
    """Everything built in and the backbones above."""
    return load_catalog(only=[], extra=[Bands()])


def folder(path: Path, channels: int, suffix: str) -> Path:
    """Two classes of 24 pictures; they differ in their last channel only."""
    draw = np.random.default_rng(1)
    for label, name in enumerate(("low", "high")):
        (path / name).mkdir(parents=True)
        for number in range(24):
            values = draw.integers(60, 200, (20, 24, channels))
            values[:, :, -1] = draw.integers(0, 100, (20, 24)) + 150 * label
            picture = values.astype(np.uint8)
            target = path / name / f"{number:02}{suffix}"
            if suffix == ".npy":
                np.save(target, picture)
            else:
                Image.fromarray(picture[:, :, 0] if channels == 1 else picture).save(target)
    return path


def test_a_plan_for_pictures_of_five_channels(bands: Catalog, tmp_path: Path) -> None:
    """They are decoded as the rows will do it, and counted with all channels."""
    data = folder(tmp_path / "data", 5, ".npy")
    where: dict[str, Any] = {"store": tmp_path / "runs", "cache": False, "catalog": bands, "observe": _quiet}
    found = plan(data, backbones=["bands:channels=5"], **where)
    assert found.pixels == found.pictures * 16 * 16 * 5
    assert found.other_seconds > 0


@pytest.mark.parametrize(
    ("channels", "suffix", "light"),
    [(1, ".png", "none"), (2, ".png", "none"), (4, ".png", "light"), (5, ".npy", "light"), (4, ".npy", "none")],
)
def test_a_run_on_other_channels_learns_predicts_and_reloads(
    channels: int, suffix: str, light: str, bands: Catalog, tmp_path: Path
) -> None:
    """What tells the classes is in the last channel: a run that lost it could not learn. Files predict as scored."""
    data = folder(tmp_path / "data", channels, suffix)
    backbone = f"bands:channels={channels}"
    run = zoo.fit(
        data, backbone=backbone, augment=light, store=tmp_path / "runs", catalog=bands, observe=_quiet, **QUICK
    )
    assert run.channels == channels
    assert run.model.input_shape == (None, 16, 16, channels)
    assert run.scores is not None
    assert run.scores.accuracy > 0.9
    card = json.loads((run.folder / "card.json").read_text(encoding="utf-8"))
    assert card["input"]["channels"] == channels
    again = zoo.load(run.folder)
    found = again.predict(data / "high")
    assert [one.error for one in found] == [""] * 24
    assert sum(one.label == "high" for one in found) >= 22
    arrays = [np.load(one.item) if suffix == ".npy" else np.asarray(Image.open(one.item)) for one in found[:3]]
    for one, two in zip(found, again.predict(arrays), strict=False):
        assert two.probability == pytest.approx(one.probability, abs=1e-6)


def test_pictures_that_cannot_be_had_so_are_refused_before_training(bands: Catalog, tmp_path: Path) -> None:
    """The error names the first such file and what to write; no run was begun."""
    data = folder(tmp_path / "data", 5, ".npy")
    events: list[object] = []

    def fault(data: Path, *backbones: str) -> SourceError:
        with pytest.raises(SourceError) as caught:
            zoo.compare(data, backbones=backbones, store=tmp_path / "runs", catalog=bands, observe=events.append)
        return caught.value

    error = fault(data, "bands:channels=5", "bands")
    assert error.message == f"'high/00.npy' of {data} is an array of 5 channels; 'bands' takes 3."
    assert error.hint == "Write bands:channels=5."
    assert "tiny takes RGB only" in fault(data, "tiny").hint
    Image.new("RGB", (20, 20)).save(data / "high" / "x.png")
    error = fault(data, "bands:channels=5")
    assert error.message.startswith(
        f"'high/x.png' of {data} is a picture, which can be had with 1 to 4 channels; 'bands:"
    )
    assert any(isinstance(event, DataReady) for event in events)
    assert not any(isinstance(event, RunStarted) for event in events)


def test_one_grid_has_rows_of_several_channels(bands: Catalog, tmp_path: Path) -> None:
    """Grey and RGB rows share split and board; baselines stay RGB, and the test part is read as the row takes it."""
    data = folder(tmp_path / "data", 1, ".png")
    board = zoo.compare(
        data,
        backbones=["bands:channels=1", "bands", "tiny"],
        policies=["unfreeze-all"],
        epochs=3,
        batch_size=8,
        learning_rate=0.02,
        store=tmp_path / "runs",
        catalog=bands,
        observe=_quiet,
    )
    rows = {row.backbone: row for row in board.rows if row.kind == "run"}
    assert set(rows) == {"bands:channels=1", "bands", "tiny"}
    assert {row.status for row in rows.values()} == {"finished"}
    assert board.recommended is not None
    assert board.recommended.test is not None


def test_channels_are_part_of_what_a_run_is(bands: Catalog, tmp_path: Path) -> None:
    """Rows with different channels have different digests; a backbone without the option has no trace of it."""
    data = folder(tmp_path / "data", 1, ".png")
    runs = [
        zoo.fit(data, backbone=name, epochs=1, store=tmp_path / "runs", catalog=bands, observe=_quiet)
        for name in ("bands", "bands:channels=1", "bands:channels=4", "bands:channels=3")
    ]
    assert len({run.id for run in runs}) == 3
    assert runs[3].id == runs[0].id
    assert len({row_digest(run.recipe) for run in runs}) == 3
    assert len({recipe_digest(run.recipe, {}) for run in runs}) == 3
    assert {run.recipe.data for run in runs} == {runs[0].recipe.data}


def test_a_change_of_alpha_alone_is_other_data_for_rows_that_see_it(bands: Catalog, tmp_path: Path) -> None:
    """White is white on white, however transparent. Rows with alpha are run again; RGB rows and their data stay."""
    data, names = folder(tmp_path / "data", 4, ".png"), ("bands:channels=4", "bands:channels=2", "bands")
    changed = data / "low" / "00.png"
    picture = np.full((20, 24, 4), 255, np.uint8)

    def fitted(alpha: int) -> tuple[list[str], str]:
        picture[:10, :, 3] = alpha
        Image.fromarray(picture).save(changed)
        runs = [
            zoo.fit(data, backbone=name, epochs=1, store=tmp_path / "runs", catalog=bands, observe=_quiet)
            for name in names
        ]
        return [run.id for run in runs], runs[0].recipe.data

    first, second, again = fitted(0), fitted(100), fitted(0)
    assert [one == other for one, other in zip(first[0], second[0], strict=True)] == [False, False, True]
    assert first[1] == second[1]
    assert again == first


def test_sides_have_keys_of_their_own(bands: Catalog, tmp_path: Path) -> None:
    """Features of grey pictures are never taken for those of RGB ones, nor those of one side for another's."""
    dataset = prepare(folder(tmp_path / "data", 1, ".png"), bands)
    colours, grey = dataset.side("train", 16), dataset.side("train", 16, 1)
    sides = [colours, grey, dataset.side("validation", 16), dataset.side("train", 17), dataset.test_side(16)]
    assert len({side.key for side in sides}) == 5
    assert np.array_equal(colours.pixels, np.repeat(grey.pixels, 3, axis=3))
    assert dataset.side("train", 16, 1) is grey


def test_a_backbone_that_does_not_obey_is_its_authors_fault(bands: Catalog, tmp_path: Path) -> None:
    """The network takes three channels although four were asked for."""
    data = folder(tmp_path / "data", 4, ".png")
    with pytest.raises(ContractError, match=r"'stubborn:channels=4' built a network for pictures of 3 channels, not 4"):
        zoo.fit(data, backbone="stubborn:channels=4", store=tmp_path / "runs", catalog=bands, observe=_quiet)


def test_the_test_kit_tries_other_channels(bands: Catalog) -> None:
    """A backbone that obeys passes; one that does not fails for one channel, which the default does not show."""
    check_backbone(bands.backbone("bands"))
    with pytest.raises(ContractError, match=r"'stubborn' with 1 channels takes shape \(None, 8, 8, 3\)"):
        check_backbone(bands.backbone("stubborn"))


def test_arrays_beside_pictures_are_counted_in_a_note(tmp_path: Path) -> None:
    """Masks that lie beside pictures would be taken as pictures: the note tells."""
    data = folder(tmp_path / "data", 1, ".png")
    assert source_folder.load(data).notes == ()
    np.save(data / "low" / "mask.npy", np.zeros((20, 24), np.uint8))
    assert source_folder.load(data).notes == ("Arrays (.npy) are taken as pictures, 1 of 49.",)


def _quiet(_: object) -> None:
    """Tells nobody."""
