"""Looks for picture files in folders: what counts as one, what is litter, and how links are followed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from zoo.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from zoo.values import Skipped

SUFFIXES = frozenset(
    (
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff"),
        *(".avif", ".avifs", ".heic", ".heif", ".hif", ".ppm", ".pgm", ".pbm", ".pnm", ".pfm", ".jp2", ".j2k", ".jpc"),
        *(".jpf", ".jpx", ".j2c", ".qoi", ".dds", ".psd", ".sgi", ".rgb", ".rgba", ".bw", ".pcx", ".ico", ".icns"),
        *(".tga", ".icb", ".vda", ".vst"),
    )
)
"""Endings of picture files, in lower case: what `zoo.decoding` opens (HEIF only with a plugin; else it says so).

`ARRAYS` counts beside them.
"""

ARRAYS = ".npy"
"""Ending of a file that holds a picture as an array of NumPy, in lower case."""

_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM", b"II*\x00", b"MM\x00*", b"qoif")
"""How pictures begin; looked for in files without an ending only."""

_BRANDS = (b"ftypavif", b"ftypavis", b"ftypheic", b"ftypheix", b"ftypmif1")

_LITTER = frozenset({"__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "$recycle.bin"})
"""What operating systems leave behind, in lower case. Names that begin with a dot are litter too."""


@dataclass(frozen=True, slots=True)
class Found:
    """What lies in one folder and below.

    Attributes:
        pictures: Id and path of each candidate, in order of the ids.
        skipped: Links that lead nowhere or in a circle, files that may not be opened.
        ignored: Endings of files that are no pictures.
    """

    pictures: tuple[tuple[str, str], ...] = ()
    skipped: tuple[Skipped, ...] = ()
    ignored: tuple[str, ...] = ()


def there(path: str | os.PathLike[str]) -> bool:
    """Whether something is at a path. False where the system will not look: a name too long, a folder that is shut.

    `pathlib` raises there before Python 3.14. A person may give any text as a path.
    """
    return os.path.exists(path)  # noqa: PTH110 - see above


def is_folder_path(path: str | os.PathLike[str]) -> bool:
    """Whether a path leads to a folder; False as above."""
    return os.path.isdir(path)  # noqa: PTH112 - see above


def is_file_path(path: str | os.PathLike[str]) -> bool:
    """Whether a path leads to a file; False as above."""
    return os.path.isfile(path)  # noqa: PTH113 - see above


def walk(folder: Path, name: str, *, outside: Path | None = None) -> Found:
    """Everything in a folder, at any depth. Links are followed, but no folder is entered twice.

    Args:
        folder: Where to begin.
        name: What ids begin with.
        outside: A folder above it to which links are not followed.
    """
    from zoo.values import Skipped

    entered = set() if outside is None else {os.path.realpath(outside)}
    waiting = [(folder, name)]
    inside: list[Found] = []
    while waiting:
        here, prefix = waiting.pop()
        real = os.path.realpath(here)
        if real in entered:
            inside.append(Found(skipped=(Skipped(prefix, "a link to a folder that is read already"),)))
            continue
        entered.add(real)
        entries = listing(here)
        inside.append(sort([entry for entry in entries if not is_folder(entry)], f"{prefix}/"))
        waiting += [(Path(entry.path), f"{prefix}/{entry.name}") for entry in reversed(entries) if is_folder(entry)]
    return together(inside)


def together(founds: Iterable[Found]) -> Found:
    """All of them as one."""
    several = list(founds)
    return Found(
        tuple(sorted(pair for found in several for pair in found.pictures)),
        tuple(sorted((one for found in several for one in found.skipped), key=lambda one: one.id)),
        tuple(ending for found in several for ending in found.ignored),
    )


def listing(folder: Path) -> list[os.DirEntry[str]]:
    """What is in a folder, sorted by name, without litter.

    Raises:
        SourceError: It may not be opened, or is gone.
    """
    try:
        with os.scandir(folder) as entries:
            return sorted((entry for entry in entries if not _is_litter(entry.name)), key=lambda entry: entry.name)
    except PermissionError as error:
        raise SourceError(
            f"The folder {str(folder)!r} may not be opened: permission denied.",
            hint="Change its permissions, or move it out of the data.",
        ) from error
    except OSError as error:
        raise SourceError(f"The folder {str(folder)!r} cannot be opened: {error.strerror or error}.") from error


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder or a link to one."""
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle, a folder that may not be looked at
        return False


def _is_litter(name: str) -> bool:
    return name.startswith(".") or name.casefold() in _LITTER


def sort(files: Iterable[os.DirEntry[str]], prefix: str) -> Found:
    """Tell pictures, files that cannot be had and other files apart; ids are names with `prefix` before them."""
    from zoo.values import Skipped

    pictures: list[tuple[str, str]] = []
    skipped: list[Skipped] = []
    ignored: list[str] = []
    for entry in files:
        ending = PurePath(entry.name).suffix.lower()
        try:
            if not entry.is_file():
                raise FileNotFoundError
            if ending in SUFFIXES or ending == ARRAYS or (not ending and _begins_like_a_picture(entry.path)):
                pictures.append((prefix + entry.name, entry.path))
            else:
                ignored.append(ending or "without ending")
        except PermissionError:
            skipped.append(Skipped(prefix + entry.name, "permission denied"))
        except OSError:
            why = "a link that leads nowhere" if entry.is_symlink() else "not a file that can be read"
            skipped.append(Skipped(prefix + entry.name, why))
    return Found(tuple(pictures), tuple(skipped), tuple(ignored))


def _begins_like_a_picture(path: str) -> bool:
    with Path(path).open("rb") as file:
        head = file.read(16)
    if head.startswith(b"RIFF"):
        return head[8:12] == b"WEBP"
    return head.startswith(_SIGNATURES) or head[4:12] in _BRANDS
