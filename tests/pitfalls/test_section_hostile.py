"""Cases of the same kinds as the numbered pitfalls, found by using the library as a hostile person would."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

import zoo
from zoo.builtin import source_folder, source_presplit
from zoo.cli.finding import find
from zoo.decoding import decode
from zoo.errors import RunFormatError, RunNotFoundError, SourceError, UnknownNameError
from zoo.experiment import is_complete
from zoo.store import Store

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.registry import Catalog

LONG = "x" * 5000
"""No system allows such a name."""


def a_run(photos: Path, store: Path, **more: Any) -> zoo.Run:
    """A small run."""
    return zoo.fit(
        photos, backbone="scratch-cnn:size=32", epochs=1, batch_size=8, store=store, observe=lambda _: None, **more
    )


@pytest.fixture
def run(photos: Path, tmp_path: Path) -> zoo.Run:
    """A finished run."""
    return a_run(photos, tmp_path / "store")


def command(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """The command line in a process."""
    return subprocess.run([sys.executable, "-m", "zoo", *words], text=True, check=False, timeout=120, **options)


def place(root: Path, *names: str) -> Path:
    """Empty files."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    return root


def test_pitfall_46_a_name_that_the_system_does_not_allow_is_not_there(
    run: zoo.Run, photos: Path, tmp_path: Path, catalog: Catalog
) -> None:
    """As data, run, store and picture: said in our words, where `pathlib` raises before Python 3.14."""
    with pytest.raises(SourceError, match="There is no folder"):
        a_run(LONG, tmp_path / "store")  # type: ignore[arg-type] - a path as text
    with pytest.raises(RunNotFoundError):
        zoo.load(LONG, store=tmp_path / "store")
    with pytest.raises(RunNotFoundError, match="no store"):
        zoo.load(run.id, store=LONG)
    with pytest.raises(UnknownNameError):
        find(LONG, catalog, store=tmp_path / LONG)
    (told,) = run.predict(LONG)
    assert told.label is None
    assert "cannot be used" in told.error


def test_pitfall_39_an_address_is_told_from_a_file(run: zoo.Run) -> None:
    """Nothing is fetched, and the message says what was given."""
    for address in ("https://example.com/a.png", "s3://bucket/a.png"):
        (told,) = run.predict(address)
        assert "it is an address, not a file" in told.error
    with pytest.raises(SourceError, match="no such file"):
        decode("C:/no such.png")


@pytest.mark.parametrize("library", ["torch", "jax.numpy", "tensorflow"])
def test_pitfall_52_a_tensor_is_one_picture_as_an_array_is(run: zoo.Run, library: str) -> None:
    """Its rows are not taken for grey pictures, whatever library it is of; four sides are several pictures."""
    module = pytest.importorskip(library)
    make = getattr(module, "asarray", None) or module.convert_to_tensor
    picture = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    expected = run.predict(picture)
    assert run.predict(make(picture)) == expected
    assert len(run.predict(make(np.stack([picture, picture])))) == 2


def test_pitfall_52_columns_of_paths_are_lists_and_numbers_are_none(run: zoo.Run, photos: Path) -> None:
    """An array of paths is read; bytes and nothing at all are no pictures, and `""` is not the folder one is in."""
    paths = [str(path) for path in sorted(photos.rglob("*.*"))[:3]]
    assert [one.item for one in run.predict(np.array(paths))] == paths
    (told,) = run.predict(np.arange(3))
    assert "not one picture" in told.error
    for wrong in (b"abc", 3, None, ""):
        with pytest.raises(SourceError):
            run.predict(wrong)


@pytest.mark.parametrize("name", ["model.keras", "card.json", "predictions-validation.npz"])
@pytest.mark.parametrize("content", [b"", b"no such thing"])
def test_pitfall_115_a_run_whose_files_are_damaged_is_run_again(
    photos: Path, tmp_path: Path, name: str, content: bytes
) -> None:
    """What says `Run the recipe again` can be done: an equal call does not take the damaged run for finished."""
    run = a_run(photos, tmp_path)
    (run.folder / name).write_bytes(content)
    with Store(tmp_path) as store:
        assert not is_complete(store, run.record)
    again = a_run(photos, tmp_path)
    assert again.folder != run.folder
    assert (run.folder / name).read_bytes() == content
    assert again.predict(photos)[0].label in again.classes


def test_pitfall_85_a_model_that_is_gone_is_named(run: zoo.Run) -> None:
    """Not `it ended as finished`: the file that is missing."""
    (run.folder / "model.keras").unlink()
    with pytest.raises(RunFormatError, match=r"is gone: there is no .*model\.keras"):
        zoo.load(run.folder)


