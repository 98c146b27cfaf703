"""Configuration files mean what they say: YAML 1.2, JSON and TOML, refused rather than guessed."""

import pytest

from slt_cli.errors import UsageError
from slt_cli.settings.files import parse_config, read_config
from slt_cli.settings.load import SettingsError, load_settings


def yaml(text: str) -> dict:
    return parse_config(text, ".yaml", "a.yaml")


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("no", "no"),  # a language code; YAML 1.1 reads False
        ("on", "on"),
        ("true", True),
        ("1e-5", 1e-5),  # YAML 1.1 reads a string
        ("0012", 12),  # YAML 1.1 reads octal 10
        ("1:30", "1:30"),  # YAML 1.1 reads base sixty
        ("~", None),
        ("'null'", "null"),
        ("0x10", 16),
    ],
)
def test_scalars_follow_yaml_1_2(written, value):
    found = yaml(f"data:\n  x: {written}\n")["data"]["x"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("optim:\n  lr: 1\n  lr: 2\n", "lr"),  # duplicate key
        ("optim:\n\tlr: 1\n", r"\t"),
        ("optim: !!python/object/apply:os.system ['touch canary']\n", "python"),
        ("optim: !custom 3\n", "custom"),
        ("optim:\n  lr: [1\n", "flow sequence"),
        ("---\noptim:\n---\nmodel:\n", "document"),
        ("optim: *missing\n", "missing"),
        ("[" * 100_000, "nested"),
    ],
)
def test_what_yaml_leaves_open_is_refused(tmp_path, monkeypatch, text, fragment):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="not valid YAML") as caught:
        yaml(text)
    assert fragment in caught.value.message
    assert caught.value.where == "a.yaml"
    assert list(tmp_path.iterdir()) == []  # the tag's command did not run


def bomb(levels: int, width: int, leaf: str) -> str:
    lines = [f"a0: &a0 {leaf}"]
    for level in range(1, levels + 1):
        lines.append(f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * width)}]")
    return "\n".join(lines)


def test_an_alias_bomb_is_refused():
    with pytest.raises(UsageError, match="aliases"):
        yaml(bomb(9, 9, "x"))


@pytest.mark.timeout(10)
def test_the_largest_bomb_that_passes_is_reported_in_one_short_line(tmp_path):
    path = tmp_path / "a.yaml"
    lines = bomb(10, 2, '"' + "x" * 10_000 + '"').splitlines()
    path.write_text("model:\n" + "\n".join(f"  {line}" for line in lines))
    with pytest.raises(SettingsError):
        load_settings(config_files=[path])
    last = lines[-1].split(" ", 2)[2]
    path.write_text(
        "model:\n" + "\n".join(f"  {line}" for line in lines[:-1]) + f"\n  d_model: {last}"
    )
    with pytest.raises(SettingsError) as caught:
        load_settings(config_files=[path])
    found = next(problem for problem in caught.value.problems if problem.key == "model.d_model")
    assert len(str(found)) < 1000


def test_a_list_that_holds_itself_is_one_problem(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("model:\n  streams: &a [*a]\n  d_model: *a\n")
    with pytest.raises(SettingsError) as caught:
        load_settings(config_files=[path])
    assert {problem.key for problem in caught.value.problems} == {"model.streams", "model.d_model"}


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ('{"optim": {"lr": 1, "lr": 2}}', "written twice"),
        ('{"optim": {}, "optim": {}}', "written twice"),
        ('{"optim": {"lr": NaN}}', "NaN"),
        ('{"optim": {"lr": -Infinity}}', "-Infinity"),
        ('{"optim": ', "Expecting"),
        ("[" * 100_000, ""),
        ('{"seed": ' + "9" * 5000 + "}", "digits"),
    ],
)
def test_what_json_leaves_open_is_refused(text, fragment):
    with pytest.raises(UsageError, match="not valid JSON") as caught:
        parse_config(text, ".json", "a.json")
    assert fragment in caught.value.message


@pytest.mark.parametrize("text", ["[optim]\nlr = 1\nlr = 2\n", "[optim\n", "lr = 01\n"])
def test_bad_toml_is_refused(text):
    with pytest.raises(UsageError, match="not valid TOML"):
        parse_config(text, ".toml", "a.toml")


def test_the_three_formats_say_the_same(tmp_path):
    texts = {
        "a.yaml": "model:\n  streams: [face, pose]\noptim:\n  lr: 1e-3\n",
        "a.json": '{"model": {"streams": ["face", "pose"]}, "optim": {"lr": 1e-3}}',
        "a.TOML": "[model]\nstreams = ['face', 'pose']\n[optim]\nlr = 1e-3\n",
        "b.yml": 'model: {streams: ["face", "pose"]}\noptim: {lr: 0.001}\n',
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        value = read_config(tmp_path / name)
        assert value == {"model": {"streams": ["face", "pose"]}, "optim": {"lr": 1e-3}}


@pytest.mark.parametrize("suffix", [".yaml", ".json", ".toml"])
def test_a_byte_order_mark_is_not_part_of_the_first_key(tmp_path, suffix):
    text = {".yaml": "optim: {}", ".json": '{"optim": {}}', ".toml": "[optim]"}[suffix]
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert read_config(path) == {"optim": {}}


def test_an_empty_file_changes_nothing(tmp_path):
    for name in ("a.yaml", "b.toml"):
        (tmp_path / name).write_text("# nothing yet\n")
        assert read_config(tmp_path / name) == {}


@pytest.mark.parametrize("text", ["- lr\n", "3\n", "just words\n"])
def test_a_file_must_hold_sections(text):
    with pytest.raises(UsageError, match="must hold sections"):
        yaml(text)


def test_a_section_must_hold_keys(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("optim: 3\nmodel: [1]\n1: 2\n")
    with pytest.raises(SettingsError) as caught:
        load_settings(config_files=[path])
    assert [(p.key, p.message) for p in caught.value.problems] == [
        ("optim", "must hold keys and values"),
        ("model", "must hold keys and values"),
        ("1", "unknown section"),
    ]


def test_files_that_cannot_be_read_say_why(tmp_path):
    (tmp_path / "latin.yaml").write_bytes("a: ñ".encode("latin-1"))
    (tmp_path / "folder.yaml").mkdir()
    for name, fragment in [
        ("absent.yaml", "no such"),
        ("config.ini", "end in .json, .toml, .yaml, .yml"),
        ("latin.yaml", "cannot be read"),
        ("folder.yaml", "cannot be read"),
    ]:
        with pytest.raises(UsageError, match=fragment) as caught:
            read_config(tmp_path / name)
        assert caught.value.where == str(tmp_path / name)
