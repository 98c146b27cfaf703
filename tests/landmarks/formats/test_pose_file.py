"""The bytes of `.pose` files, against files put together by hand."""

import struct

import numpy as np
import pytest

from slt_cli.errors import InputError
from slt_cli.landmarks.formats.pose_file import PoseComponent, PoseFile, parse_pose, pose_bytes
from tests.landmarks.formats.posefile import Component, Written, hands

VERSIONS = {"0.0": Written.v0_0, "0.1": Written.v0_1, "0.2": Written.v0_2}
TINY = Written(
    [Component("A", ["p", "q"], "XYC", [(0, 1)], [(1, 2, 3)]), Component("Ö", ["r"], "XYC")],
    np.arange(12).reshape(2, 1, 3, 2), np.array([[[1, 0, 0.5]], [[0, 0, 1]]]),
    size=(640, 480, 7), fps=24,
)  # fmt: skip
# Written out once in full: version, size, components; A: format, counts, points, limb, colour; Ö.
TINY_HEADER = (
    "cdcc4c3e" "8002" "e001" "0700" "0200"
    "0100" "41" "0300" "585943" "0200" "0100" "0100" "0100" "70" "0100" "71" "0000" "0100"
    "0100" "0200" "0300"
    "0200" "c396" "0300" "585943" "0100" "0000" "0100" "0100" "72" "ff00" "0000" "0000"
)  # fmt: skip


def test_the_hand_made_file_has_the_bytes_of_the_specification():
    body = struct.pack("<fIH", 24, 2, 1) + TINY.arrays()
    assert TINY.v0_2() == bytes.fromhex(TINY_HEADER) + body


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_gives_the_same_numbers(version):
    pose = parse_pose(VERSIONS[version](TINY), "x.pose")
    assert pose.version == float(version)
    assert (pose.size, pose.fps, pose.frames_recovered) == ((640, 480, 7), 24, False)
    assert pose.components == (
        PoseComponent("A", "XYC", ("p", "q"), ((0, 1),), ((1, 2, 3),)),
        PoseComponent("Ö", "XYC", ("r",), (), ((255, 0, 0),)),
    )
    np.testing.assert_array_equal(pose.data[1, 0], [[6, 7], [8, 9], [10, 11]])
    np.testing.assert_array_equal(pose.confidence[:, 0], [[1, 0, 0.5], [0, 0, 1]])
    assert pose.data.dtype == pose.confidence.dtype == np.float32


def test_version_0_2_keeps_a_fractional_frame_rate():
    assert parse_pose(hands(fps=29.97).v0_2(), "x").fps == np.float32(29.97)
    assert parse_pose(hands(fps=29.97).v0_1(), "x").fps == 29


def test_writing_gives_the_bytes_that_were_read():
    for written in (TINY, hands(frames=3, people=2)):
        data = written.v0_2()
        assert pose_bytes(parse_pose(data, "x")) == data


def test_older_versions_are_written_as_0_2():
    assert pose_bytes(parse_pose(TINY.v0_1(), "x")) == TINY.v0_2()
    assert pose_bytes(parse_pose(TINY.v0_0(), "x")) == TINY.v0_2()


def test_people_of_version_0_0_may_come_and_go():
    """One person, nobody, two people."""
    component = Component("A", ["p"], "XYC")
    person = struct.pack("<h3f", 5, 1, 2, 0.5)
    other = struct.pack("<h3f", 6, 3, 4, 0.25)
    body = struct.pack("<HH", 10, 3) + b"".join(
        struct.pack("<H", count) + rows
        for count, rows in ((1, person), (0, b""), (2, person + other))
    )
    header = Written([component], np.zeros((3, 1, 1, 2)), np.zeros((3, 1, 1))).header(0.0)
    pose = parse_pose(header + body, "x")
    assert pose.data[:, :, 0].tolist() == [[[1, 2], [0, 0]], [[0, 0], [0, 0]], [[1, 2], [3, 4]]]
    assert pose.confidence[:, :, 0].tolist() == [[0.5, 0], [0, 0], [0.5, 0.25]]


