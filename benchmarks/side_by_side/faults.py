"""Good rows with and without bad ones among them: equal to the last bit?"""

from __future__ import annotations

import dataclasses
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from side_by_side.table import columns

if TYPE_CHECKING:
    from side_by_side.contest import Arena

IN_PROCESS = ("faulty-raises", "faulty-nan", "faulty-memory")
"""What a row survives without a process of its own."""
FATAL = ("faulty-grows", "faulty-hangs", "faulty-exits", "faulty-crashes")
"""What ends the process, or never ends."""


MEMORY = 4.0
"""GiB that a worker may hold."""
LONGEST = 200
"""Letters of a reason that are printed; all of it is in the JSON."""


def install(folder: Path) -> None:
    """Installs the plugin with the faulty heads for this process and those that it starts."""
    info = folder / "faulty_heads-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty-heads\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("[zoo]\nfaulty = faulty_heads\n", encoding="utf-8")
    shutil.copyfile(Path(__file__).with_name("faulty_heads.py"), folder / "faulty_heads.py")
    paths = (str(folder), os.environ.get("PYTHONPATH", ""))
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)


def measure(arena: Arena) -> dict[str, Any]:
    """Runs the good rows alone, and with a bad row before and behind each; how many are equal bit for bit."""
    import numpy as np

    from side_by_side.ours import understands

    install(arena.folder / "site")
    apart = understands("row_timeout") and understands("memory_limit")
    bad = [*IN_PROCESS, *(FATAL if apart else ())]
    good = list(arena.work.heads)
    cuts = [round(i * len(bad) / len(good)) for i in range(len(good) + 1)]
    mixed = [name for i, head in enumerate(good) for name in (*bad[cuts[i] : cuts[i + 1]], head)]
    work = dataclasses.replace(arena.work, keep_probabilities=True)
    options = {"row_timeout": arena.settings.row_timeout, "memory_limit": MEMORY} if apart else {}
    alone = arena.run("ours", dataclasses.replace(work, options=options), contender="good rows")
    among = arena.run("ours", dataclasses.replace(work, heads=tuple(mixed), options=options), contender="good and bad")
    with np.load(alone.answer["probabilities"]) as one, np.load(among.answer["probabilities"]) as other:
        equal = {name: name in other and one[name].tobytes() == other[name].tobytes() for name in one.files}
    return {
        "equal": equal,
        "rows": [dataclasses.asdict(row) for row in among.rows],
        "left_out": [] if apart else list(FATAL),
        "runs": [dataclasses.asdict(run) for run in (alone, among)],
    }


def table(found: dict[str, Any]) -> str:
    """How every row of the mixed grid ended."""
    lines = [("head", "status", "equal to the grid without bad rows")]
    equal = {name.split("|")[1]: same for name, same in found["equal"].items()}
    for row in found["rows"]:
        same = equal.get(row["head"])
        lines.append((row["head"], row["status"], "–" if same is None else "to the bit" if same else "NO"))
    text = columns(lines)
    reasons = [f"{row['head']}: {row['reason'][:LONGEST]}" for row in found["rows"] if row["reason"]]
    if found["left_out"]:
        reasons.append(
            f"left out, because zoo.compare has no row_timeout or memory_limit: {', '.join(found['left_out'])}"
        )
    return "\n".join([text, *reasons])
