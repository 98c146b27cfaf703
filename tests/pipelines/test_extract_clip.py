from __future__ import annotations

import json
import multiprocessing
import signal
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import simplejpeg

from slt_cli.corpus.clip_files import load_clip_keypoints, load_pose
from slt_cli.corpus.paths import CROP_STREAMS, CorpusPaths
from slt_cli.errors import InputError
from slt_cli.landmarks.rois import cut_crop
from slt_cli.pipelines.extraction import running, source
from slt_cli.pipelines.extraction.clip import extract_clip, extract_in_memory
from slt_cli.pipelines.extraction.options import ExtractOptions
from slt_cli.pipelines.extraction.overlay import overlay_clip
from slt_cli.pipelines.extraction.source import duration_s
from slt_cli.storage import atomic
from slt_cli.storage.hashes import sha256_file
from slt_cli.video.decode import VideoReader
from slt_cli.video.probe import probe_video
from tests.pipelines.signing import LAYOUT, write_signing
from tests.video.media import cut, write_video, zero_hole

OPTIONS = ExtractOptions(estimator="synthetic", crop_size=32)


@pytest.fixture
def corpus(tmp_path: Path) -> CorpusPaths:
    return CorpusPaths.from_root(tmp_path / "corpus")


def files(corpus: CorpusPaths) -> dict[str, bytes]:
    root = corpus.root
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_writes_the_contract(tmp_path: Path, corpus: CorpusPaths) -> None:
    video = write_signing(tmp_path / "hola.mp4")
    record = extract_clip(video, corpus, "hola", OPTIONS)
    expected = {f"{s}/hola_f{i:06d}.jpg" for s in ("face", "hand_l", "hand_r") for i in range(10)}
    assert set(files(corpus)) == expected | {"pose/hola.npz", "keypoints/hola.npz"}
    clip = load_clip_keypoints(corpus.keypoints("hola"))
    assert clip.keypoints.shape == (10, 543, 3)
    assert clip.frame_size == (64, 48)
    assert clip.fps == Fraction(25)
    np.testing.assert_allclose(clip.time_s, np.arange(10) / 25, atol=1e-9)
    assert clip.source["sha256"] == sha256_file(video)
    assert clip.estimator["name"] == "synthetic"
    assert load_pose(corpus.pose("hola")).shape == (10, 51)
    for stream in CROP_STREAMS:
        image = simplejpeg.decode_jpeg(corpus.crop_path(stream, "hola", 3).read_bytes())
        assert image.shape == (32, 32, 3)
    assert record["status"] == "ok"
    assert record["fps"] == "25/1"
    assert set(record["frames"].values()) == {10}
    for name, component in (("left_hand", "LEFT_HAND"), ("face", "FACE")):
        seen = clip.valid[:, list(LAYOUT.component(component))].any(axis=1).mean()
        assert record["coverage"][name] == pytest.approx(seen, abs=1e-4)
    assert record["hands"] == {"swapped": 0, "moved": 0, "dropped": 0}
    assert record["estimator"]["name"] == "synthetic"
    json.dumps(record, allow_nan=False)


def test_stored_boxes_are_those_of_the_stored_crops(tmp_path: Path, corpus: CorpusPaths) -> None:
    video = write_signing(tmp_path / "a.mp4")
    extract_clip(video, corpus, "a", replace(OPTIONS, jpeg_quality=100))
    clip = load_clip_keypoints(corpus.keypoints("a"))
    with VideoReader(video) as reader:
        for frame in reader:
            for i, stream in enumerate(CROP_STREAMS):
                data = corpus.crop_path(stream, "a", frame.index).read_bytes()
                expected = cut_crop(frame.rgb, clip.crop_box[i, frame.index], 32)
                stored = simplejpeg.decode_jpeg(data).astype(int)
                assert np.abs(stored - expected).mean() < 6


def test_same_video_gives_the_same_bytes(tmp_path: Path, corpus: CorpusPaths) -> None:
    video = write_signing(tmp_path / "a.mp4")
    extract_clip(video, corpus, "a", OPTIONS)
    first = files(corpus)
    extract_clip(video, corpus, "a", OPTIONS)
    assert files(corpus) == first


def test_memory_holds_what_the_files_hold(tmp_path: Path, corpus: CorpusPaths) -> None:
    video = write_signing(tmp_path / "a.mp4")
    extract_clip(video, corpus, "a", OPTIONS)
    held = extract_in_memory(video, OPTIONS)
    stored = load_clip_keypoints(corpus.keypoints("a"))
    np.testing.assert_array_equal(held.keypoints.keypoints, stored.keypoints)
    np.testing.assert_array_equal(held.keypoints.crop_box, stored.crop_box)
    np.testing.assert_array_equal(held.pose, load_pose(corpus.pose("a")))
    for stream in CROP_STREAMS:
        on_disk = [corpus.crop_path(stream, "a", i).read_bytes() for i in range(10)]
        assert held.crops[stream] == on_disk