def test_formats_may_differ_between_components_of_version_0_0():
    parts = [Component("A", ["p"], "XYC"), Component("B", ["q"], "XYZC")]
    header = Written(parts, np.zeros((1, 1, 2, 3)), np.zeros((1, 1, 2))).header(0.0)
    body = struct.pack("<HHHh", 25, 1, 1, 0) + struct.pack("<3f4f", 1, 2, 0.5, 3, 4, 5, 0.75)
    pose = parse_pose(header + body, "x")
    assert pose.data[0, 0].tolist() == [[1, 2, 0], [3, 4, 5]]
    assert pose.confidence[0, 0].tolist() == [0.5, 0.75]


def test_nobody_at_all():
    pose = parse_pose(hands(frames=3, people=0).v0_2(), "x")
    assert pose.data.shape == (3, 1, 42, 3)
    assert not pose.confidence.any()


@pytest.mark.parametrize("write", [Written.v0_1, Written.v0_0])
def test_more_than_65535_frames_are_told_from_the_size_of_the_file(write):
    frames = 65536 + 7
    data = np.arange(frames, dtype=np.float32).reshape(frames, 1, 1, 1).repeat(2, axis=3)
    long = Written([Component("A", ["p"], "XYC")], data, np.ones((frames, 1, 1)))
    pose = parse_pose(write(long), "x")
    assert pose.frames_recovered
    assert len(pose.data) == frames
    np.testing.assert_array_equal(pose.data[:, 0, 0, 1], np.arange(frames))
    assert pose.confidence.all()


@pytest.mark.parametrize("frames", [65536, 65535, 131072])
def test_frame_counts_at_the_edge_of_16_bits(frames):
    data = np.zeros((frames, 1, 1, 2))
    long = Written([Component("A", ["p"], "XYC")], data, np.ones((frames, 1, 1)))
    pose = parse_pose(long.v0_1(), "x")
    assert (len(pose.data), pose.frames_recovered) == (frames, frames > 65535)


@pytest.mark.parametrize("version", ["0.1", "0.2"])
@pytest.mark.parametrize("change", [-1, -4, -42 * 16, 3, 42 * 16])
def test_a_body_of_another_size_is_refused_with_both_sizes(version, change):
    data = VERSIONS[version](hands(frames=4))
    changed = data + bytes(change) if change > 0 else data[:change]
    with pytest.raises(InputError, match="not a whole") as caught:
        parse_pose(changed, "short.pose")
    needed = 4 * 42 * 4 * 4
    assert f"4 frames of 1 x 42 points need {needed} bytes, {needed + change} found" in str(
        caught.value
    )
    assert caught.value.where == "short.pose"


@pytest.mark.parametrize("change", [-1, -2, 1, 2])
def test_a_body_of_version_0_0_must_end_with_its_last_frame(change):
    data = hands(frames=4).v0_0()
    changed = data + bytes(change) if change > 0 else data[:change]
    with pytest.raises(InputError, match="4 frames promised"):
        parse_pose(changed, "x")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_file_cut_anywhere_is_refused(version):
    data = VERSIONS[version](TINY)
    for end in range(len(data)):
        with pytest.raises(InputError):
            parse_pose(data[:end], "x")


def test_a_header_that_promises_a_thousand_million_frames_takes_no_memory():
    for people in (0, 1):
        bomb = hands(frames=0, people=people, frames_told=2**32 - 1)
        with pytest.raises(InputError, match="not a whole"):
            parse_pose(bomb.v0_2(), "x")


@pytest.mark.parametrize("version", [0.3, 1.0, -0.1, float("nan"), 3e38])
def test_other_versions_are_refused_by_name(version):
    data = struct.pack("<f", version) + hands().v0_2()[4:]
    with pytest.raises(InputError) as caught:
        parse_pose(data, "x")
    assert f"version {version:g}, not 0.0, 0.1 or 0.2" in caught.value.message


@pytest.mark.parametrize("data", [b"", b"<html><body>404</body></html>", bytes(64), b"\0" * 11])
def test_what_is_no_pose_file_is_refused(data):
    with pytest.raises(InputError):
        parse_pose(data, "x")


@pytest.mark.parametrize("seed", range(60))
def test_flipped_bytes_are_read_or_refused_but_never_crash(seed):
    rng = np.random.default_rng(seed)
    data = bytearray(list(VERSIONS.values())[seed % 3](TINY))
    for _ in range(3):
        data[int(rng.integers(len(data)))] = int(rng.integers(256))
    try:
        pose = parse_pose(bytes(data), "x")
    except InputError:
        return
    assert pose.data.shape[:3] == pose.confidence.shape
    assert isinstance(pose, PoseFile)
