"""One way to break each rule: what is done, and what the finding then says."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from slt_cli.corpus.clip_files import save_pose
from slt_cli.corpus.packing import pack_corpus
from slt_cli.corpus.paths import CorpusPaths
from slt_cli.landmarks.layouts import COMPONENTS, get_layout
from tests.corpus.rules.made import (
    FIRST,
    FRAMES,
    IDS,
    append,
    edit_arrays,
    edit_clip,
    picture,
    put,
    record,
    write_lines,
)


@dataclass(frozen=True)
class Breakage:
    """`do` breaks the corpus in a way that one finding names with `says`; `also` must follow."""

    do: Callable[[Path], object]
    says: str
    severity: str = "error"
    also: frozenset[str] = frozenset()


def _points(part: str) -> tuple[int, ...]:
    return get_layout("mediapipe_holistic_543").component(COMPONENTS[part])


def _unseen(*parts: str) -> Callable[[Path], None]:
    """Points of these parts are missing in all frames."""
    points = [point for part in parts for point in _points(part)]
    place = (slice(None), points)
    return lambda root: edit_arrays(root, valid=put(place, False), keypoints=put(place, 0))


def _remove_keypoints(root: Path) -> None:
    shutil.rmtree(root / "keypoints")
    shutil.rmtree(root / "pose")
    for stream in ("face", "hand_l", "hand_r"):
        shutil.rmtree(root / stream)


def _html(root: Path) -> None:
    (root / "keypoints" / f"{FIRST}.npz").write_text("<!DOCTYPE html><p>404")


def _texts(*, last: str = "test_000;e", first: str = f"{FIRST};a") -> Callable[[Path], None]:
    lines = (first, "train_001;b", "train_002;c", "val_000;d", last)
    return lambda root: write_lines(root / "meta.csv", "video_id;texto", *filter(None, lines))


def _glosses(*lines: str) -> Callable[[Path], None]:
    return lambda root: write_lines(
        root / "annotations" / "gloss.csv", "video_id;gloss;ctc_labels", *lines
    )


def _lengthen(root: Path) -> None:
    """Keypoints, pose and crops of one clip become 66 frames long."""
    frames = 11 * FRAMES
    edit_clip(
        root,
        lambda clip: replace(
            clip,
            keypoints=np.tile(clip.keypoints, (11, 1, 1)), z=np.tile(clip.z, (11, 1)),
            valid=np.tile(clip.valid, (11, 1)), time_s=np.arange(frames) / 25,
            crop_box=np.tile(clip.crop_box, (1, 11, 1)),
            crop_source=np.tile(clip.crop_source, (1, 11)),
        ),
    )  # fmt: skip
    save_pose(root / "pose" / f"{FIRST}.npz", np.zeros((frames, 51), np.float32))
    for stream in ("face", "hand_l", "hand_r"):
        for frame in range(FRAMES, frames):
            (root / stream / f"{FIRST}_f{frame:06d}.jpg").write_bytes(picture(200))
    record(root, FIRST, frames={"keypoints": frames})


def shorten(frames: int) -> Callable[[Path], None]:
    def do(root: Path) -> None:
        edit_clip(
            root,
            lambda clip: replace(
                clip, keypoints=clip.keypoints[:frames], z=clip.z[:frames],
                valid=clip.valid[:frames], time_s=clip.time_s[:frames],
                crop_box=clip.crop_box[:, :frames], crop_source=clip.crop_source[:, :frames],
            ),
        )  # fmt: skip
        save_pose(root / "pose" / f"{FIRST}.npz", np.zeros((frames, 51), np.float32))
        for stream in ("face", "hand_l", "hand_r"):
            for frame in range(frames, FRAMES):
                (root / stream / f"{FIRST}_f{frame:06d}.jpg").unlink()
        record(root, FIRST, frames={"keypoints": frames})

    return do


def _source(**changes: str) -> Callable[[Path], None]:
    return lambda root: edit_clip(root, lambda clip: replace(clip, source=clip.source | changes))


def _crops(data: bytes, frames: range = range(FRAMES)) -> Callable[[Path], None]:
    def do(root: Path) -> None:
        for frame in frames:
            (root / "face" / f"{FIRST}_f{frame:06d}.jpg").write_bytes(data)

    return do


def _remove(*names: str) -> Callable[[Path], None]:
    def do(root: Path) -> None:
        for name in names:
            for path in list(root.glob(name)):
                path.unlink()

    return do


def _other_layout(root: Path) -> None:
    edit_clip(
        root,
        lambda clip: replace(
            clip, layout="coco_wholebody_133", keypoints=clip.keypoints[:, :133],
            z=clip.z[:, :133], valid=clip.valid[:, :133],
        ),
    )  # fmt: skip


def _other_estimator(root: Path) -> None:
    other = {"name": "made", "version": "2", "settings": {"fine": True}}
    edit_clip(root, lambda clip: replace(clip, estimator=other))


def _write(name: str, data: bytes = b"") -> Callable[[Path], object]:
    def do(root: Path) -> None:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(data)

    return do


def _cut_shard(root: Path) -> None:
    pack_corpus(CorpusPaths.from_root(root), report=lambda event, **facts: None)
    (shard,) = (root / "shards").glob("*.tar")
    shard.write_bytes(shard.read_bytes()[:-1000])


W = "warning"
BREAKAGES: dict[str, Breakage] = {
    "C000": Breakage(_remove_keypoints, "keypoints", also=frozenset({"A004", "C024", "S002"})),
    "C001": Breakage(_html, f"{FIRST}: not an array file (looks like HTML)"),
    "C002": Breakage(
        lambda root: save_pose(root / "pose" / f"{FIRST}.npz", np.zeros((4, 51), np.float32)),
        f"{FIRST}: 4 pose frames for 6",
    ),
    "C003": Breakage(
        _remove(f"hand_l/{FIRST}_f000002.jpg", f"hand_l/{FIRST}_f000004.jpg"),
        f"{FIRST}: hand_l: 4 crops for 6 frames, missing 2, 4",
    ),
    "C004": Breakage(
        _other_layout, f"{FIRST}: coco_wholebody_133, the others mediapipe_holistic_543"
    ),
    "C005": Breakage(
        lambda root: edit_arrays(root, time_s=put(3, 0.08)),
        f"{FIRST}: frames 3 are not later than the ones before",
    ),
    "C006": Breakage(shorten(0), f"{FIRST}: 0 frames"),
    "C007": Breakage(
        _other_estimator, f'{FIRST}: made 2 {{"fine": true}}, the others made 1'
    ),
    "C008": Breakage(_unseen("hand_left", "hand_right"), f"{FIRST}: hands in 0%", W),
    "C009": Breakage(lambda root: record(root, FIRST, status="damaged"), FIRST, W),
    "C010": Breakage(
        lambda root: edit_clip(root, lambda clip: replace(clip, fps=Fraction(30))),
        f"{FIRST}: 25.00 frames per second by its times, 30.00 stored", W,
    ),
    "C011": Breakage(
        lambda root: edit_clip(
            root, lambda clip: replace(clip, fps=Fraction(50), time_s=clip.time_s / 2)),
        f"{FIRST}: 50.00, the others 25", W,
    ),
    "C012": Breakage(
        _source(settings="other" * 10), f"{FIRST}: settings otheroth, the others ssssssss", W
    ),
    "C013": Breakage(_remove(f"pose/{FIRST}.npz", f"face/{FIRST}_*"), f"{FIRST}: no face, pose"),
    "C014": Breakage(
        _crops(picture(200)[:300], range(1)), f"{FIRST}: face frame 0: not a whole JPEG"
    ),
    "C015": Breakage(
        _crops(picture(0), range(3, 4)),
        f"{FIRST}: face frame 3 is detected and the crop is black",
    ),
    "C016": Breakage(_crops(picture(200, 48)), f"{FIRST}: 48x48, the others 32x32", W),
    "C017": Breakage(
        lambda root: edit_arrays(root, valid=put((2, 5), False)), f"{FIRST}: 1 points in frames 2"
    ),
    "C018": Breakage(
        lambda root: edit_arrays(root, keypoints=put((0, 0, 2), 1.5)), f"{FIRST}: from 1 to 1.5"
    ),
    "C019": Breakage(
        lambda root: edit_arrays(root, keypoints=put((0, 0, 0), 640.0)), f"{FIRST}: 1 points"
    ),
    "C020": Breakage(
        lambda root: edit_arrays(root, crop_box=put((1, 4), [0, 0, 32, 30])),
        f"{FIRST}: hand_l: 1 frames, such as 4: box [0, 0, 32, 30], source 1",
    ),
    "C021": Breakage(_unseen("body"), f"{FIRST}: body in 0%", W),
    "C022": Breakage(
        lambda root: record(root, FIRST, people={"most": 3, "usual": 2}),
        f"{FIRST}: mostly 2 people, at most 3", W,
    ),
    "C023": Breakage(_write("pose/ghost.npz"), "pose/ghost.npz", W),
    "C024": Breakage(lambda root: record(root, "ghost"), "ghost: no keypoints", W),
    "C025": Breakage(
        lambda root: write_lines(
            root / "metadata.jsonl", *(f'{{"video_id": "{i}"}}' for i in IDS if i != FIRST)),
        FIRST, W,
    ),
    "C026": Breakage(
        lambda root: record(root, "bad", status="failed", error={"message": "not a video"}),
        "bad: not a video", W,
    ),
    "C027": Breakage(
        _source(sha256="train_001"), "train_001: the same as train_000", W
    ),
    "C028": Breakage(_cut_shard, "shard crops-000000.tar is cut or altered"),
    "C029": Breakage(
        shorten(2), f"{FIRST}: 2 frames for a kernel of 3", W, also=frozenset({"G001"})
    ),
    "C030": Breakage(_lengthen, f"{FIRST}: 66 frames, the median is 6", W),
    "C031": Breakage(_write("face/ghost_f000000.jpg", picture(9)), "ghost: 1 crops in face/"),
    "A001": Breakage(
        lambda root: append(root, "meta.csv", f"{FIRST};otra vez"),
        f"{FIRST} appears twice, in lines 2 and 7", also=frozenset({"A003"}),
    ),
    "A002": Breakage(_remove("meta.csv"), "meta.csv", W),
    "A003": Breakage(_texts(last=""), "test_000", W, also=frozenset({"S008"})),
    "A004": Breakage(lambda root: append(root, "meta.csv", "ghost;boo"), "ghost", W),
    # Six glosses in six frames, but equal neighbours need a blank between them: seven.
    "G001": Breakage(
        _glosses(f"{FIRST};A A B C D E;1 1 2 3 4 5"),
        f"{FIRST}: 6 frames in 2 steps for 6 glosses, which need 7",
    ),
    "G002": Breakage(_glosses(f"{FIRST};A;1", "val_000;NEW;2"), "val val_000: NEW", W),
    "G003": Breakage(
        _glosses(f"{FIRST};A B;7 9", "val_000;A B;7 0"), "val_000: B is 0, which is no number"
    ),
    "S001": Breakage(_remove("index/val.csv"), "val", W, also=frozenset({"S007"})),
    "S002": Breakage(lambda root: append(root, "index/val.csv", "ghost"), "val: ghost"),
    "S003": Breakage(
        lambda root: append(root, "index/test.csv", "val_000"), "val_000: val, test"
    ),
    "S004": Breakage(
        _texts(first=f"{FIRST};Hola", last="test_000;¡hola!"),
        "test test_000: '¡hola!', in training as train_000", W,
    ),
    "S005": Breakage(_source(name="val_000.mp4"), "val_000.mp4: train, val", W),
    "S006": Breakage(
        lambda root: write_lines(
            root / "meta.csv", "video_id;texto;signer",
            *(f"{i};{i};{'ana' if i in (FIRST, 'test_000') else i}" for i in IDS)),
        "ana: train, test", W,
    ),
    "S007": Breakage(
        lambda root: write_lines(root / "index" / "train.csv", "train_001", "train_002"), FIRST, W
    ),
    "S008": Breakage(_texts(first=""), f"train: {FIRST}", also=frozenset({"A003"})),
}  # fmt: skip
