from __future__ import annotations

import hashlib
import itertools

import numpy as np
import pytest

from slt_cli.errors import InputError
from slt_cli.landmarks.layouts import get_layout
from slt_cli.synthetic.body import LEFT_HAND, RIGHT_HAND, SignClip, reach, sample_clip
from slt_cli.synthetic.lexicon import GLOSSES
from slt_cli.synthetic.signers import SIGNERS, TEST_SIGNER, TRAIN_SIGNERS

LAYOUT = get_layout("mediapipe_holistic_543")
SENTENCE = ("AYER", "MAMA", "CASA", "GRANDE", "VER", "NO")


def clip(signer: str = "ana", seed: int = 0, glosses: tuple[str, ...] = SENTENCE) -> SignClip:
    return sample_clip(glosses, SIGNERS[signer], np.random.default_rng(seed))


def point(signed: SignClip, name: str) -> np.ndarray:
    return signed.points[:, LAYOUT.index(name)]


def test_arm_reaches_its_target_with_bones_of_constant_length() -> None:
    rng = np.random.default_rng(0)
    shoulder = np.zeros((200, 3))
    target = rng.normal(0, 0.5, (200, 3))
    elbow, wrist = reach(shoulder, target, (0.8, 0.7), np.array([-0.75, 1.0, 0.25]))
    np.testing.assert_allclose(np.linalg.norm(elbow - shoulder, axis=1), 0.8)
    np.testing.assert_allclose(np.linalg.norm(wrist - elbow, axis=1), 0.7)
    distance = np.linalg.norm(target, axis=1)
    near = (distance < 0.985 * 1.5) & (distance > 0.15)
    np.testing.assert_allclose(wrist[near], target[near])


@pytest.mark.parametrize("side", ["LEFT", "RIGHT"])
def test_limbs_keep_their_length_through_a_sentence(side: str) -> None:
    signed = clip("bruno")
    chain = [point(signed, f"POSE.{side}_{joint}") for joint in ("SHOULDER", "ELBOW", "WRIST")]
    for a, b in itertools.pairwise(chain):
        length = np.linalg.norm(a - b, axis=1)
        assert length.min() > 0.2
        np.testing.assert_allclose(length, length[0], rtol=1e-4)


@pytest.mark.parametrize("signer", SIGNERS)
def test_all_points_stay_inside_the_frame(signer: str) -> None:
    for start in range(0, len(GLOSSES), 5):
        signed = clip(signer, start, GLOSSES[start : start + 5])
        xy = signed.points[:, signed.valid, :2]
        assert 0 <= xy.min() <= xy.max() <= 1
        assert (signed.points[:, ~signed.valid] == 0).all()
        assert np.isfinite(signed.points).all()


def test_points_lie_where_their_names_say() -> None:
    first = clip().points[0]

    def x(name: str) -> float:
        return float(first[LAYOUT.index(name), 0])

    def y(name: str) -> float:
        return float(first[LAYOUT.index(name), 1])

    # The signer's left is on the right of the picture.
    for name in ("SHOULDER", "ELBOW", "WRIST", "HIP", "EYE", "EAR"):
        assert x(f"POSE.LEFT_{name}") > x(f"POSE.RIGHT_{name}")
    assert x("FACE.454") > x("FACE.263") > x("FACE.1") > x("FACE.33") > x("FACE.234")
    assert y("FACE.10") < y("FACE.105") < y("FACE.159") < y("FACE.1") < y("FACE.13")
    assert y("FACE.13") < y("FACE.14") < y("FACE.17") < y("FACE.152") < y("POSE.LEFT_SHOULDER")
    assert first[LAYOUT.index("FACE.1"), 2] < first[LAYOUT.index("FACE.234"), 2]


def test_face_is_the_mirror_image_of_itself() -> None:
    first = clip().points[0]
    face = list(LAYOUT.component("FACE"))
    middle = first[LAYOUT.index("FACE.1"), 0]
    mirrored = first[np.array(LAYOUT.flip)[face]]
    np.testing.assert_allclose(2 * middle - mirrored[:, 0], first[face, 0], atol=2e-3)
    np.testing.assert_allclose(mirrored[:, 1], first[face, 1], atol=2e-3)


