"""The cache of converted models, and the process that fills it."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

import pytest

from zoo.errors import WeightsError
from zoo_efficientnet_lite import cache
from zoo_efficientnet_lite.variants import VARIANTS, Variant


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache in use."""
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "efficientnet-lite"


@pytest.fixture
def path_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose modules the converting process imports first; what it needs is not looked for in this one."""
    folder = tmp_path / "first"
    folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setattr(cache, "NEEDED", {})
    return folder


@pytest.fixture
def conversions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replaces the conversion by one that writes other bytes each time; lists what was converted."""
    made: list[str] = []

    def convert(variant: Variant, out: Path, *, seconds: float) -> None:
        made.append(variant.name)
        out.write_bytes(f"model {len(made)} of {variant.name}".encode())

    monkeypatch.setattr(cache, "_run_converter", convert)
    monkeypatch.setattr(cache, "_check_needs", lambda _: None)
    return made


def test_a_model_is_converted_once(folder: Path, conversions: list[str], lite0: Variant) -> None:
    """The second use takes the file of the first; nothing unfinished stays behind."""
    first = cache.converted_model(lite0)
    assert cache.converted_model(lite0) == first
    assert first.read_bytes() == b"model 1 of efficientnet-lite0"
    assert conversions == ["efficientnet-lite0"]
    assert sorted(path.suffix for path in folder.iterdir()) == [".keras", ".sha256"]


@pytest.mark.parametrize("damage", ["changed", "truncated", "removed", "sidecar", "sidecar binary", "sidecar removed"])
def test_a_damaged_cache_is_rebuilt(folder: Path, conversions: list[str], lite0: Variant, damage: str) -> None:
    """Whatever is wrong with model or digest, the model is made again, and is then kept."""
    path = cache.converted_model(lite0)
    (sidecar,) = folder.glob("*.sha256")
    match damage:
        case "changed":
            path.write_bytes(b"MODEL 1 of efficientnet-lite0")
        case "truncated":
            path.write_bytes(b"")
        case "removed":
            path.unlink()
        case "sidecar":
            sidecar.write_text("../../etc/passwd", encoding="ascii")
        case "sidecar binary":
            sidecar.write_bytes(b"\xff\xfe")
        case "sidecar removed":
            sidecar.unlink()
    rebuilt = cache.converted_model(lite0)
    assert rebuilt.read_bytes() == b"model 2 of efficientnet-lite0"
    assert cache.converted_model(lite0) == rebuilt
    assert conversions == ["efficientnet-lite0"] * 2
    if damage in {"changed", "truncated"}:
        assert not path.exists()


