"""Tables that list pictures: what is found in them, and how each fault is told."""

from __future__ import annotations

import codecs
import contextlib
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from zoo.builtin import source_folder, source_manifest
from zoo.builtin.source_manifest import accepts, load
from zoo.dataset import find_source, load_table
from zoo.errors import SourceError

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.registry import Catalog
    from zoo.values import ImageTable

FILES = ("img/1.jpg", "img/2.jpg", "img/3.jpg", "img/4.jpg", "img/a,b.jpg", "img/é.jpg")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with files that are never opened."""
    (tmp_path / "img").mkdir()
    for name in FILES:
        (tmp_path / name).write_bytes(b"not opened")
    return tmp_path


def read(home: Path, text: str | bytes, *, name: str = "list.csv", **options: Any) -> ImageTable:
    """The table of a manifest with this text."""
    (home / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return load(home / name, **options)


def rows(table: ImageTable) -> list[tuple[str, str]]:
    """Id and class name of each picture."""
    return [(one.id, table.classes[one.label]) for one in table.pictures]


BOTH = [("img/1.jpg", "a"), ("img/2.jpg", "b")]


def test_rows_in_any_order_keep_their_labels(home: Path) -> None:
    """Pitfall 50: each label goes with its path, pictures are sorted by id, and the columns are told."""
    table = read(home, "label,path\nb,img/2.jpg\na,img/1.jpg\n")
    assert rows(table) == BOTH
    assert table.pictures[0].path == str(home / "img" / "1.jpg")
    assert (table.location, table.notes) == (
        str(home / "list.csv"),
        ("Columns of the table: path 'path', label 'label'; no split; no group.",),
    )


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("File Name;CLASS\nimg/1.jpg;a\nimg/2.jpg;b\n", {}),
        ("image_path|target\nimg/1.jpg|a\nimg/2.jpg|b", {}),
        ("sep=;\r\npath;label\r\nimg/1.jpg;a\r\nimg/2.jpg;b\r\n", {}),
        ('"path","label"\n"img/1.jpg","a"\n\n" img/2.jpg ",b ,\n,,\n', {}),
        ("path,label\n./img/1.jpg,a\nimg//x/..\\2.jpg,b\n", {}),
        ("x,class,kind\nimg/1.jpg,1,a\nimg/2.jpg,1,b\n", {"path": "x", "label": "Kind"}),
        ("path,label\n1.jpg,a\n2.jpg,b\n", {"root": "img"}),
        ("image_id,label\n1,a\n2,b\n", {"root": "img", "suffix": ".jpg", "path": "image_id"}),
        (codecs.BOM_UTF8 + b"path,label\nimg/1.jpg,a\nimg/2.jpg,b\n", {}),
        ("path,label\nimg/1.jpg,a\nimg/2.jpg,b\n".encode("utf-16"), {}),
        ("path\tlabel\nimg/1.jpg\ta\nimg/2.jpg\tb\n", {"separator": "tab"}),
        ("path,label\rimg/1.jpg,a\rimg/2.jpg,b\r", {}),
        (",path,label,\r\n0,img/1.jpg,a,\r\n1,img/2.jpg,b\r\n", {}),
        (f"mask,path,label\n{'9 ' * 100_000},img/1.jpg,a\n,img/2.jpg,b\n", {}),
    ],
    ids=[
        "semicolon",
        "bar",
        "sep=",
        "quotes",
        "dots",
        "columns",
        "root",
        "suffix",
        "BOM",
        "UTF-16",
        "separator",
        "CR",
        "unnamed",
        "long",
    ],
)
def test_ways_in_which_a_table_is_written(home: Path, text: str | bytes, options: dict[str, str]) -> None:
    """Separators, quotes, blanks, empty lines, marks of encodings and names of columns: all read the same."""
    table = read(home, text, **options)
    expected = [(name.removeprefix("img/") if "root" in options else name, label) for name, label in BOTH]
    assert rows(table) == expected


def test_tabs_quoted_commas_and_names_beyond_ascii(home: Path) -> None:
    """A .tsv has tabs; a quoted cell may hold the separator; accents are one class however they are encoded."""
    assert rows(read(home, "path\tlabel\nimg/1.jpg\ta;x\nimg/2.jpg\tb,y\n", name="list.tsv"))[1][1] == "b,y"
    table = read(home, 'path,label\n"img/a,b.jpg",caf\u00e9\nimg/1.jpg,cafe\u0301\nimg/é.jpg,b\n')
    assert rows(table) == [("img/1.jpg", "café"), ("img/a,b.jpg", "café"), ("img/é.jpg", "b")]
    assert rows(read(home, "path,label\nimg/é.jpg,a\nimg/1.jpg,b\n".encode("latin-1"), encoding="latin-1"))[1][1] == "a"


def test_labels_that_are_whole_numbers_are_classes_in_order_of_value(home: Path) -> None:
    """10 comes after 2; one label that is no number, and all are sorted as texts."""
    numbers = "path,label\nimg/1.jpg,10\nimg/2.jpg,2\nimg/3.jpg,-1\n"
    assert read(home, numbers).classes == ("-1", "2", "10")
    assert read(home, numbers + "img/4.jpg,x\n").classes == ("-1", "10", "2", "x")


def test_parts_and_groups(home: Path) -> None:
    """All usual spellings of parts, in any case; an empty cell of the group column is no group."""
    lines = ("img/1.jpg,a,TRAIN,p", "img/2.jpg,b,training,", "img/3.jpg,b,Valid,q", "img/4.jpg,a,test,q")
    text = "\n".join(["path,label,Set,patient-id", *lines])
    table = read(home, text)
    assert [(one.part, one.group) for one in table.pictures] == [
        *(("train", "p"), ("train", None), ("validation", "q"), ("test", "q")),
    ]
    assert "Groups are kept on one side of the split: 2 of 3 pictures, the largest of 2." in table.notes
    without = read(home, text, split="none", group="none")
    assert {(one.part, one.group) for one in without.pictures} == {(None, None)}


def test_without_validation_rows_training_rows_are_open(home: Path) -> None:
    """The split can then draw a validation part; rows that all say train are not divided at all."""
    text = "path,label,split\nimg/1.jpg,a,train\nimg/2.jpg,b,train\nimg/3.jpg,a,{}\n"
    assert [one.part for one in read(home, text.format("test")).pictures] == [None, None, "test"]
    assert {one.part for one in read(home, text.format("train")).pictures} == {None}


def test_files_elsewhere_and_backslashes(home: Path) -> None:
    """Absolute paths inside the base folder are as relative ones; others keep their path as id, with a note."""
    (home / "tables").mkdir()
    text = f"path,label\n{home / 'img' / '1.jpg'},a\n..\\img\\2.jpg,b\n"
    table = read(home, text, name="tables/list.csv")
    assert [one.path for one in table.pictures] == [str(home / "img" / name) for name in ("2.jpg", "1.jpg")]
    assert table.pictures[0].id == "../img/2.jpg"
    assert "Some paths lie outside the base folder: elsewhere the same pictures count as other data." in table.notes
    from_above = f"path,label\n{home / 'img' / '1.jpg'},a\nimg\\2.jpg,b\n"
    assert rows(read(home, from_above, name="tables/list.csv", root="..")) == BOTH


def test_repeated_rows_count_once(home: Path) -> None:
    """The same path, label, part and group again, however the path is written, is left out with a note."""
    table = read(home, "path,label\nimg/1.jpg,a\nimg/2.jpg,b\n./img/1.jpg,a\n")
    assert rows(table) == BOTH
    assert table.notes[1] == "Rows that are there more than once count once, 1 left out: line 4."


def test_labels_that_are_doubtful_are_noted(home: Path) -> None:
    """Words for nothing, labels that differ in case or in how a number is written, and as many classes as pictures."""
    table = read(home, "path,label\nimg/1.jpg,NaN\nimg/2.jpg,Cat\nimg/3.jpg,c at\nimg/4.jpg,07\nimg/é.jpg,7\n")
    assert len(table.classes) == 5
    doubt, numbers, cases, many = table.notes[1:]
    assert doubt == "Labels that may mean that there is none: 'NaN'. They are taken as classes."
    assert "how a number is written: '07', '7'. They are different" in numbers
    assert "differ only in case, blanks or how a number is written: 'Cat', 'c at'." in cases
    assert many == "There are 5 classes for 5 pictures: is that column the label?"


def test_all_faults_of_rows_are_told_at_once(home: Path) -> None:
    """Each kind with its number, its lines and what stands there; a cell with a line break does not shift lines."""
    text = (
        'path,label\nimg/1.jpg,\nimg/9.jpg,b\nimg/1.jpg,a,b\n,a\nhttps://x.org/y.jpg,a\n"img/3.jpg","a\nb"\n'
        "img/2.jpg,a\nimg/2.jpg,b\n" + "".join(f"no{n}.jpg,a\n" for n in range(6))
    )
    with pytest.raises(SourceError) as caught:
        read(home, text)
    said = str(caught.value)
    for expected in (
        "1 without a label: line 2 (img/1.jpg)",
        "7 whose file is not there: line 3 (img/9.jpg), line 11 (no0.jpg), line 12",
        ", line 14 (no3.jpg) and 2 more",
        "1 with more cells than there are columns (quote cells that hold the separator): line 4",
        "1 without a path: line 5",
        "1 with an address instead of a file (download the pictures first): line 6 (https://x.org/y.jpg)",
        "1 that list a file again with another label: line 10 (img/2.jpg, as in 9)",
        "several at once are not supported",
    ):
        assert expected in said


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty.\nIts first line names columns: path,label"),
        ("path,label\n", "has no rows."),
        ("path,label\nimg/1.jpg,a\n", "has one class only, 'a' (column 'label'); at least 2"),
        ("img/1.jpg,a\nimg/2.jpg,b\n", "has no line with the names of its columns: it begins with 'img/1.jpg'."),
        ("filenam,label\nimg/1.jpg,a\n", "no column for the path; such names are known: path, file, filename"),
        ("filenam,label\nimg/1.jpg,a\n", "Did you mean 'filenam'? Name it: --source manifest:path=NAME. Its columns:"),
        ("path;label\nimg/1.jpg;a\n", "is the separator right? --source manifest:separator=semicolon"),
        ("path,label,class\nimg/1.jpg,a,b\n", "several columns that could be the label: 'label', 'class'."),
        ("path,label,label\nimg/1.jpg,a,b\n", "several columns that could be the label: 'label', 'label'."),
        ("path,label,case,car\nimg/1.jpg,a,b,c\n", "--source manifest:group=NAME, or say group=none"),
        ('path,label\n"img/1.jpg,a\nimg/2.jpg,b\n', "in the row that begins in line 2.\nLook for a quote"),
        ("path,label\nimg/1.jpg,a\nimg/é.jpg,b\n".encode("latin-1"), "is not UTF-8 in line 3 (byte 0xe9).\nSave it as"),
        ("path,label\nimg/1.jpg,a\nimg/2.jpg,b\n".encode("utf-16-le"), "has no column for the path"),
        ("path,label,split\nimg/1.jpg,a,train\nimg/2.jpg,b,trian\n", "1 whose part is not train, val or test: line 3"),
        ("path,label,split\nimg/1.jpg,a,val\nimg/2.jpg,b,test\n", "has no row for training: validation 1, test 1."),
        (
            "path,label,split\nimg/1.jpg,a,train\nimg/1.jpg,a,test\n",
            "file again with another part: line 3 (img/1.jpg, as in 2)",
        ),
        (
            "path,label,car\nimg/1.jpg,a,1\nimg/1.jpg,a,2\n",
            "file again with another group: line 3 (img/1.jpg, as in 2)",
        ),
        ("path,label\n1.jpg,a\n2.jpg,b\n", "'img' has the first of them: --source manifest:root=img"),
        ("path,label\nimg/1,a\n", "There is 'img/1.jpg': --source manifest:suffix=.jpg"),
        ("path,label\nphotos/img/1.jpg,a\n", "where 'img/1.jpg' is: the paths begin with a folder too many."),
        ("path,label\nC:\\x\\1.jpg,a\n", "Absolute paths hold on one machine only"),
        ("path,label\nimg,a\n", "'img' is a folder: name the files in it."),
    ],
)
def test_faults_say_what_to_do(home: Path, text: str | bytes, message: str) -> None:
    """Each way in which a table can be wrong has its message."""
    separator = "comma" if text == "path;label\nimg/1.jpg;a\n" else "auto"
    with pytest.raises(SourceError) as caught:
        read(home, text, separator=separator)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"label": "clas"},
            r"has no column 'clas' for the label\.\nDid you mean 'class'\? Its columns: 'path', 'class'\.",
        ),
        ({"label": "path"}, "The column 'path' of .* cannot be path and label at once"),
        ({"encoding": "utf-9"}, "There is no encoding 'utf-9'"),
        ({"root": "image"}, r"There is no folder .*image'\.\nDid you mean 'img'"),
    ],
)
def test_faults_of_options(home: Path, options: dict[str, str], message: str) -> None:
    """Options that name what is not there are told with near names."""
    with pytest.raises(SourceError, match=message):
        read(home, "path,class\nimg/1.jpg,a\nimg/2.jpg,b\n", **options)


def test_missing_files_may_be_skipped_or_left_to_the_scan(home: Path) -> None:
    """`skip` leaves them out and tells their line; `unchecked` does not look; none there at all is an error."""
    text = "path,label\nimg/1.jpg,a\nimg/9.jpg,b\nimg/2.jpg,b\n"
    table = read(home, text, missing="skip")
    assert (rows(table), [(one.id, one.reason) for one in table.skipped]) == (
        BOTH,
        [("img/9.jpg", "no such file (line 3)")],
    )
    assert len(read(home, text, missing="unchecked")) == 3
    with pytest.raises(SourceError, match="has 1 row, but none of its files is there"):
        read(home, "path,label\nx.jpg,a\n", missing="skip")


def test_parquet(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Typed columns become texts, null is empty, others are not read; without pyarrow it says what to install."""
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns = {"image": [*(name for name, _ in BOTH), None], "label": [1.0, 2.0, None], "junk": [b"\xff"] * 3}
    pq.write_table(pa.table(columns), home / "list.parquet")
    assert rows(load(home / "list.parquet")) == [("img/1.jpg", "1"), ("img/2.jpg", "2")]
    pq.write_table(pa.table({"path": ["img/1.jpg", "x.jpg"], "label": ["a", None]}), home / "list.parquet")
    with pytest.raises(SourceError, match=r"1 without a label: row 2 \(x.jpg\); 1 whose file is not there: row 2"):
        load(home / "list.parquet")
    pq.write_table(pa.table({"image": [{"bytes": b"x"}], "label": [1]}), home / "list.parquet")
    with pytest.raises(SourceError, match="The column 'image' holds struct<bytes: binary>, not texts"):
        load(home / "list.parquet")
    with pytest.raises(SourceError, match="is not a Parquet file that can be read"):
        read(home, "path,label\n", name="list.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(SourceError, match=r"pyarrow, which reads them, is not installed\.\npip install pyarrow"):
        load(home / "list.parquet")


def test_a_table_is_found_by_its_ending(home: Path, catalog: Catalog) -> None:
    """One source accepts it, also if it is not there, so that the message is about a table; --source has options."""
    (home / "list.CSV").write_text("path,class,kind\nimg/1.jpg,x,a\nimg/2.jpg,y,b\n", encoding="utf-8")
    assert find_source(home / "list.CSV", catalog)[0].name == "manifest"
    assert rows(load_table(str(home / "list.CSV"), catalog, source="manifest:label=kind")) == BOTH
    with pytest.raises(SourceError, match=r"There is no file .*list\.csv'\.\nCheck the path"):
        load_table(home / "no" / "list.csv", catalog)
    with pytest.raises(SourceError, match=r"There is no file .*\nDid you mean 'list\.CSV'"):
        load_table(home / "lst.csv", catalog)
    (home / "x.csv").mkdir()
    assert (accepts(home / "x.csv"), source_folder.accepts(home / "x.csv")) == (False, True)
    with pytest.raises(SourceError, match="is a folder, not a file"):
        load(home / "x.csv")
    assert not any(map(accepts, (None, 3, "", home / "list.xlsx")))
    (source,) = source_manifest.zoo_sources()
    assert [one.name for one in source.options][:5] == ["path", "label", "split", "group", "root"]


def test_damaged_tables_are_refused_or_read_but_never_crash(home: Path) -> None:
    """Of five hundred tables with bytes put in, taken out and replaced, each is read or is a fault in words."""
    draw = np.random.default_rng(0)
    whole = (
        b'path,label,split,group\nimg/1.jpg,a,train,g\nimg/2.jpg,b,val,g\n"img/a,b.jpg",c,test,\nimg/2.jpg/,c,test,\n'
    )
    pieces = [
        b'"',
        b",",
        b"\n",
        b"\r",
        b"\x00",
        b"\xff",
        b"\xfe",
        b"\\",
        b"/",
        b"..",
        b"sep=",
        b"\xef\xbb\xbf",
        b"C:\\",
    ]
    read_well = 0
    for _ in range(500):
        text = bytearray(whole)
        for _ in range(int(draw.integers(0, 5))):
            place = int(draw.integers(len(text) + 1))
            text[place : place + int(draw.integers(0, 4))] = pieces[int(draw.integers(len(pieces)))]
        with contextlib.suppress(SourceError):
            read_well += len(read(home, bytes(text), missing="skip")) > 1
    assert 0 < read_well < 500