def test_pose_and_hand_agree_on_the_wrist() -> None:
    signed = clip()
    for side in ("LEFT", "RIGHT"):
        np.testing.assert_allclose(
            point(signed, f"POSE.{side}_WRIST"), point(signed, f"{side}_HAND.WRIST"), atol=1e-6
        )


def test_clip_begins_and_ends_at_rest_and_moves_smoothly() -> None:
    signed = sample_clip(SENTENCE, SIGNERS["ana"], np.random.default_rng(0), fps=120)
    wrist = point(signed, "RIGHT_HAND.WRIST")
    np.testing.assert_allclose(wrist[0, :2], wrist[-1, :2], atol=0.02)
    assert np.linalg.norm(np.diff(wrist, axis=0), axis=1).max() < 0.05
    starts, ends = signed.spans_s.T
    assert (starts < ends).all()
    assert (starts[1:] > ends[:-1]).all()
    assert ends[-1] < signed.time_s[-1]


def test_left_handed_signer_moves_the_left_hand() -> None:
    def travel(signed: SignClip, hand: slice) -> float:
        return float(np.abs(np.diff(signed.points[:, hand, :2], axis=0)).sum())

    right, left = clip("ana", 0, ("NO",)), clip("elena", 0, ("NO",))
    assert travel(right, RIGHT_HAND) > 4 * travel(right, LEFT_HAND)
    assert travel(left, LEFT_HAND) > 4 * travel(left, RIGHT_HAND)


def test_question_raises_the_brows_over_the_whole_utterance() -> None:
    def brow_height(glosses: tuple[str, ...]) -> np.ndarray:
        signed = clip("ana", 0, glosses)
        return (point(signed, "FACE.159") - point(signed, "FACE.105"))[:, 1]

    statement, question = brow_height(("TU", "CASA", "VER")), brow_height(("TU", "PREGUNTA"))
    assert question[5:-6].min() > statement.max()


def test_mouth_opens_for_a_sign_that_asks_for_it() -> None:
    signed = clip("ana", 0, ("GRANDE",))
    gap = (point(signed, "FACE.14") - point(signed, "FACE.13"))[:, 1]
    assert gap.max() > 3 * gap[0]


def test_equal_seeds_give_equal_bytes() -> None:
    hashes = [hashlib.sha256(clip(seed=s).points.tobytes()).hexdigest() for s in (4, 4, 5)]
    assert hashes[0] == hashes[1] != hashes[2]


def test_clips_are_short() -> None:
    lengths = [
        len(clip(s.name, 1, g).points) for s in TRAIN_SIGNERS for g in (SENTENCE[:3], SENTENCE)
    ]
    assert min(lengths) >= 20
    assert max(lengths) <= 60


def test_unknown_gloss_is_named() -> None:
    with pytest.raises(InputError, match="PIANO"):
        clip(glosses=("YO", "PIANO"))


def descriptor(signed: SignClip) -> np.ndarray:
    """Both hands around their wrists and the wrists around the shoulders, six times per sign."""
    points = signed.points[..., :2].astype(float)
    left, right = points[:, 11], points[:, 12]
    middle, width = (left + right) / 2, np.linalg.norm(left - right, axis=1).mean()
    rows = []
    for time in np.linspace(*signed.spans_s[0], 6):
        frame = points[np.argmin(np.abs(signed.time_s - time))] / width
        for hand in (LEFT_HAND, RIGHT_HAND):
            rows.append((frame[hand] - frame[hand][0]).ravel() * 2)
            rows.append((frame[hand][0] - middle[0] / width) * 3)
    return np.concatenate(rows)


def test_every_pair_of_signs_differs_more_than_two_people_signing_the_same() -> None:
    def all_signs(signer: str, seed: int) -> np.ndarray:
        return np.array([descriptor(clip(signer, seed, (gloss,))) for gloss in GLOSSES])

    ours, theirs = all_signs("ana", 1), all_signs(TEST_SIGNER.name, 2)
    distance = np.linalg.norm(ours[:, None] - theirs[None], axis=2)
    same = np.diag(distance)
    different = distance + np.where(np.eye(len(GLOSSES)), np.inf, 0)
    assert (different.min(1) > 1.2 * same).all()
    assert different.min() > 1.0