def test_what_changes_the_result_changes_the_key(
    folder: Path, conversions: list[str], lite0: Variant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another variant, another version of the converter or of Keras: another file."""
    paths = {cache.converted_model(lite0), cache.converted_model(VARIANTS[1])}
    with monkeypatch.context() as patch:
        patch.setattr(cache, "CONVERTER", cache.CONVERTER + 1)
        paths.add(cache.converted_model(lite0))
    with monkeypatch.context() as patch:
        patch.setattr(importlib.metadata, "version", lambda _: "3.99.0")
        paths.add(cache.converted_model(lite0))
    assert len(paths) == 4
    assert len(conversions) == 4
    assert all(path.is_file() for path in paths)


def test_processes_that_convert_at_once_do_not_mix(
    folder: Path, conversions: list[str], lite0: Variant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If another process publishes its model meanwhile, both files are whole and the later one is used."""
    fake = cache._run_converter  # noqa: SLF001 - the fake that the fixture has put there

    def slow(variant: Variant, out: Path, *, seconds: float) -> None:
        fake(variant, out, seconds=seconds)
        monkeypatch.setattr(cache, "_run_converter", fake)
        other = cache.converted_model(variant)
        assert other.read_bytes() == b"model 2 of efficientnet-lite0"

    monkeypatch.setattr(cache, "_run_converter", slow)
    path = cache.converted_model(lite0)
    assert path.read_bytes() == b"model 1 of efficientnet-lite0"
    assert cache.converted_model(lite0) == path


def test_a_folder_that_cannot_be_used_is_named(
    tmp_path: Path, conversions: list[str], lite0: Variant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ZOO_CACHE that is a file raises with its path and says what to set."""
    (tmp_path / "taken").write_text("", encoding="utf-8")
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "taken"))
    with pytest.raises(WeightsError, match=r"The cache of converted models cannot be used: .*taken") as caught:
        cache.converted_model(lite0)
    assert "ZOO_CACHE" in caught.value.hint


@pytest.mark.parametrize(
    ("platform", "variable", "expected"),
    [
        ("linux", "XDG_CACHE_HOME", "root/keras-zoo/efficientnet-lite"),
        ("win32", "LOCALAPPDATA", "root/keras-zoo/efficientnet-lite"),
        ("linux", None, "home/.cache/keras-zoo/efficientnet-lite"),
        ("win32", None, "home/AppData/Local/keras-zoo/efficientnet-lite"),
        ("darwin", None, "home/Library/Caches/keras-zoo/efficientnet-lite"),
    ],
)
def test_the_platforms_folder_is_used(
    monkeypatch: pytest.MonkeyPatch, platform: str, variable: str | None, expected: str
) -> None:
    """Without ZOO_CACHE the models lie where the platform keeps caches."""
    for name in ("ZOO_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(Path, "home", lambda: Path("home"))
    if variable:
        monkeypatch.setenv(variable, "root")
    assert cache.cache_folder() == Path(expected)


@pytest.mark.parametrize("module", ["tensorflow", "keras_cv"])
def test_what_the_conversion_needs_is_named(
    folder: Path, lite0: Variant, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With an empty cache and without TensorFlow or keras_cv, no process is started and the message says what to do."""
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(WeightsError, match=f"must be converted once, and that needs {module}") as caught:
        cache.converted_model(lite0)
    assert "pip install 'keras-" in caught.value.hint
    assert not folder.exists()


def test_a_filled_cache_needs_neither(
    folder: Path, conversions: list[str], lite0: Variant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once converted, the model is had without TensorFlow, keras_cv and the package of the weights."""
    path = cache.converted_model(lite0)
    for module in ("tensorflow", "keras_cv"):
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr(cache, "_check_needs", lambda _: pytest.fail("nothing is needed"))
    assert cache.converted_model(lite0) == path


@pytest.mark.parametrize("kind", ["ImportError", "AttributeError"])
def test_pitfall_100_a_broken_keras_cv_is_isolated(folder: Path, path_first: Path, lite0: Variant, kind: str) -> None:
    """A keras_cv that cannot be imported raises WeightsError with its own last line, and leaves an empty cache."""
    (path_first / "keras.py").write_text("", encoding="utf-8")
    (path_first / "keras_cv.py").write_text(f"raise {kind}('no [bold]Resolver[/] in kagglehub')", encoding="utf-8")
    with pytest.raises(WeightsError, match=r"by keras_cv failed \(exit status 1\)") as caught:
        cache.converted_model(lite0)
    assert f"{kind}: no [bold]Resolver[/] in kagglehub" in caught.value.message
    assert caught.value.hint.startswith("keras_cv is no longer developed")
    assert list(folder.iterdir()) == []


def test_a_slow_conversion_is_stopped(folder: Path, path_first: Path, lite0: Variant) -> None:
    """A conversion that hangs is ended, and what it had said is shown."""
    (path_first / "keras.py").write_text(
        "import sys, time\nprint('waits for ever', file=sys.stderr, flush=True)\ntime.sleep(60)", encoding="utf-8"
    )
    with pytest.raises(WeightsError, match="took longer than 5 s and was stopped") as caught:
        cache.converted_model(lite0, seconds=5)
    assert caught.value.message.endswith("Its last lines:\nwaits for ever")
    assert list(folder.iterdir()) == []


def test_the_working_folder_is_not_imported_from(
    folder: Path, path_first: Path, lite0: Variant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user's keras.py in the current folder is not run by the conversion."""
    (tmp_path / "keras.py").write_text("raise SystemExit('the wrong keras')", encoding="utf-8")
    (path_first / "keras.py").write_text("raise SystemExit('the right keras')", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightsError, match="the right keras"):
        cache.converted_model(lite0)
