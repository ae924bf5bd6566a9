"""Near-copies, nearest neighbours and scenes, on descriptors whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from zoo import nearness


def pictures(count: int, *, seed: int = 0, side: int = 24) -> np.ndarray:
    """Smooth random pictures, uint8 (count, side, side, 3): no two alike."""
    draw = np.random.default_rng(seed)
    coarse = draw.uniform(0, 255, (count, 4, 4, 3))
    return np.kron(coarse, np.ones((1, side // 4, side // 4, 1))).astype(np.uint8)


def noisy(pixels: np.ndarray, *, seed: int = 1, amount: float = 4.0) -> np.ndarray:
    """The pictures with a little noise, as if encoded again."""
    noise = np.random.default_rng(seed).normal(0, amount, pixels.shape)
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)


def by_thumbnails(train: np.ndarray, validation: np.ndarray) -> nearness.Likeness:
    """Nearness of pictures."""
    return nearness.by_thumbnails(nearness.thumbnails(train), nearness.thumbnails(validation))


@pytest.mark.parametrize(("train", "validation"), [(8, 4), (20, 10), (39, 20), (40, 20)])
def test_in_few_pictures_nothing_is_named_by_chance(train: int, validation: int) -> None:
    """Noise has no near-copies and no scenes, though with a few components high cosines arise by chance."""
    draw = np.random.default_rng(train)
    heap = draw.integers(0, 256, (train + validation, 16, 16, 3), dtype=np.uint8)
    features = draw.normal(size=(train + validation, 40))
    for found in (
        by_thumbnails(heap[:train], heap[train:]),
        nearness.by_features(features[:train], features[train:]),
    ):
        assert found.components == (train + validation) // 5
        assert found.near.sum() < (1 if train + validation < 60 else 2)  # one pair alone is not told
        assert found.scenes > 0.5 * found.count  # a quarter would be few
    if train + validation < 20:
        assert (found.across >= nearness.NEAR["features"]).all()  # chance indeed


def test_copies_among_ninety_pictures_are_named() -> None:
    """Ten of thirty, by both descriptors, and no other."""
    train, other = pictures(60), pictures(20, seed=5)
    draw = np.random.default_rng(2)
    features = draw.normal(size=(60, 40))
    near_features = np.concatenate([features[:10] + 0.05 * draw.normal(size=(10, 40)), draw.normal(size=(20, 40))])
    for found in (
        by_thumbnails(train, np.concatenate([noisy(train[:10]), other])),
        nearness.by_features(features, near_features),
    ):
        assert found.near.tolist() == [True] * 10 + [False] * 20


def test_thumbnails_of_some_rows_are_those_of_the_rows() -> None:
    """Made a few at a time from an array that is not in memory, and equal to those of all at once."""
    heap, rows = pictures(150), np.arange(0, 150, 2)

    class Watched:
        """Pictures that are asked for by rows."""

        shape, most = heap.shape, 0

        def __getitem__(self, wanted: np.ndarray) -> np.ndarray:
            self.most = max(self.most, len(wanted))
            return heap[wanted]

    watched = Watched()
    made = nearness.thumbnails(watched, rows)  # type: ignore[arg-type]
    assert np.array_equal(made, nearness.thumbnails(heap)[rows])
    assert watched.most <= 64


def test_thumbnails_are_mean_colours_of_fields() -> None:
    """An 8 × 8 picture is its own thumbnail, and a side that 8 does not divide is cut into uneven fields."""
    small = np.random.default_rng(0).integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
    assert np.array_equal(nearness.thumbnails(small), small.reshape(3, -1).astype(float))
    flat = np.full((70, 21, 21, 1), 9, np.uint8)
    assert nearness.thumbnails(flat) == pytest.approx(np.full((70, 64), 9.0))


@pytest.mark.parametrize("mirrored", [False, True])
def test_copies_are_found_with_their_partner_by_thumbnails(*, mirrored: bool) -> None:
    """Ten of thirty validation pictures are training pictures, encoded again, mirrored or not; no other is named."""
    train, other = pictures(90), pictures(20, seed=5)
    copies = noisy(train[20:30, :, ::-1] if mirrored else train[20:30])
    found = by_thumbnails(train, np.concatenate([copies, other]))
    assert found.near.tolist() == [True] * 10 + [False] * 20
    assert found.partner[:10].tolist() == list(range(20, 30))


def test_a_random_split_is_not_suspicious() -> None:
    """Both sides drawn from one heap: as near to each other as training is to itself, by both descriptors."""
    train, validation = pictures(150), pictures(50, seed=3)
    draw = np.random.default_rng(4)
    for found in (
        by_thumbnails(train, validation),
        nearness.by_features(draw.normal(size=(150, 300)), draw.normal(size=(50, 300))),
    ):
        assert 0.35 < found.excess < 0.65
        assert abs(found.deviations) < 3
        assert not found.near.any()
        assert found.scenes > 0.7 * found.count


def test_validation_made_from_training_lies_nearer() -> None:
    """Half-way between a training picture and something new: no copies, and yet nearer than training is to itself."""
    draw = np.random.default_rng(0)
    train = draw.normal(size=(200, 64))
    validation = train[:60] + 0.9 * draw.normal(size=(60, 64))
    found = nearness.by_features(train, validation)
    assert found.excess > 0.8
    assert found.deviations > 5


def test_few_scenes_are_counted() -> None:
    """Eight scenes with twenty variations each: four fifths of all pictures lie in seven groups."""
    draw = np.random.default_rng(0)
    scenes = np.repeat(draw.normal(size=(8, 100)), 20, axis=0)
    shots = draw.permutation(scenes + 0.15 * draw.normal(size=scenes.shape))
    found = nearness.by_features(shots[:120], shots[120:])
    assert found.scenes == 7


def test_pictures_of_one_colour_do_no_harm() -> None:
    """Descriptors that do not vary at all give cosines that are finite."""
    flat = np.full((12, 16, 16, 3), 7, np.uint8)
    found = by_thumbnails(flat[:8], flat[8:])
    assert np.isfinite(found.across).all()
    assert np.isfinite(found.within).all()


def test_wide_features_are_whitened_as_narrow_ones_are() -> None:
    """More features than pictures take another way to the same cosines."""
    draw = np.random.default_rng(0)
    narrow = draw.normal(size=(60, 40)) * draw.uniform(0.1, 3, 40)
    wide = np.concatenate([narrow, np.zeros((60, 100))], axis=1)
    assert nearness.feature_table(wide)[0] == pytest.approx(nearness.feature_table(narrow)[0], abs=1e-6)


def test_labels_of_nearest_pictures() -> None:
    """Cosine around the mean of the training pictures decides."""
    train = np.array([[2.0, 1.0], [1.0, 2.0], [2.2, 0.8]])
    answers = nearness.nearest_labels(train, np.array([0, 1, 0]), np.array([[3.0, 1.0], [1.0, 3.0]]))
    assert answers.tolist() == [0, 1]


def test_labelled_copies_of_real_photos_are_found(shared) -> None:  # noqa: ANN001 - a path
    """On photos of cars thumbnails find all identical and re-encoded copies, and most that were turned or mirrored."""
    import csv

    from zoo.dataset import load_table
    from zoo.pixels import load_pixels
    from zoo.plugins import load_catalog

    with (shared / "car-damage-duplicates.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    table = load_table(str(shared / "car-damage"), load_catalog(only=[]))
    named = {row["file_a"] for row in rows} | {row["file_b"] for row in rows}
    chosen = [index for index, one in enumerate(table.pictures) if one.id in named or index % 4 == 0]
    place = {table.pictures[index].id: position for position, index in enumerate(chosen)}
    cosines = nearness.thumbnail_table(load_pixels(table, chosen, size=64))
    near = cosines >= nearness.NEAR["thumbnails"]
    found = {
        kind: np.mean([near[place[row["file_a"]], place[row["file_b"]]] for row in rows if row["kind"] == kind])
        for kind in ("exact", "near", "augmented-copy")
    }
    assert found["exact"] == 1.0
    assert found["near"] > 0.95
    assert found["augmented-copy"] > 0.5
    labelled = {frozenset((place[row["file_a"]], place[row["file_b"]])) for row in rows}
    pairs = {frozenset((int(a), int(b))) for a, b in zip(*np.nonzero(np.triu(near, 1)), strict=True)}
    assert len(pairs - labelled) <= 0.1 * len(labelled)
