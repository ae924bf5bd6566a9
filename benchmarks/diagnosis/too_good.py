"""Whether a score that is too good is given the right reason: data sets that are spoilt in one known way.

    python benchmarks/diagnosis/too_good.py [--seeds 3] [--backbone efficientnet-lite0:size=64] [--data FOLDER …]

Each case is made-up pictures of 64 px; a network is trained on them, and its score explained as `zoo compare` does.
`--data` adds folders of pictures as they are, with the library's split. Minutes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile

import cases

import zoo

CASES = {
    "plain": "nothing found",
    "mirrored": "near-copies",
    "varied": "validation nearer than training",
    "scenes": "few scenes",
    "tinted": "trivial cue",
}


def say(line: str) -> None:
    """Prints a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """Runs the cases and prints what each is given."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--backbone", default="efficientnet-lite0:size=64")
    parser.add_argument("--data", action="append", default=[])
    asked = parser.parse_args()
    catalog = cases.catalog()
    jobs: list[tuple[str, str, str | None, int]] = [
        (kind, "case", f"case:kind={kind},seed={seed},images=300", seed)
        for seed in range(asked.seeds)
        for kind in CASES
    ]
    jobs = [(folder, folder, None, 0) for folder in asked.data] + jobs
    right = total = 0
    for name, data, source, seed in jobs:
        with tempfile.TemporaryDirectory() as store:
            run = zoo.fit(
                data,
                source=source,
                backbone=asked.backbone,
                policy="freeze-all",
                head="probe",
                seed=seed,
                store=store,
                cache=False,
                observe=lambda _: None,
                catalog=catalog,
            )
        found = run.explanation
        causes = [cause.name for cause in found.causes] if found is not None else ["nothing found"]
        if name in CASES:
            right, total = right + (CASES[name] in causes), total + 1
        score = f"{run.scores.accuracy:.3f}" if run.scores is not None else "none"
        say(f"{name:12} seed {seed}  score {score}  {', '.join(causes)}")
        if found is not None:
            say(f"    {found.line}")
    say(f"the known reason is among those that are given in {right}/{total}")


if __name__ == "__main__":
    main()
