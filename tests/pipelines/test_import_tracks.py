"""Landmarks of others become clips that the rest of the house can use."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from slt_cli.corpus.clip_files import load_clip_keypoints, load_pose
from slt_cli.corpus.paths import CorpusPaths
from slt_cli.corpus.tables import read_gloss_table, read_meta, read_table
from slt_cli.errors import InputError
from slt_cli.landmarks.formats import read_tracks
from slt_cli.landmarks.formats.track import LandmarkTrack
from slt_cli.landmarks.layouts import get_layout
from slt_cli.pipelines.extraction.clip import extract_clip
from slt_cli.pipelines.extraction.imports import import_annotations, import_track
from slt_cli.pipelines.extraction.options import ExtractOptions
from tests.pipelines.signing import write_signing

LAYOUT = get_layout("mediapipe_holistic_543")
OPTIONS = ExtractOptions()
SHA = "a" * 64


def made_track(frames: int = 8, **changes: object) -> LandmarkTrack:
    rng = np.random.default_rng(0)
    valid = rng.random((frames, len(LAYOUT))) < 0.9
    valid[:, :17] = True
    track = LandmarkTrack(
        points=(rng.uniform(0.1, 0.9, (frames, len(LAYOUT), 3)) * valid[..., None]).astype("f4"),
        confidence=(rng.uniform(0.5, 1, valid.shape) * valid).astype("f4"),
        valid=valid,
        time_s=np.arange(frames) / 25,
        layout=LAYOUT.name,
        frame_size=(640, 480),
        fps=Fraction(25),
        file_format=".pose 0.2",
        estimator={"name": "imported", "version": ".pose 0.2", "settings": {}},
        notes=("something was assumed",),
    )
    return replace(track, **changes)


@pytest.fixture
def corpus(tmp_path) -> CorpusPaths:
    return CorpusPaths.from_root(tmp_path / "corpus")


def bring(track, corpus, options=OPTIONS, video_id="a"):
    return import_track(track, Path("x/some.pose"), SHA, corpus, video_id, options)


def test_every_number_is_stored(corpus):
    track = made_track()
    bring(track, corpus)
    clip = load_clip_keypoints(corpus.keypoints("a"))
    np.testing.assert_array_equal(clip.keypoints[..., :2], track.points[..., :2])
    np.testing.assert_array_equal(clip.keypoints[..., 2], track.confidence)
    np.testing.assert_array_equal(clip.z, track.points[..., 2])
    np.testing.assert_array_equal(clip.valid, track.valid)
    np.testing.assert_array_equal(clip.time_s, track.time_s)
    assert (clip.layout, clip.frame_size, clip.fps) == (LAYOUT.name, (640, 480), 25)
    assert clip.estimator == track.estimator
    assert clip.source == {"name": "some.pose", "sha256": SHA, "settings": OPTIONS.fingerprint()}


def test_a_clip_out_of_many_remembers_which_one_it_was(corpus):
    record = bring(made_track(member="heute-1"), corpus)
    assert record["source"]["member"] == "heute-1"
    assert load_clip_keypoints(corpus.keypoints("a")).source == record["source"]


def test_there_are_no_pictures_and_the_clip_says_so(corpus):
    record = bring(made_track(), corpus)
    clip = load_clip_keypoints(corpus.keypoints("a"))
    assert not clip.crop_source.any()
    assert not clip.crop_box.any()
    assert record["frames"] == {"pose": 8, "keypoints": 8}
    assert not corpus.face_dir.exists()


def test_the_pose_is_in_signing_space(corpus):
    track = made_track()
    bring(track, corpus)
    pose = load_pose(corpus.pose("a")).reshape(8, 17, 3)
    nose, left, right = (
        track.points[:, LAYOUT.index(f"POSE.{name}"), :2].astype(float)
        for name in ("NOSE", "LEFT_SHOULDER", "RIGHT_SHOULDER")
    )
    origin = (left + right) / 2
    unit = np.linalg.norm(nose - origin, axis=1)[:, None]
    np.testing.assert_allclose(
        pose[:, 0, :2], np.clip(0.5 + (nose - origin) / (unit * [6, 7]), 0, 1), rtol=1e-5
    )


def test_the_record_has_the_keys_of_an_extracted_clip(corpus, tmp_path):
    video = write_signing(tmp_path / "videos" / "b.mp4")
    extracted = extract_clip(video, corpus, "b", replace(OPTIONS, estimator="synthetic"))
    record = bring(made_track(), corpus)
    own = {"imported_from", "notes"}
    timing = {"elapsed_s", "frames_per_s"}
    assert set(record) - own == set(extracted) - timing
    assert record["notes"] == ["something was assumed"]
    assert record["imported_from"] == ".pose 0.2"
    assert record["status"] == "ok"
    assert record["coverage"].keys() == extracted["coverage"].keys()
    assert record["coverage"]["pose"] == 1
    assert record["damage"].keys() == extracted["damage"].keys()
    assert json.loads(json.dumps(record)) == record


def test_a_second_import_replaces_what_an_extraction_left(corpus, tmp_path):
    video = write_signing(tmp_path / "videos" / "a.mp4")
    extract_clip(video, corpus, "a", replace(OPTIONS, estimator="synthetic"))
    assert len(list(corpus.face_dir.iterdir())) == 10
    bring(made_track(), corpus)
    assert [list(corpus.crop_dir(s).iterdir()) for s in ("face", "hand_l", "hand_r")] == [
        [],
        [],
        [],
    ]
    assert len(load_clip_keypoints(corpus.keypoints("a"))) == 8
    bring(made_track(), corpus, replace(OPTIONS, streams=("keypoints",)))
    assert not corpus.pose("a").exists()


def test_equal_tracks_give_equal_files(corpus):
    bring(made_track(), corpus, video_id="a")
    bring(made_track(), corpus, video_id="b")
    for find in (corpus.keypoints, corpus.pose):
        assert find("a").read_bytes() == find("b").read_bytes()


def test_frames_are_thinned_by_time_like_those_of_videos(corpus):
    record = bring(made_track(frames=20), corpus, replace(OPTIONS, stride=2))
    clip = load_clip_keypoints(corpus.keypoints("a"))
    np.testing.assert_allclose(clip.time_s, np.arange(0, 20, 2) / 25)
    assert record["frames"]["keypoints"] == 10


def test_a_body_that_is_hardly_seen_can_fail_the_clip(corpus):
    track = made_track()
    valid = track.valid.copy()
    valid[2:, :33] = False
    track = replace(track, valid=valid)
    with pytest.raises(InputError, match="a body is seen in 25% of the frames, not 50%"):
        bring(track, corpus, replace(OPTIONS, min_coverage=0.5))
    assert not corpus.keypoints("a").exists()
    assert bring(track, corpus)["coverage"]["pose"] == 0.25


def test_a_pose_without_shoulders_is_empty_and_told(corpus):
    track = made_track()
    valid = track.valid.copy()
    valid[:, :33] = False
    record = bring(replace(track, valid=valid), corpus)
    assert (load_pose(corpus.pose("a")).reshape(-1, 3) == [-1, -1, 0]).all()
    assert any("the pose file holds no point" in note for note in record["notes"])


@pytest.mark.real
@pytest.mark.parametrize(
    "name",
    ["mediapipe", "openpose", "segmentation_example", "mediapipe_hand_normalized",
     "hand_estimation/6fb01565da31c5500d1ef2cd2906b06b"],
)  # fmt: skip
def test_real_pose_files_become_clips(real_data, corpus, name):
    path = real_data / "pose_format_tests" / f"{name}.pose"
    ((video_id, track),) = read_tracks(path)
    import_track(track, path, SHA, corpus, video_id, OPTIONS)
    clip = load_clip_keypoints(corpus.keypoints(video_id))
    np.testing.assert_array_equal(clip.valid, track.valid)
    assert load_pose(corpus.pose(video_id)).shape == (len(track), 51)


# ---- annotations --------------------------------------------------------------------------------


def annotated(tmp_path: Path, **texts: tuple[str, str, str]) -> Path:
    """A pickle of clips with (text, gloss, signer)."""
    clips = {
        f"train/{name}": {"name": name, "text": text, "gloss": gloss, "signer": signer,
                          "keypoint": np.ones((1, 133, 3))}
        for name, (text, gloss, signer) in texts.items()
    }  # fmt: skip
    path = tmp_path / "some.train"
    path.write_bytes(pickle.dumps(clips))
    return path


def test_texts_and_glosses_begin_the_tables(corpus, tmp_path):
    path = annotated(tmp_path, a=("es regnet", "REGEN", ""), b=("morgen; schön", "MORGEN GUT", ""))
    assert import_annotations(path, corpus) == []
    assert corpus.metadata_csv.read_text("utf-8").splitlines() == [
        "video_id;texto", "a;es regnet", 'b;"morgen; schön"',
    ]  # fmt: skip
    assert corpus.gloss_csv.read_text("utf-8").splitlines() == [
        "video_id;gloss;ctc_labels", "a;REGEN;3", "b;MORGEN GUT;2 1",
    ]  # fmt: skip
    assert read_meta(corpus.metadata_csv) == {"a": "es regnet", "b": "morgen; schön"}
    assert read_gloss_table(corpus.gloss_csv)["b"] == ("MORGEN", "GUT")


def test_signers_are_a_column_where_there_are_any(corpus, tmp_path):
    path = annotated(tmp_path, a=("x", "", "Signer01"), b=("y", "", ""))
    import_annotations(path, corpus)
    rows = read_table(corpus.metadata_csv).by_id()
    assert rows["a"].cells == {"video_id": "a", "texto": "x", "signer": "Signer01"}
    assert rows["b"].cells["signer"] == ""
    assert not corpus.gloss_csv.exists()


def test_rows_that_are_there_stay_and_differences_are_told(corpus, tmp_path):
    corpus.gloss_csv.parent.mkdir(parents=True)
    corpus.metadata_csv.write_text("id;label;city\na;other words;Rosario\nz;zeta;\nc;;\n")
    corpus.gloss_csv.write_text("video_id;gloss;ctc_labels\nz;ZETA REGEN;7 2\n")
    path = annotated(
        tmp_path, a=("es regnet", "REGEN", "s"), b=("b", "ABC REGEN", ""), c=("new", "", "")
    )
    notes = import_annotations(path, corpus)
    assert notes == ["meta.csv: a keeps 'other words', not 'es regnet'"]
    assert corpus.metadata_csv.read_text().splitlines() == [
        "id;label;city", "a;other words;Rosario", "z;zeta;", "c;new;", "b;b;",
    ]  # fmt: skip
    assert corpus.gloss_csv.read_text().splitlines() == [
        "video_id;gloss;ctc_labels", "z;ZETA REGEN;7 2", "a;REGEN;2", "b;ABC REGEN;8 2",
    ]  # fmt: skip


def test_the_same_again_changes_nothing(corpus, tmp_path):
    path = annotated(tmp_path, a=("x", "A B", "s"), b=("y", "B", "s"))
    import_annotations(path, corpus)
    before = {p: (p.read_bytes(), p.stat().st_mtime_ns)
              for p in (corpus.metadata_csv, corpus.gloss_csv)}  # fmt: skip
    assert import_annotations(path, corpus) == []
    assert before == {p: (p.read_bytes(), p.stat().st_mtime_ns) for p in before}


def test_imports_at_the_same_time_lose_no_row(corpus, tmp_path):
    """Two pickles in two workers: each reads the tables, adds its rows and writes them."""
    code = (
        "import sys; from pathlib import Path\n"
        "from slt_cli.corpus.paths import CorpusPaths\n"
        "from slt_cli.pipelines.extraction.imports import import_annotations\n"
        "import_annotations(Path(sys.argv[1]), CorpusPaths.from_root(Path(sys.argv[2])))"
    )
    started = []
    for number in range(3):
        (tmp_path / str(number)).mkdir()
        texts = {f"c{number}x{i}": ("text", f"G{i}", "") for i in range(200)}
        path = annotated(tmp_path / str(number), **texts)
        command = [sys.executable, "-c", code, str(path), str(corpus.root)]
        started.append(subprocess.Popen(command))
    assert [process.wait() for process in started] == [0, 0, 0]
    assert len(read_meta(corpus.metadata_csv)) == len(read_gloss_table(corpus.gloss_csv)) == 600
    assert sorted(p.name for p in corpus.root.iterdir()) == ["annotations", "meta.csv"]


def test_a_table_of_another_make_is_left_alone(corpus, tmp_path):
    corpus.root.mkdir(parents=True)
    text = "name|video|start|end|speaker|orth|translation\na|a/1/*.png|-1|-1|S|A|x\n"
    corpus.metadata_csv.write_text(text)
    notes = import_annotations(annotated(tmp_path, b=("y", "", "")), corpus)
    assert "another make" in notes[0]
    assert corpus.metadata_csv.read_text() == text


def test_formats_without_annotations_make_no_table(corpus, tmp_path):
    np.save(tmp_path / "a.npy", np.ones((2, 133, 3)))
    assert import_annotations(tmp_path / "a.npy", corpus) == []
    assert not corpus.root.exists()
