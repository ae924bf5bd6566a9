"""The reader of torch's legacy format: what it reads, and what it turns away."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import numpy as np
import pytest

from zoo.errors import WeightsError
from zoo_efficientnet_lite.released import released_file, released_tensors, verified_bytes
from zoo_efficientnet_lite.torch_legacy import read_tensors


def read(file: Any) -> dict[str, Any]:
    """The tensors of a file."""
    return read_tensors(bytes(file), origin="The file")


def legacy_bytes(torch: Any, state: Any) -> bytes:
    """What torch writes in its legacy format."""
    stream = io.BytesIO()
    torch.save(state, stream, _use_new_zipfile_serialization=False)
    return stream.getvalue()


def test_a_made_up_file_is_read(legacy_file: Any, entry: Any) -> None:
    """Names, shapes, views with offset and stride, and shared storages come out as written."""
    tensors = read(
        legacy_file(
            [
                entry(name="whole"),
                entry(name="transposed", size=(3, 2), stride=(1, 3)),
                entry(name="part", size=(2,), stride=(2,), offset=1),
                entry(name="scalar", size=(), stride=(), offset=5),
                entry(name="empty", size=(0, 4), stride=(4, 1), key="1", values=()),
            ]
        )
    )
    whole = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
    assert list(tensors) == ["whole", "transposed", "part", "scalar", "empty"]
    np.testing.assert_array_equal(tensors["whole"], whole)
    np.testing.assert_array_equal(tensors["transposed"], whole.T)
    np.testing.assert_array_equal(tensors["part"], [2, 4])
    assert tensors["scalar"] == 6
    assert tensors["scalar"].shape == ()
    assert tensors["empty"].shape == (0, 4)
    assert {tensor.dtype for tensor in tensors.values()} == {np.dtype(np.float32)}
    assert all(tensor.flags.owndata and tensor.flags.writeable for tensor in tensors.values())


def test_what_torch_saves_is_read() -> None:
    """Each kind of number, a transposed view and a module's state dict come out as torch has them."""
    torch = pytest.importorskip("torch", reason="torch writes the file")
    state = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)).state_dict()
    base = torch.arange(24, dtype=torch.float32).reshape(2, 3, 4)
    state["view"] = base.permute(2, 0, 1)[1:, :, ::2]
    for kind in ("float64", "float16", "int64", "int32", "int16", "int8", "uint8", "bool"):
        state[kind] = torch.tensor([0, 1, 1, 0]).to(getattr(torch, kind))
    tensors = read(legacy_bytes(torch, state))
    assert list(tensors) == list(state)
    for name, tensor in state.items():
        assert tensors[name].dtype == tensor.numpy().dtype
        np.testing.assert_array_equal(tensors[name], tensor.numpy())


def test_the_released_file_is_read_as_torch_reads_it(lite0: Any) -> None:
    """All 296 tensors of the released lite0 equal what torch.load gives, bit for bit."""
    torch = pytest.importorskip("torch", reason="torch reads the file for comparison")
    expected = torch.load(released_file(lite0), weights_only=True)
    tensors = released_tensors(lite0)
    assert list(tensors) == list(expected)
    assert len(tensors) == 296
    assert all(np.array_equal(tensors[name], tensor.numpy()) for name, tensor in expected.items())


