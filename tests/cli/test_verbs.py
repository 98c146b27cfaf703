"""Every command as a user runs it: what it prints, what it leaves, and where it finds things."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from slt_cli.corpus.tables import write_index, write_meta
from tests.cli.made import SMALL, World, make_videos
from tests.cli.run_slt import files_in, json_object, slt

SYNTHETIC = ("--estimator", "synthetic", "--crop-size", "32")


def results(done: object) -> list[str]:
    """The lines of stdout of a command that succeeded."""
    assert done.returncode == 0, done.stderr  # type: ignore[attr-defined]
    return done.stdout.splitlines()  # type: ignore[attr-defined]


# ---- extract -------------------------------------------------------------------------------------


def test_extract_leaves_a_corpus_and_says_how_it_went(world: World) -> None:
    assert world.extract["counts"] == {"extracted": 2, "skipped": 0, "failed": 0}
    assert world.extract["facts"]["estimators"] == ["synthetic"]
    assert world.extract["outputs"] == ["clips"]
    corpus = world.root / "clips"
    for clip in world.extract["facts"]["clips"]:
        name, frames = clip["video_id"], clip["frames"]["keypoints"]
        assert (corpus / "keypoints" / f"{name}.npz").is_file()
        assert (corpus / "pose" / f"{name}.npz").is_file()
        for stream in ("face", "hand_l", "hand_r"):
            assert len(list((corpus / stream).glob(f"{name}_f*.jpg"))) == frames > 5
    records = [json.loads(line) for line in (corpus / "metadata.jsonl").open()]
    assert {r["video_id"]: r["estimator"]["name"] for r in records} == {
        "a": "synthetic", "b": "synthetic",
    }  # fmt: skip
    assert not [name for name in files_in(corpus) if Path(name).name.startswith(".")]


def test_bare_extract_writes_corpus_and_a_second_run_skips(tmp_path: Path) -> None:
    video = make_videos(tmp_path, ("a",)) / "a.mp4"
    first, last = results(slt("extract", video, *SYNTHETIC, cwd=tmp_path))
    assert first.startswith("a: ")
    assert last == "corpus: 1 extracted, 0 already there, 0 failed"
    before = stamps(tmp_path / "corpus")
    again = slt("extract", video, *SYNTHETIC, cwd=tmp_path)
    assert results(again) == ["corpus: 0 extracted, 1 already there, 0 failed"]
    assert "already there: 1 of 1" in again.stderr
    assert stamps(tmp_path / "corpus") == before


def test_a_drawing_of_a_clip_that_is_there_is_made_without_extracting_again(
    tmp_path: Path,
) -> None:
    video = make_videos(tmp_path, ("a",)) / "a.mp4"
    results(slt("extract", video, *SYNTHETIC, cwd=tmp_path))
    before = stamps(tmp_path / "corpus")
    drawn = json_object(
        slt("extract", video, *SYNTHETIC, "--overlay", "look", "--json", cwd=tmp_path)
    )
    assert drawn["counts"] == {"extracted": 0, "skipped": 1, "failed": 0}
    assert files_in(tmp_path / "look") == {"a.mp4", "a.png"}
    assert stamps(tmp_path / "corpus") == before


def stamps(folder: Path) -> dict[str, int]:
    """Time of the last change of every file but the log."""
    return {
        str(path): path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".log"
    }


def test_one_bad_and_one_missing_video_cost_exit_4_and_nothing_else(tmp_path: Path) -> None:
    video = make_videos(tmp_path, ("a",)) / "a.mp4"
    (tmp_path / "cut.mp4").write_bytes(video.read_bytes()[:3000])
    done = slt(
        "extract", "a.mp4", "cut.mp4", "a.mpg", "-o", "c", *SYNTHETIC, "--json", cwd=tmp_path
    )
    assert done.returncode == 4
    value = json_object(done)
    assert (value["status"], value["counts"]) == (
        "partial", {"extracted": 1, "skipped": 0, "failed": 2},
    )  # fmt: skip
    assert {e["where"]: e["code"] for e in value["errors"]} == {
        "cut.mp4": "SLT-E003", "a.mpg": "SLT-E002",
    }  # fmt: skip
    assert all(error["hint"] for error in value["errors"])
    assert "did you mean a.mp4?" in done.stderr
    assert files_in(tmp_path / "c" / "keypoints") == {"a.npz"}


@pytest.mark.parametrize(
    ("content", "code", "fragment"),
    [(b"hello", 3, "looks like text"), (b"", 3, "empty"), (None, 2, "no such file")],
)
def test_nothing_but_bad_videos(
    tmp_path: Path, content: bytes | None, code: int, fragment: str
) -> None:
    if content is not None:
        (tmp_path / "x.mp4").write_bytes(content)
    done = slt("extract", "x.mp4", *SYNTHETIC, cwd=tmp_path)
    assert done.returncode == code
    assert fragment in done.stderr
    assert "\n  next: " in done.stderr


def test_other_settings_do_not_touch_clips_that_are_there(world: World) -> None:
    before = stamps(world.root / "clips")
    done = slt("extract", "videos", "-o", "clips", "--estimator", "synthetic", cwd=world.root)
    assert done.returncode == 2
    assert "--overwrite" in done.stderr
    assert stamps(world.root / "clips") == before


# ---- train and eval ------------------------------------------------------------------------------


def test_bare_train_reads_corpus_and_writes_the_presets_run(world: World) -> None:
    assert world.train["outputs"] == ["work_dirs/tiny-cpu/best.pt", "work_dirs/tiny-cpu/last.pt"]
    run = world.root / "work_dirs" / "tiny-cpu"
    assert {"config.json", "metrics.jsonl", "artifacts.json", "best.pt", "last.pt"} <= {
        path.name for path in run.iterdir()
    }
    config = json.loads((run / "config.json").read_text("utf-8"))
    assert config["preset"] == "tiny-cpu"
    assert config["settings"]["data"]["corpus"] == "corpus"
    assert len((run / "metrics.jsonl").read_text().splitlines()) == 1
    artifacts = json.loads((run / "artifacts.json").read_text("utf-8"))
    assert artifacts["status"] == "completed"


def test_train_without_a_corpus_names_the_next_command(tmp_path: Path) -> None:
    done = slt("train", "--preset", "tiny-cpu", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "corpus/meta.csv (a table with the columns video_id;texto)" in done.stderr
    assert "next: slt extract VIDEO... -o corpus" in done.stderr
    assert files_in(tmp_path) == set()


def test_a_run_name_that_is_taken_is_refused_and_resume_is_offered(world: World) -> None:
    before = stamps(world.root / "work_dirs")
    done = slt("train", *SMALL, cwd=world.root)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--resume" in done.stderr
    assert "work_dirs/tiny-cpu" in done.stderr
    assert stamps(world.root / "work_dirs") == before


def test_a_second_process_on_a_run_is_refused_with_the_first_ones_id(
    world: World, tmp_path: Path
) -> None:
    import fcntl

    run = tmp_path / "run"
    run.mkdir()
    with (run / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write('{"pid": 4242, "host": "there"}')
        lock.flush()
        done = slt("train", *SMALL, "--data", "corpus", "--work-dir", run, cwd=world.root)
    assert (done.returncode, done.stdout) == (2, "")
    assert "in use by process 4242 on there" in done.stderr
    assert files_in(run) == {".lock"}


def test_data_sets_every_path_and_single_flags_override(world: World, tmp_path: Path) -> None:
    other = tmp_path / "other"
    elsewhere = tmp_path / "short.csv"
    elsewhere.write_text("train_000\ntrain_001\n")
    (world.root / "corpus").rename(world.root / "moved")
    try:
        (tmp_path / "corpus").symlink_to(world.root / "moved")
        value = json_object(slt(
            "train", *SMALL, "--data", world.root / "moved", "--train-index", elsewhere,
            "--work-dir", other, "--dry-run", "--json", cwd=tmp_path,
        ))  # fmt: skip
    finally:
        (world.root / "moved").rename(world.root / "corpus")
    assert value["facts"]["missing"] == []
    assert value["facts"]["clips"] == {"train": 2, "val": 2}


def test_bare_eval_scores_the_newest_finished_run(world: World) -> None:
    folder = world.root / "work_dirs" / "tiny-cpu" / "eval" / "val"
    assert world.evaluate["outputs"] == [
        "work_dirs/tiny-cpu/eval/val/predictions.csv", "work_dirs/tiny-cpu/eval/val/report.json",
    ]  # fmt: skip
    header, *rows = (folder / "predictions.csv").read_text("utf-8").splitlines()
    assert header == "video_id;prediction;reference;gloss_prediction;gloss_reference"
    assert [row.split(";")[0] for row in rows] == ["val_000", "val_001"]
    names = {
        score["name"]: score["signature"] for score in world.evaluate["facts"]["scores"]["text"]
    }
    assert {"BLEU-4", "chrF", "WER"} <= names.keys()
    assert all(names.values())


def test_eval_prints_scores_with_signatures_and_the_file(world: World, tmp_path: Path) -> None:
    lines = results(slt(
        "eval", "work_dirs/tiny-cpu", "--split", "val", "-o", tmp_path / "e", cwd=world.root
    ))  # fmt: skip
    (bleu,) = [line for line in lines if " BLEU-4 " in line]
    assert "version:" in bleu
    assert lines[-1] == f"predictions: {tmp_path / 'e' / 'predictions.csv'}"
    assert files_in(tmp_path / "e") == {"predictions.csv", "report.json"}


# ---- export and translate ------------------------------------------------------------------------


def test_bare_export_takes_the_newest_finished_run(world: World) -> None:
    assert world.export["outputs"][0] == "exports/tiny-cpu"
    assert {"encoder.onnx", "decoder.onnx", "manifest.json", "tokenizer.json"} <= files_in(
        world.root / "exports" / "tiny-cpu"
    )


def test_an_existing_bundle_is_kept(world: World) -> None:
    before = stamps(world.root / "exports")
    done = slt("export", "onnx", cwd=world.root)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--overwrite" in done.stderr
    assert stamps(world.root / "exports") == before


@pytest.mark.parametrize(
    "command", [("eval",), ("export", "onnx"), ("translate", "videos/a.mp4")], ids=" ".join
)
def test_without_a_finished_run_the_next_command_is_train(
    world: World, tmp_path: Path, command: tuple[str, ...]
) -> None:
    (tmp_path / "videos").symlink_to(world.videos)
    done = slt(*command, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no finished run" in done.stderr
    assert "next: slt train" in done.stderr


def test_run_and_bundle_say_the_same(world: World) -> None:
    said = [
        results(slt(
            "translate", "videos/a.mp4", "videos/b.mp4", "--model", model, "--estimator",
            "synthetic", cwd=world.root,
        ))
        for model in ("work_dirs/tiny-cpu", "exports/tiny-cpu")
    ]  # fmt: skip
    assert said[0] == said[1]
    assert len(said[0]) == 2


def test_translate_reports_a_bad_video_and_goes_on(world: World) -> None:
    done = slt(
        "translate", "videos/a.mp4", "videos/absent.mp4", "--estimator", "synthetic", "--format",
        "json", cwd=world.root,
    )  # fmt: skip
    assert done.returncode == 4
    (row,) = map(json.loads, done.stdout.splitlines())
    assert (row["video"], row["estimator"]) == ("videos/a.mp4", "synthetic")
    assert "videos/absent.mp4" in done.stderr


# ---- pretrain, doctor ----------------------------------------------------------------------------


def test_a_pretrained_backbone_can_be_trained_with(world: World, tmp_path: Path) -> None:
    value = json_object(slt(
        "pretrain", "--stream", "face", "--train-dir", world.root / "clips" / "face",
        "--epochs", "1", "--warmup-epochs", "0", "--image-size", "32", "--local-size", "16",
        "--patch-size", "8", "--local-crops", "1", "--vit-embed-dim", "24", "--vit-depth", "1",
        "--vit-heads", "2", "--prototypes", "16", "--batch-size", "16", "--json", cwd=tmp_path,
    ))  # fmt: skip
    assert value["outputs"] == ["work_dirs/dino-face"]
    backbone = value["facts"]["backbone"]
    assert (tmp_path / "work_dirs" / "dino-face" / "backbone.pt").is_file()
    clips = shutil.copytree(world.root / "clips", tmp_path / "clips")
    write_meta(clips / "meta.csv", {"a": "hola", "b": "chau"})
    for split in ("train", "val"):
        write_index(clips / "index" / f"{split}.csv", ["a", "b"])
    plan = json_object(slt(
        "train", *SMALL, "--data", clips, "--set", "model.streams=face,keypoints",
        "--face-backbone", backbone, "--dry-run", "--json", cwd=tmp_path,
    ))  # fmt: skip
    assert plan["facts"].get("missing") == [], plan["error"]
    assert plan["facts"]["estimate"]["parameters"]["encoder"]["trained"] > 0


def test_doctor_checks_every_part() -> None:
    value = json_object(slt("doctor", "--json"))
    assert value["facts"].keys() >= {"packages", "estimator mediapipe", "video codecs", "disk"}
    assert value["counts"]["ok"] == sum(part["ok"] for part in value["facts"].values())
