"""The reader of torch's legacy format against files that want more than to be read."""

from __future__ import annotations

import os
import pickle
import struct
import sys
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import pytest

from zoo.errors import WeightsError
from zoo_efficientnet_lite import state_pickle
from zoo_efficientnet_lite.torch_legacy import read_tensors

if TYPE_CHECKING:
    from pathlib import Path


class Shell:
    """Pickles into a call of the shell."""

    def __init__(self, victim: Path) -> None:
        """The call would make the victim."""
        self.victim = victim

    def __reduce__(self) -> tuple[Any, ...]:
        """What pickle is told to call."""
        return os.system, (f"echo > {self.victim}",)


def framed(legacy_file: Any, payload: bytes, position: int) -> bytes:
    """A file in which the pickle at a position (0 magic, 3 state, 4 keys) is the payload."""
    parts = [pickle.dumps(p, 2) for p in (legacy_file.magic, 1001, {"little_endian": True}, {}, [])]
    parts[position] = payload
    return b"".join(parts)


@pytest.mark.parametrize("position", range(5))
def test_a_call_of_the_shell_is_named_and_not_run(legacy_file: Any, tmp_path: Path, position: int) -> None:
    """The forbidden global stands in the message, wherever in the file it is, and its effect is absent."""
    victim = tmp_path / "victim"
    data = framed(legacy_file, pickle.dumps(Shell(victim), 2), position)
    with pytest.raises(WeightsError, match=rf"'{os.name}\.system'.*Nothing of it was run") as caught:
        read_tensors(data, origin="The file")
    assert "do not load it with torch" in caught.value.hint
    assert not victim.exists()


@pytest.mark.parametrize("protocol", [0, 1, 3, 4, 5])
def test_other_protocols_do_not_get_round_it(legacy_file: Any, tmp_path: Path, protocol: int) -> None:
    """What torch does not write is not run either."""
    victim = tmp_path / "victim"
    with pytest.raises(WeightsError, match="The file"):
        read_tensors(framed(legacy_file, pickle.dumps(Shell(victim), protocol), 3), origin="The file")
    assert not victim.exists()


@pytest.mark.parametrize(
    "name",
    [
        "builtins\neval",
        "builtins\ngetattr",
        "torch\nload",
        "torch.hub\nload",
        "torch\nUntypedStorage",
        "torch._utils\n_rebuild_parameter",
        "collections\nChainMap",
        "numpy\nload",
        "zoo_efficientnet_lite.state_pickle\nStorage",
    ],
)
def test_only_listed_globals_are_allowed(legacy_file: Any, name: str) -> None:
    """Neighbours of what is allowed are turned away by name."""
    payload = b"\x80\x02c" + name.encode() + b"\n."
    with pytest.raises(WeightsError, match=name.replace("\n", ".").replace(".", r"\.")):
        read_tensors(framed(legacy_file, payload, 3), origin="The file")


def test_a_global_is_not_imported(legacy_file: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module beside the file is not run by being named."""
    (tmp_path / "beside_the_file.py").write_text("raise SystemExit(3)", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(WeightsError, match=r"beside_the_file\.anything"):
        read_tensors(framed(legacy_file, b"\x80\x02cbeside_the_file\nanything\n.", 3), origin="The file")
    assert "beside_the_file" not in sys.modules


@pytest.mark.parametrize(
    "instructions",
    [
        pytest.param(b"\x82\x01", id="EXT1"),
        pytest.param(b"(icollections\nOrderedDict\n", id="INST"),
        pytest.param(b"(ccollections\nOrderedDict\no", id="OBJ"),
        pytest.param(b"ccollections\nOrderedDict\n)\x81", id="NEWOBJ"),
        pytest.param(b"S'builtins'\nS'eval'\n\x93", id="STACK_GLOBAL"),
        pytest.param(b"P1\n", id="PERSID"),
    ],
)
def test_instructions_that_torch_does_not_write_are_turned_away(legacy_file: Any, instructions: bytes) -> None:
    """Each other way to reach a class or an extension is closed before anything runs."""
    with pytest.raises(WeightsError, match="which a state dict does not need"):
        read_tensors(framed(legacy_file, b"\x80\x02" + instructions + b".", 3), origin="The file")


def test_a_pickle_cannot_make_the_reader_allocate(legacy_file: Any) -> None:
    """A memo index of four thousand millions, which would take 64 GB, is turned away."""
    payload = b"\x80\x02}r" + struct.pack("<I", 0xFFFFFFFF) + b"."
    with pytest.raises(WeightsError, match="its pickle counts more objects than it has bytes"):
        read_tensors(framed(legacy_file, payload, 3), origin="The file")


def test_a_string_longer_than_the_file_is_damage(legacy_file: Any) -> None:
    """A length is compared with what is there."""
    payload = b"\x80\x02X" + struct.pack("<I", 0x7FFFFFFF) + b"abc."
    with pytest.raises(WeightsError, match="The file is damaged"):
        read_tensors(framed(legacy_file, payload, 3), origin="The file")


@pytest.mark.parametrize(
    "target",
    [
        b"ccollections\nOrderedDict\n",
        b"ctorch._utils\n_rebuild_tensor_v2\n",
        b"ctorch\nFloatStorage\n",
        b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x06NtQ",
    ],
    ids=["OrderedDict", "rebuild", "kind", "storage"],
)
@pytest.mark.parametrize("slots", [False, True])
def test_nothing_can_be_altered_by_a_pickle(legacy_file: Any, target: bytes, slots: bool) -> None:  # noqa: FBT001 - parametrised
    """Setting attributes on what stands for a global fails and leaves no trace."""
    state = pickle.dumps((None, {"dtype": "O"}) if slots else {"dtype": "O"}, 2)[2:-1]
    with pytest.raises(WeightsError, match="damaged"):
        read_tensors(framed(legacy_file, b"\x80\x02" + target + state + b"b.", 3), origin="The file")
    assert not hasattr(OrderedDict, "dtype")
    assert not hasattr(state_pickle.RebuildTensor, "dtype")
    assert isinstance(state_pickle.Kind("<f4").dtype, str)


def test_attributes_of_the_dict_do_not_matter(legacy_file: Any) -> None:
    """A dict whose `items` the file has replaced is still read by its content."""
    attributes = pickle.dumps({"items": "replaced", "_metadata": {}}, 2)[2:-1]
    file = legacy_file(empty=b"ccollections\nOrderedDict\n)R", extra=attributes + b"b")
    assert list(read_tensors(bytes(file), origin="The file")) == ["w"]