def test_crops_of_an_older_longer_clip_are_removed(tmp_path: Path, corpus: CorpusPaths) -> None:
    extract_clip(write_signing(tmp_path / "long" / "a.mp4", frames=14), corpus, "a", OPTIONS)
    extract_clip(write_signing(tmp_path / "a_b.mp4", frames=4), corpus, "a_b", OPTIONS)
    extract_clip(write_signing(tmp_path / "a.mp4", frames=6), corpus, "a", OPTIONS)
    names = set(files(corpus))
    assert sum(name.startswith("face/a_f") for name in names) == 6
    assert sum(name.startswith("face/a_b_f") for name in names) == 4


def test_killed_at_any_step_a_clip_is_whole_or_not_there(
    tmp_path: Path, corpus: CorpusPaths
) -> None:
    older = write_signing(tmp_path / "older" / "a.mp4", frames=4)
    video = write_signing(tmp_path / "a.mp4", frames=2)
    wanted, steps = None, 0
    while wanted is None:
        extract_clip(older, corpus, "a", OPTIONS)
        steps += 1
        if not _dies_at(steps, video, corpus):
            wanted = files(corpus)
        elif corpus.keypoints("a").exists():
            clip = load_clip_keypoints(corpus.keypoints("a"))
            crops = sorted(name for name in files(corpus) if name.startswith("hand_r/"))
            assert crops == [f"hand_r/a_f{i:06d}.jpg" for i in range(len(clip))]
        extract_clip(video, corpus, "a", OPTIONS)
        assert wanted is None or files(corpus) == wanted
    assert steps > 10


def _dies_at(step: int, video: Path, corpus: CorpusPaths) -> bool:
    """Whether an extraction in a process of its own is killed at this step."""
    # Not a fork of this process: OpenCV's threads, once started, do not survive one.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["slt_cli.pipelines.extraction.clip"])
    child = context.Process(target=_extract_until, args=(step, video, corpus))
    child.start()
    child.join(60)
    assert child.exitcode in (0, -signal.SIGKILL)
    return child.exitcode != 0


def _extract_until(step: int, video: Path, corpus: CorpusPaths) -> None:
    atomic._steps_until_kill = step
    extract_clip(video, corpus, "a", OPTIONS)


@pytest.mark.parametrize("policy", ["fail", "warn", "ignore"])
def test_damage_is_treated_as_asked(tmp_path: Path, corpus: CorpusPaths, policy: Any) -> None:
    video = cut(write_signing(tmp_path / "a.mp4", frames=60, movflags="faststart"), 0.7)
    assert probe_video(video).num_frames == 60  # the header still promises all of them
    options = replace(OPTIONS, on_damage=policy)
    if policy == "fail":
        with pytest.raises(InputError, match=r"damaged: it ends at"):
            extract_clip(video, corpus, "a", options)
        assert files(corpus) == {}
        return
    record = extract_clip(video, corpus, "a", options)
    assert record["status"] == ("damaged" if policy == "warn" else "ok")
    assert record["damage"]["is_truncated"]
    assert 0 < record["frames"]["face"] < 60


def test_bad_video_leaves_nothing(tmp_path: Path, corpus: CorpusPaths) -> None:
    (tmp_path / "a.mp4").write_text("<html>")
    with pytest.raises(InputError):
        extract_clip(tmp_path / "a.mp4", corpus, "a", OPTIONS)
    video = zero_hole(write_signing(tmp_path / "b.mp4"), 1.0)
    with pytest.raises(InputError, match="not one frame"):
        extract_clip(video, corpus, "b", OPTIONS)
    assert files(corpus) == {}
    assert list(corpus.root.iterdir()) == []


class Moody:
    """Fails on some frames."""

    name, version, layout, sees_pixels = "moody", "1", LAYOUT.name, False

    def __init__(self, failing: int) -> None:
        self.settings: dict[str, Any] = {}
        self.left = failing

    def process(self, rgb: np.ndarray, time_s: float) -> Any:
        self.left -= 1
        if self.left >= 0:
            raise RuntimeError("graph")
        count = len(LAYOUT)
        return running.FrameLandmarks(
            np.full((count, 3), 0.5, np.float32), np.ones(count, np.float32), np.ones(count, bool)
        )

    def close(self) -> None:
        pass


