"""Clips of a corpus as `.pose` files for other tools."""

from __future__ import annotations

from fractions import Fraction
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from slt_cli.corpus.clip_files import ClipKeypoints, load_clip_keypoints, save_clip_keypoints
from slt_cli.corpus.paths import CorpusPaths
from slt_cli.errors import InputError, UsageError
from slt_cli.landmarks.formats import read_tracks
from slt_cli.landmarks.formats.pose_file import parse_pose
from slt_cli.landmarks.layouts import LAYOUTS, get_layout
from slt_cli.pipelines.export_pose import plan_export_pose, run_export_pose
from slt_cli.pipelines.extraction.imports import import_track
from slt_cli.pipelines.extraction.options import ExtractOptions
from slt_cli.pipelines.result import silent
from slt_cli.settings.evaluate import ExportSettings
from slt_cli.settings.load import load_settings


def made_clip(layout: str = "mediapipe_holistic_543", seed: int = 0, **changes) -> ClipKeypoints:
    rng = np.random.default_rng(seed)
    frames, points = 6, len(get_layout(layout))
    valid = rng.random((frames, points)) < 0.8
    keypoints = rng.uniform(0.05, 1.1, (frames, points, 3)) * valid[..., None]
    keypoints[..., 2] = np.minimum(keypoints[..., 2], 1)
    depth = rng.normal(size=valid.shape) * valid * layout.startswith("mediapipe")
    values = {
        "keypoints": keypoints.astype(np.float32), "z": depth.astype(np.float32), "valid": valid,
        "time_s": 0.5 + np.arange(frames) * 1001 / 30000,
        "crop_box": np.zeros((3, frames, 4), np.int32),
        "crop_source": np.zeros((3, frames), np.uint8),
        "layout": layout, "frame_size": (640, 480), "fps": Fraction(30000, 1001),
    }  # fmt: skip
    return ClipKeypoints(**(values | changes))


@pytest.fixture
def corpus(tmp_path) -> CorpusPaths:
    corpus = CorpusPaths.from_root(tmp_path / "corpus")
    for seed, name in enumerate(("a", "b", "c.d")):
        save_clip_keypoints(corpus.keypoints(name), made_clip(seed=seed))
    return corpus


@pytest.fixture
def poses(tmp_path) -> Path:
    return tmp_path / "poses"


def export(source: Path, output: Path | None, *clips: str, overwrite: bool = False):
    settings = ExportSettings(output=output, overwrite=overwrite)
    return run_export_pose(source, clips, settings, silent)


def test_one_file_per_clip(corpus, poses):
    result = export(corpus.root, poses)
    assert sorted(p.name for p in poses.iterdir()) == ["a.pose", "b.pose", "c.d.pose"]
    assert (result.status, result.exit_code) == ("ok", 0)
    assert result.counts == {"written": 3, "skipped": 0, "failed": 0}
    assert result.outputs == [poses / f"{name}.pose" for name in ("a", "b", "c.d")]
    assert result.text.splitlines()[-1] == f"{poses}: 3 written, 0 skipped, 0 failed"
    assert result.warnings == []


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_clip_survives_the_way_out_and_in(tmp_path, poses, layout):
    corpus = CorpusPaths.from_root(tmp_path / "corpus")
    clip = made_clip(layout)
    save_clip_keypoints(corpus.keypoints("a"), clip)
    export(corpus.root, poses)
    ((name, track),) = read_tracks(poses / "a.pose")
    again = CorpusPaths.from_root(tmp_path / "again")
    import_track(track, poses / "a.pose", "0" * 64, again, name, ExtractOptions())
    back = load_clip_keypoints(again.keypoints("a"))
    assert (back.layout, back.frame_size, back.fps) == (layout, (640, 480), Fraction(30000, 1001))
    np.testing.assert_array_equal(back.valid, clip.valid)
    np.testing.assert_allclose(back.keypoints[..., :2], clip.keypoints[..., :2], rtol=2e-7)
    np.testing.assert_array_equal(back.keypoints[..., 2], clip.keypoints[..., 2])
    np.testing.assert_array_equal(back.z, clip.z)
    np.testing.assert_allclose(np.diff(back.time_s), np.diff(clip.time_s))
    export(again.root, tmp_path / "second")
    assert (tmp_path / "second" / "a.pose").read_bytes() == (poses / "a.pose").read_bytes()


def test_pixels_confidence_and_header(corpus, poses):
    export(corpus.root, poses, "b")
    pose, clip = parse_pose((poses / "b.pose").read_bytes(), "x"), made_clip(seed=1)
    assert (pose.version, pose.size) == (0.2, (640, 480, 0))
    assert pose.fps == np.float32(30000 / 1001)
    assert pose.data.shape == (6, 1, 543, 3)
    expected = clip.keypoints[..., :2] * (640, 480)
    np.testing.assert_allclose(pose.data[:, 0, :, :2], expected, rtol=1e-6)
    np.testing.assert_array_equal(pose.confidence[:, 0] > 0, clip.valid)


def test_chosen_clips_only(corpus, poses):
    export(corpus.root, poses, "c.d", "a")
    assert sorted(p.name for p in poses.iterdir()) == ["a.pose", "c.d.pose"]


def test_a_single_keypoint_file(corpus, poses, tmp_path):
    assert export(corpus.keypoints("b"), poses).outputs == [poses / "b.pose"]
    named = tmp_path / "else" / "where.pose"
    assert export(corpus.keypoints("b"), named).outputs == [named]
    assert named.read_bytes() == (poses / "b.pose").read_bytes()


