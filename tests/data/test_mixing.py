from __future__ import annotations

import numpy as np
import pytest

from slt_cli.data.collate import collate
from slt_cli.data.mixing import StreamMixing
from slt_cli.data.sample import ClipSample

LENGTHS = (3, 6, 4, 5)


def clips(epoch: int = 0) -> list[ClipSample]:
    """Every value of clip i is i + 1; frames differ in number."""
    return [
        ClipSample(
            f"clip{i}",
            {"keypoints_body": np.full((frames, 4, 3), i + 1, np.float32)}
            | {name: np.full((frames, 2), i + 1, np.float32) for name in ("crops_face", "pose")},
            {"keypoints_body": np.ones((frames, 4), bool)}
            | {name: np.ones(frames, bool) for name in ("crops_face", "pose")},
            f"text {i}", [i, 2], [i + 1], f"G{i}", (epoch, 10 * i),
        )
        for i, frames in enumerate(LENGTHS)
    ]  # fmt: skip


def owners(samples: list[ClipSample], name: str) -> list[int]:
    """Whose stream each clip shows, by its first frame."""
    return [int(sample.streams[name][0].flat[0]) - 1 for sample in samples]


def test_every_clip_gets_the_stream_of_another_one_and_keeps_the_rest() -> None:
    for epoch in range(20):
        mixed = StreamMixing({"face": 1.0}, seed=0).mixed(clips(epoch))
        shown = owners(mixed, "crops_face")
        assert sorted(shown) == [0, 1, 2, 3]
        assert all(shown[i] != i for i in range(4))
        assert owners(mixed, "pose") == owners(mixed, "keypoints_body") == [0, 1, 2, 3]
        assert [(s.video_id, s.text, s.labels) for s in mixed] == [
            (s.video_id, s.text, s.labels) for s in clips()
        ]


def test_a_longer_stream_is_cut_and_a_shorter_one_padded_and_masked() -> None:
    mixed = StreamMixing({"pose": 1.0}, seed=3).mixed(clips())
    for sample, owner, frames in zip(mixed, owners(mixed, "pose"), LENGTHS, strict=True):
        real = min(frames, LENGTHS[owner])
        assert sample.streams["pose"].shape == (frames, 2)
        assert sample.valid["pose"].tolist() == [True] * real + [False] * (frames - real)
        assert not sample.streams["pose"][real:].any()


def test_each_stream_goes_its_own_way() -> None:
    both = StreamMixing({"pose": 1.0, "face": 1.0}, seed=0)
    ways = [
        (owners(m, "pose"), owners(m, "crops_face")) for m in map(both.mixed, map(clips, range(9)))
    ]
    assert any(pose != face for pose, face in ways)
    alone = [owners(StreamMixing({"pose": 1.0}, seed=0).mixed(clips(e)), "pose") for e in range(9)]
    assert [pose for pose, _ in ways] == alone


def test_the_share_is_that_of_the_batches() -> None:
    mixing = StreamMixing({"face": 0.3}, seed=0)
    changed = [owners(mixing.mixed(clips(e)), "crops_face") != [0, 1, 2, 3] for e in range(1000)]
    assert abs(np.mean(changed) - 0.3) < 0.05


def test_seed_epoch_and_clips_decide_and_nothing_else() -> None:
    def shown(seed: int, epoch: int) -> list[int]:
        return owners(StreamMixing({"face": 1.0}, seed).mixed(clips(epoch)), "crops_face")

    assert [shown(0, e) for e in range(9)] == [shown(0, e) for e in range(9)]
    assert [shown(0, e) for e in range(9)] != [shown(1, e) for e in range(9)]
    assert len({tuple(shown(0, e)) for e in range(9)}) > 1


@pytest.mark.parametrize("shares", [{}, {"face": 0.0}])
def test_without_a_share_nothing_is_exchanged(shares: dict[str, float]) -> None:
    assert owners(StreamMixing(shares, seed=0).mixed(clips()), "crops_face") == [0, 1, 2, 3]


def test_a_batch_of_one_clip_stays_as_it_is() -> None:
    only = clips()[:1]
    assert StreamMixing({"face": 1.0}, seed=0).mixed(only) == only


def test_a_batch_is_collated_after_the_exchange() -> None:
    batch = collate(clips(), StreamMixing({"face": 1.0}, seed=0))
    plain = collate(clips())
    assert (batch.streams["crops_face"][:, 0] != plain.streams["crops_face"][:, 0]).all()
    assert (batch.streams["pose"] == plain.streams["pose"]).all()
    assert (batch.frame_valid == plain.frame_valid).all()
    assert (batch.valid["crops_face"] <= plain.frame_valid).all()
    assert batch.gloss_texts == ["G0", "G1", "G2", "G3"]