@pytest.mark.parametrize(
    ("names", "part"), [(("train", "dev"), "validation"), (("Training", "TESTING"), "test"), (("trn", "tst"), "test")]
)
def test_pitfall_47_parts_under_their_other_usual_names(tmp_path: Path, names: tuple[str, str], part: str) -> None:
    """`train` beside `dev` is divided data, not a set whose classes are train and dev."""
    place(tmp_path, *(f"{one}/{kind}/{n}.jpg" for one in names for kind in ("cat", "dog") for n in range(2)))
    assert source_presplit.accepts(tmp_path)
    table = source_presplit.load(tmp_path)
    assert table.classes == ("cat", "dog")
    assert part in {one.part for one in table.pictures}


def test_pitfall_47_equal_sub_folders_of_all_classes_are_noted(tmp_path: Path) -> None:
    """Parts under names that nobody knows, or years, over the real classes: it is said which were taken."""
    place(tmp_path / "x", *(f"{one}/{kind}/1.jpg" for one in ("round1", "round2") for kind in ("cat", "dog")))
    (note,) = source_folder.load(tmp_path / "x").notes
    assert "'round1', 'round2' has the same sub-folders, 'cat', 'dog'" in note
    place(tmp_path / "y", "cat/2019/1.jpg", "cat/2020/1.jpg", "dog/2019/1.jpg")
    assert source_folder.load(tmp_path / "y").notes == ()


def test_pitfall_73_numbers_of_numpy_are_numbers(photos: Path, tmp_path: Path) -> None:
    """Settings from an array or a table mean what plain numbers mean, down to the id of the run."""
    odd = a_run(photos, tmp_path, seed=np.int64(3), learning_rate=np.float32(0.5), split_seed=np.int16(2))
    assert a_run(photos, tmp_path, seed=3, learning_rate=0.5, split_seed=2).id == odd.id


def test_pitfall_93_more_workers_than_rows_cost_nothing(photos: Path, tmp_path: Path) -> None:
    """A call for thousands of workers leaves the only row the memory of one."""
    board = zoo.compare(
        *(photos,),
        backbones=["scratch-cnn:size=32"],
        policies=["freeze-all"],
        epochs=1,
        batch_size=8,
        jobs=5000,
        store=tmp_path,
        observe=lambda _: None,
    )
    assert [row.status for row in board.rows if row.kind == "run"] == ["finished"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no full device")  # noqa: PTH110
@pytest.mark.parametrize("words", [("list",), ("--version",), ("plugins", "--json")])
def test_pitfall_115_results_on_a_full_disk(words: tuple[str, ...]) -> None:
    """No bug and no traceback, whether it shows at once or when the last lines are written."""
    with open("/dev/full", "w", encoding="utf-8") as full:  # noqa: PTH123
        done = command(*words, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 6
    assert done.stderr.startswith("error: The system refuses: No space left on device.\nhint: Free")
    assert os.strerror(errno.ENOSPC) == "No space left on device"


@pytest.mark.skipif(sys.platform == "win32", reason="streams close differently")
def test_pitfall_105_a_service_has_no_streams() -> None:
    """Started without stdout and stderr, as services are, a command works."""
    script = '"$0" -m zoo list >&- 2>&-; echo "code $?"'
    done = subprocess.run(["/bin/sh", "-c", script, sys.executable], capture_output=True, text=True, check=False)
    assert done.stdout == "code 0\n"


@pytest.mark.parametrize("content", ['{"floatx": "float8"}', '{"backend": "tensorflow", "floatx": 3}'])
def test_pitfall_98_a_setting_of_keras_that_it_does_not_know(photos: Path, tmp_path: Path, content: str) -> None:
    """The file that has to be mended is named."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "keras.json").write_text(content)
    environment = {**os.environ, "KERAS_HOME": str(tmp_path / "home")}
    words = ("fit", str(photos), "-b", "scratch-cnn:size=32", "--epochs", "1", "--store", str(tmp_path / "store"))
    done = command(*words, env=environment, capture_output=True)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "error: Keras cannot start: Invalid `floatx`" in done.stderr
    assert f"hint: Mend or remove {tmp_path / 'home' / 'keras.json'}" in done.stderr


def test_pitfall_35_pictures_in_memory_are_as_in_files(run: zoo.Run, tmp_path: Path) -> None:
    """A Pillow image, its array and its file get the same probabilities."""
    pixels = np.random.default_rng(1).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "one.png")
    results = [run.predict(one)[0].probabilities for one in (pixels, Image.fromarray(pixels), tmp_path / "one.png")]
    assert results == [results[0]] * 3
