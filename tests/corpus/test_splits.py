"""Splits: disjoint by video, balanced, repeatable, and with as few shared texts as possible."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from slt_cli.corpus.segments import read_segments
from slt_cli.corpus.splits import SplitClip, Splits, make_splits, near_duplicate_groups
from slt_cli.errors import InputError

RATIOS = (0.8, 0.1, 0.1)


def clips_of(videos: int, per_video: int = 5, shared: str = "") -> list[SplitClip]:
    return [
        SplitClip(f"v{v:02}_{c}", f"v{v:02}", (shared if c == 0 else "") or f"texto {v} y {c * 7}",
                  1.0 + (v * 7 + c) % 5)
        for v in range(videos) for c in range(per_video)
    ]  # fmt: skip


def videos_of(splits: Splits, clips: Sequence[SplitClip]) -> dict[str, set[str]]:
    video = {clip.clip_id: clip.video for clip in clips}
    return {split: {video[i] for i in ids} for split, ids in splits.ids.items()}


@settings(max_examples=25, deadline=None)
@given(st.integers(3, 30), st.integers(1, 4), st.integers(0, 10), st.sampled_from(["", "chau"]))
def test_every_clip_is_in_one_split_and_every_video_too(
    videos: int, per_video: int, seed: int, shared: str
) -> None:
    clips = clips_of(videos, per_video, shared)
    splits = make_splits(clips, RATIOS, seed)
    listed = [i for ids in splits.ids.values() for i in ids]
    assert sorted(listed) == sorted(clip.clip_id for clip in clips)
    homes = videos_of(splits, clips)
    assert all(homes.values())
    assert not any(a & b for a, b in combinations(homes.values(), 2))
    assert sum(splits.shares.values()) == pytest.approx(1)


def test_shares_come_close_to_the_ratios() -> None:
    clips = clips_of(60)
    splits = make_splits(clips, RATIOS, 0)
    total = sum(clip.weight for clip in clips)
    weight = {clip.clip_id: clip.weight for clip in clips}
    for split, ratio in zip(("train", "val", "test"), RATIOS, strict=True):
        share = sum(weight[i] for i in splits.ids[split]) / total
        assert share == pytest.approx(splits.shares[split])
        assert abs(share - ratio) < 0.02


def test_order_of_the_rows_does_not_matter_and_the_seed_does() -> None:
    clips = clips_of(30)
    shuffled = random.Random(1).sample(clips, len(clips))
    assert make_splits(clips, RATIOS, 5) == make_splits(shuffled, RATIOS, 5)
    assert make_splits(clips, RATIOS, 5) != make_splits(clips, RATIOS, 6)


def test_a_split_without_share_is_not_made() -> None:
    assert list(make_splits(clips_of(2), (0.5, 0, 0.5), 0).ids) == ["train", "test"]


def test_too_few_videos_are_refused() -> None:
    with pytest.raises(InputError, match="2 videos cannot make 3 splits"):
        make_splits(clips_of(2), RATIOS, 0)


def test_videos_with_a_text_in_common_stay_together() -> None:
    clips = clips_of(20)
    clips += [SplitClip(f"x{v}", f"v{v:02}", f"Hasta luego, amigos{'!' * v}") for v in (3, 9, 17)]
    for seed in range(5):
        splits = make_splits(clips, RATIOS, seed)
        assert splits.leaks == ()
        assert sum({"v03", "v09", "v17"} <= videos for videos in videos_of(splits, clips).values())


def test_what_every_video_says_is_reported_as_shared() -> None:
    clips = clips_of(20, shared="hasta luego")
    splits = make_splits(clips, RATIOS, 0)
    outside = [i for split in ("val", "test") for i in splits.ids[split] if i.endswith("_0")]
    assert sorted(splits.leaks) == sorted(outside)


@pytest.mark.parametrize("seed", range(3))
def test_texts_that_cannot_all_be_kept_apart_are_shared_by_few_clips(seed: int) -> None:
    """Two halves that share many texts inside and a single one between them."""
    clips = [
        SplitClip(f"{half}{v}_{c}", f"{half}{v}", f"frase numero {half} {(v + c) % 10} comun")
        for half in "ab" for v in range(10) for c in range(6)
    ]  # fmt: skip
    clips += [SplitClip("a0_x", "a0", "hasta luego"), SplitClip("b0_x", "b0", "hasta luego")]
    splits = make_splits(clips, (0.5, 0, 0.5), seed)
    assert len(splits.leaks) == 1
    assert {video[0] for video in videos_of(splits, clips)["train"]} in ({"a"}, {"b"})


def test_a_similarity_of_nine_tenths_is_near_and_less_is_not() -> None:
    eight, nine, ten = "abcdefghijk", "abcdefghijkl", "abcdefghijklm"  # numbers of shingles
    a, b = near_duplicate_groups([nine, ten])
    assert a == b
    a, b = near_duplicate_groups([eight, nine])
    assert a != b


def test_near_duplicates_share_a_group() -> None:
    texts = [
        "¡Buenas noches! Bienvenidos a las noticias de la semana en lengua de señas.",
        "buenas noches bienvenidos a las noticias de la semana en lengua de senas",
        "buenas noches, bienvenidos a las noticias de la semana en lengua de señas hoy",
        "buenas tardes", "sí", "si.", "no",
    ]  # fmt: skip
    a, b, c, d, e, f, g = near_duplicate_groups(texts)
    assert a == b == c
    assert e == f
    assert len({a, d, e, g}) == 4


words = st.lists(st.sampled_from(["hola", "que", "tal", "buenas", "noches", "casa"]), max_size=9)


@settings(deadline=None)
@given(st.lists(words.map(" ".join), max_size=14))
def test_groups_are_those_of_comparing_every_pair(texts: list[str]) -> None:
    """The inverted index finds exactly what the quadratic comparison finds."""
    plain = ["".join(text.split()) for text in texts]
    sets = [{t[i : i + 4] for i in range(max(1, len(t) - 3))} for t in plain]
    group = list(range(len(texts)))
    for a, b in combinations(range(len(texts)), 2):
        alike = len(sets[a] & sets[b]) >= 0.9 * len(sets[a] | sets[b])
        if plain[a] == plain[b] or (plain[a] and plain[b] and alike):
            group = [group[a] if g == group[b] else g for g in group]
    found = near_duplicate_groups(texts)
    for a, b in combinations(range(len(texts)), 2):
        assert (found[a] == found[b]) == (group[a] == group[b])


@pytest.mark.real
def test_the_real_table_is_split_by_video_in_seconds(real_data: Path) -> None:
    table = read_segments(real_data / "lsa_t" / "meta.csv")
    clips = [SplitClip(s.clip_id, s.video, s.text, s.duration_s or 0.0) for s in table.segments]
    begin = time.process_time()
    splits = make_splits(clips, RATIOS, 0)
    assert time.process_time() - begin < 10
    homes = videos_of(splits, clips)
    assert not any(a & b for a, b in combinations(homes.values(), 2))
    assert sum(map(len, homes.values())) == 64
    assert sum(map(len, splits.ids.values())) == 8412
    assert all(abs(splits.shares[s] - r) < 0.02 for s, r in zip(splits.ids, RATIOS, strict=True))
    assert len(splits.leaks) < 150