def test_without_an_output_the_folder_is_named_after_the_corpus(corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert export(corpus.root, None, "a").outputs == [Path("exports/corpus-pose/a.pose")]
    assert (tmp_path / "exports" / "corpus-pose" / "a.pose").is_file()


def test_an_equal_file_is_kept_and_another_is_in_the_way(corpus, poses):
    export(corpus.root, poses, "a")
    stamp = (poses / "a.pose").stat().st_mtime_ns
    again = export(corpus.root, poses)
    assert again.counts == {"written": 2, "skipped": 1, "failed": 0}
    assert (poses / "a.pose").stat().st_mtime_ns == stamp
    (poses / "a.pose").write_bytes(b"mine")
    (poses / "b.pose").unlink()
    with pytest.raises(UsageError, match=r"1 files are there with another content: a\.pose"):
        export(corpus.root, poses)
    assert not (poses / "b.pose").exists()  # nothing was written
    assert (poses / "a.pose").read_bytes() == b"mine"
    export(corpus.root, poses, overwrite=True)
    assert (poses / "a.pose").read_bytes() != b"mine"


def test_one_bad_clip_costs_one_clip(corpus, poses):
    corpus.keypoints("b").write_bytes(b"PK\3\4 cut")
    result = export(corpus.root, poses)
    assert (result.status, result.exit_code) == ("partial", 4)
    assert result.counts == {"written": 2, "skipped": 0, "failed": 1}
    assert result.errors[0].where == str(corpus.keypoints("b"))
    only = export(corpus.root, poses, "b")
    assert (only.status, only.exit_code) == ("failed", 3)


def test_mistakes_are_named(corpus, poses, tmp_path):
    with pytest.raises(UsageError, match=r"no clip 'c\.b'; did you mean c\.d"):
        export(corpus.root, poses, "c.b")
    with pytest.raises(InputError, match="no clips"):
        export(tmp_path / "absent", poses)
    with pytest.raises(UsageError, match="no clips to choose from"):
        export(corpus.keypoints("a"), poses, "a")
    with pytest.raises(UsageError, match="one file for 3 clips"):
        export(corpus.root, poses / "x.pose")
    assert not poses.exists()


def test_what_the_format_cannot_tell_is_told(corpus, poses):
    times = np.array([0, 0.04, 0.08, 0.5, 0.54, 0.58])
    save_clip_keypoints(corpus.keypoints("a"), made_clip(time_s=times, fps=Fraction(25)))
    save_clip_keypoints(corpus.keypoints("b"), made_clip(frame_size=(1, 1)))
    result = export(corpus.root, poses)
    assert [w.partition(":")[0] for w in result.warnings] == ["a", "b"]
    assert "not evenly spaced" in result.warnings[0]
    assert "1000 x 1000" in result.warnings[1]
    assert parse_pose((poses / "b.pose").read_bytes(), "x").size == (1000, 1000, 0)


@pytest.mark.parametrize(
    ("step_s", "fps", "expected"),
    [
        (1 / 25, Fraction(25), 25), (2 / 25, Fraction(25), 12.5), (0.0334, Fraction(30), 30),
        (1 / 15, None, 15), (1001 / 30000, None, 30000 / 1001),
    ],
)  # fmt: skip
def test_the_frame_rate_is_that_of_the_frames_which_are_there(corpus, poses, step_s, fps, expected):
    clip = made_clip(time_s=3 + np.arange(6) * step_s, fps=fps)
    save_clip_keypoints(corpus.keypoints("a"), clip)
    export(corpus.root, poses, "a")
    assert parse_pose((poses / "a.pose").read_bytes(), "x").fps == pytest.approx(expected, rel=1e-6)


def test_clips_of_older_corpora_are_exported_too(corpus, poses):
    np.save(corpus.keypoints_dir / "old.npy", np.full((4, 133, 3), 0.5))
    export(corpus.root, poses, "old")
    pose = parse_pose((poses / "old.pose").read_bytes(), "x")
    assert (pose.components[0].name, pose.fps, len(pose.data)) == ("BODY", 25, 4)


def test_a_dry_run_tells_and_writes_nothing(corpus, poses):
    loaded = load_settings(flags={"export.output": str(poses)})
    plan = plan_export_pose(corpus.root, ("a", "b"), loaded)
    assert plan.facts["steps"] == [f"write {poses / 'a.pose'}", f"write {poses / 'b.pose'}"]
    assert not poses.exists()
    missing = plan_export_pose(corpus.root, ("x",), loaded).facts["missing"]
    assert "no clip 'x'" in missing[0]


if find_spec("pose_format"):  # the extra `bench`; nothing else needs it

    def test_the_library_of_the_format_opens_and_draws_them(corpus, poses):
        library = import_module("pose_format")
        export(corpus.root, poses, "a")
        pose, clip = library.Pose.read((poses / "a.pose").read_bytes()), made_clip()
        names = [c.name for c in pose.header.components]
        assert names == [f"{c}_LANDMARKS" for c in ("POSE", "FACE", "LEFT_HAND", "RIGHT_HAND")]
        assert pose.body.fps == np.float32(30000 / 1001)
        expected = clip.keypoints[..., :2] * (640, 480)
        seen = ~np.ma.getmaskarray(pose.body.data)[:, 0, :, 0]
        np.testing.assert_array_equal(seen, clip.valid)
        data = np.ma.getdata(pose.body.data)[:, 0]
        np.testing.assert_allclose(data[..., :2][seen], expected[seen], rtol=1e-6)
        shoulder = pose.header.get_point_index("POSE_LANDMARKS", "LEFT_SHOULDER")
        assert shoulder == get_layout(clip.layout).index("POSE.LEFT_SHOULDER")
