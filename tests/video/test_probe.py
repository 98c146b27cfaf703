from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from slt_cli.errors import InputError, MissingAsset, UsageError
from slt_cli.video import probe
from slt_cli.video.probe import probe_video
from tests.video.media import cut, turn, write_sound, write_video


def test_says_what_the_header_says(tmp_path: Path) -> None:
    info = probe_video(write_video(tmp_path / "a.mp4", frames=50))
    assert (info.width, info.height, info.rotation) == (64, 48, 0)
    assert (info.fps, info.num_frames, info.codec) == (Fraction(25), 50, "h264")
    assert info.duration_s == pytest.approx(2.0)


def test_matroska_tells_its_duration_but_not_its_frames(tmp_path: Path) -> None:
    info = probe_video(write_video(tmp_path / "a.mkv", frames=50))
    assert info.num_frames == 0
    assert info.duration_s == pytest.approx(2.0)


def test_size_is_that_of_the_turned_picture(tmp_path: Path) -> None:
    path = write_video(tmp_path / "phone.mp4", frames=5)
    turn(path)
    info = probe_video(path)
    assert (info.width, info.height, info.rotation) == (48, 64, 90)


def test_missing_path_suggests_what_looks_alike(tmp_path: Path) -> None:
    write_video(tmp_path / "signing.mp4", frames=1)
    with pytest.raises(UsageError) as caught:
        probe_video(tmp_path / "singing.mp4")
    assert "signing.mp4" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"  <!DOCTYPE html><html>404</html>", "looks like HTML"),
        (b"just some words\n" * 50, "looks like text"),
        (bytes(range(256)) * 20, "not a video"),
    ],
)
def test_names_what_is_not_a_video(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "video.mp4"
    path.write_bytes(content)
    with pytest.raises(InputError, match=words):
        probe_video(path)


def test_folder_is_not_a_video(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="folder"):
        probe_video(tmp_path)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.9])
def test_recognises_an_incomplete_download(tmp_path: Path, share: float) -> None:
    path = cut(write_video(tmp_path / "a.mp4"), share)
    with pytest.raises(InputError, match=r"index \(moov\) is missing or cut"):
        probe_video(path)


@pytest.mark.parametrize("cover", [False, True])
def test_sound_with_or_without_cover_picture_is_no_video(tmp_path: Path, cover: bool) -> None:
    with pytest.raises(InputError, match="no video stream"):
        probe_video(write_sound(tmp_path / "song.mp4", cover=cover))


def test_unknown_codec_is_a_missing_asset(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", frames=5)
    path.write_bytes(path.read_bytes().replace(b"avc1", b"zzz9"))
    with pytest.raises(MissingAsset, match="codec"):
        probe_video(path)


def test_refuses_gigantic_pictures_before_decoding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "a.mp4", frames=2)
    monkeypatch.setattr(probe, "MAX_PIXELS", 64 * 48 - 1)
    with pytest.raises(InputError, match="64 x 48"):
        probe_video(path)


def test_metadata_that_is_no_text_does_no_harm(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", frames=3)
    path.write_bytes(path.read_bytes().replace(b"Lavf", b"\xff\xfe\xfd\xfc"))
    assert probe_video(path).codec == "h264"