@pytest.mark.parametrize("failing", [2, 3])
def test_estimator_may_fail_on_a_fifth_of_the_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    video = write_video(tmp_path / "a.mp4", frames=10)
    monkeypatch.setattr(running, "create_estimator", lambda *_, **__: Moody(failing))
    if failing == 3:
        with pytest.raises(InputError, match="failed on 3 of 10"):
            extract_in_memory(video, OPTIONS)
        return
    clip = extract_in_memory(video, OPTIONS).keypoints
    np.testing.assert_array_equal(clip.valid.all(axis=1), [False] * 2 + [True] * 8)


def test_corrupt_frames_are_not_shown_to_the_estimator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = write_video(tmp_path / "a.mp4", frames=6)
    whole = VideoReader.__iter__

    def third_is_corrupt(self: VideoReader) -> Any:
        for frame in whole(self):
            yield replace(frame, is_corrupt=frame.index == 2)

    monkeypatch.setattr(VideoReader, "__iter__", third_is_corrupt)
    monkeypatch.setattr(running, "create_estimator", lambda *_, **__: Moody(0))
    valid = extract_in_memory(video, OPTIONS).keypoints.valid
    np.testing.assert_array_equal(valid.any(axis=1), [True, True, False, True, True, True])


def test_file_that_changes_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = write_video(tmp_path / "a.mp4", frames=4)

    class Meddler(Moody):
        def close(self) -> None:
            pass

        def process(self, rgb: np.ndarray, time_s: float) -> Any:
            video.touch()
            return super().process(rgb, time_s)

    monkeypatch.setattr(running, "create_estimator", lambda *_, **__: Meddler(0))
    with pytest.raises(InputError, match="changed while"):
        extract_in_memory(video, OPTIONS)


def test_overlay_shows_every_frame_and_a_sheet(tmp_path: Path) -> None:
    video = write_signing(tmp_path / "a.mp4")
    clip = extract_in_memory(video, OPTIONS).keypoints
    overlay_clip(video, clip, tmp_path / "o" / "a.mp4", tmp_path / "o" / "a.png")
    info = probe_video(tmp_path / "o" / "a.mp4")
    assert (info.num_frames, info.width, info.height) == (10, 640, 480)
    assert (tmp_path / "o" / "a.png").read_bytes().startswith(b"\x89PNG")


def test_overlay_of_another_video_is_refused(tmp_path: Path) -> None:
    clip = extract_in_memory(write_signing(tmp_path / "a.mp4"), OPTIONS).keypoints
    for name, options in (("b.mp4", {"frames": 9}), ("c.mp4", {"size": (32, 32)})):
        other = write_video(tmp_path / name, **({"frames": 10} | options))
        with pytest.raises(InputError, match="not made from this video"):
            overlay_clip(other, clip, tmp_path / "o.mp4", tmp_path / "o.png")
    assert not (tmp_path / "o.mp4").exists()


@pytest.mark.real
def test_real_clip_shows_the_signers_own_right_hand(real_data: Path, tmp_path: Path) -> None:
    """She signs with the right hand, which is left in the picture; her mirror image does not."""
    from slt_cli.video.encode import VideoWriter

    video = real_data / "clips" / "signing_test_video.mp4"
    mirrored = tmp_path / "mirrored.mp4"
    with (
        VideoReader(video) as reader,
        VideoWriter(mirrored, 540, 720, reader.info.fps or Fraction(30)) as writer,
    ):
        for frame in reader:
            writer.write(np.ascontiguousarray(frame.rgb[:, ::-1]))
    left, right = list(LAYOUT.component("LEFT_HAND")), list(LAYOUT.component("RIGHT_HAND"))
    for path, own, other in ((video, right, left), (mirrored, left, right)):
        clip = extract_in_memory(path, ExtractOptions(crop_size=32)).keypoints
        seen = clip.valid[:, own].all(axis=1)
        assert seen.mean() > 0.25
        assert not clip.valid[:, other].any()
        middle = np.median(clip.keypoints[seen][:, own, 0])
        assert (middle < 0.5) == (path is video)
        assert clip.valid[:, list(LAYOUT.component("FACE"))].all(axis=1).mean() > 0.9
        assert clip.estimator["name"] == "mediapipe"


def test_a_header_that_promises_years_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = write_video(tmp_path / "a.mp4", frames=50)
    assert duration_s(video, 25.0) == pytest.approx(2.0)
    info = replace(probe_video(video), duration_s=4e7, num_frames=10**9)
    monkeypatch.setattr(source, "source_info", lambda *_, **__: info)
    assert duration_s(video, 25.0) is None