def test_a_zip_file_is_turned_away() -> None:
    """The newer format is named, with the way back to the legacy one."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("archive/data.pkl", b"")
    with pytest.raises(WeightsError, match="The file is a zip file: torch's newer format") as caught:
        read(stream.getvalue())
    assert "_use_new_zipfile_serialization=False" in caught.value.hint


@pytest.mark.parametrize("data", [b"", b"\x80", b"\x89HDF\r\n\x1a\n" + bytes(100), b"hello\nworld\n", bytes(1000)])
def test_another_format_is_turned_away(data: bytes) -> None:
    """Whatever does not begin with the magic number is no file of torch."""
    with pytest.raises(WeightsError, match=r"^The file is not a file of torch\.save"):
        read(data)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"magic": 1}, "is not a file of torch.save"),
        ({"protocol": 1002}, "has protocol version 1002; only 1001 is known"),
        ({"little_endian": False}, "was not written on a little-endian machine"),
        ({"keys": ["0", "0"]}, "1 storages are declared, 2 are listed"),
        ({"keys": ["1"]}, "1 storages are declared, 1 are listed"),
        ({"keys": "0"}, "the list of storages is not a list of keys"),
        ({"after": b"xyz"}, "3 bytes follow after the last storage"),
        ({"extra": b"0]"}, "the instruction POP"),
        ({"extra": b"K\x01s"}, "damaged"),
        ({"extra": b"X\x01\x00\x00\x00aK\x01s"}, "the entry 'a' is not a named tensor"),
    ],
)
def test_a_wrong_frame_is_turned_away(legacy_file: Any, changes: dict[str, Any], message: str) -> None:
    """Header, list of storages and what lies around the tensors are checked."""
    with pytest.raises(WeightsError, match=message):
        read(legacy_file(**changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": (2, 4)}, r"a tensor of size \(2, 4\) does not fit its storage of 6 elements"),
        ({"offset": 1}, "does not fit its storage"),
        ({"stride": (4, 1)}, "does not fit its storage"),
        ({"size": (10**9,), "stride": (0,)}, "does not fit its storage"),
        ({"size": (10**9, 0), "stride": (1,)}, "2 sizes and 1 strides"),
        ({"size": (1,) * 9, "stride": (1,) * 9}, "9 sizes and 9 strides"),
        ({"offset": -1}, "is not a whole number from 0 up"),
        ({"size": (2.0, 3)}, "is not a whole number from 0 up"),
        ({"size": [2, 3]}, "is not a whole number from 0 up"),
        ({"stride": (3, True)}, "is not a whole number from 0 up"),
        ({"numel": 7}, "has 6 elements, 7 are declared"),
        ({"numel": -6}, "number of elements is not valid"),
        ({"numel": "6"}, "number of elements is not valid"),
        ({"storage": "X\x02\x00\x00\x00<f"}, "class, key or number of elements is not valid"),
    ],
)
def test_a_wrong_tensor_is_turned_away(legacy_file: Any, entry: Any, changes: dict[str, Any], message: str) -> None:
    """Sizes, strides and storages that do not fit one another never reach NumPy."""
    with pytest.raises(WeightsError, match=message):
        read(legacy_file([entry(**changes)]))


def test_a_storage_declared_twice_is_turned_away(legacy_file: Any, entry: Any) -> None:
    """One key with two sizes is damage."""
    with pytest.raises(WeightsError, match="the storage '0' is declared twice, differently"):
        read(legacy_file([entry(), entry(name="v", numel=5, size=(5,), stride=(1,))]))


def test_a_state_that_is_no_dict_is_turned_away(legacy_file: Any) -> None:
    """A file that holds a list says so."""
    with pytest.raises(WeightsError, match="it holds an object of type list, not a state dict"):
        read(legacy_file([], empty=b"]"))


def test_every_truncation_is_noticed(legacy_file: Any) -> None:
    """A file cut at any byte raises WeightsError and nothing else."""
    data = bytes(legacy_file())
    for length in range(len(data)):
        with pytest.raises(WeightsError):
            read(data[:length])


def test_no_changed_byte_gets_another_error(legacy_file: Any) -> None:
    """A file with one byte changed is read or raises WeightsError; what is read is no larger than its storage."""
    data = bytes(legacy_file())
    for position in range(len(data)):
        for value in (0, 1, 0x2E, 0x52, 0x62, 0x72, 0xFF, data[position] ^ 1):
            try:
                tensors = read(data[:position] + bytes([value]) + data[position + 1 :])
            except WeightsError:
                continue
            assert all(tensor.nbytes <= 24 for tensor in tensors.values()), position


def test_a_truncated_released_file_is_noticed(lite0: Any) -> None:
    """The real file, cut inside its storages, names what is missing."""
    with pytest.raises(WeightsError, match=r"The file is damaged: the file ends inside the storage '\d+'"):
        read(verified_bytes(lite0)[:-1])
