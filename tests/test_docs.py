"""Docs that would go stale silently are compared with what they describe."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from slt_cli.cli.config import settings_table
from slt_cli.errors import SltError
from slt_cli.pipelines.validate import all_rules
from slt_cli.pipelines.validation.text import rules_markdown

ROOT = Path(__file__).resolve().parent.parent


def test_the_settings_page_is_the_table_of_the_settings() -> None:
    page = (ROOT / "docs" / "settings.md").read_text("utf-8")
    assert page.rstrip().endswith(settings_table()), (
        "write it again: slt config schema --markdown prints the table"
    )


def test_every_dependency_is_explained() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    names = [re.split(r"[<>=\[ ;]", line)[0] for line in project["dependencies"]]
    names += [re.split(r"[<>=\[ ;]", n)[0] for n in project["optional-dependencies"]["dev"]]
    assert [name for name in names if f"`{name}`" not in page] == []


def test_every_exit_code_is_documented() -> None:
    page = (ROOT / "README.md").read_text("utf-8") + (ROOT / "docs" / "architecture.md").read_text()

    def classes(cls: type[SltError]) -> set[int]:
        codes = {cls.exit_code}
        return codes.union(*(classes(sub) for sub in cls.__subclasses__()))

    for code in classes(SltError):
        assert re.search(rf"\b{code}\b", page), code


def test_the_readme_holds_exactly_the_two_commands_that_ci_runs() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    commands = re.findall(r"^python3 -m venv \.venv && .*$", readme, re.MULTILINE)
    assert [command.split()[-1] for command in commands] == ["demo", ".venv/bin/pytest"]
    assert "README.md" in (ROOT / ".ci" / "run").read_text("utf-8")


def test_pinned_versions_satisfy_the_ranges() -> None:
    from packaging.requirements import Requirement

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if "==" in line)
    for text in project["dependencies"]:
        requirement = Requirement(text)
        if requirement.name in pins:
            assert requirement.specifier.contains(pins[requirement.name]), text


def test_every_validation_rule_is_documented() -> None:
    page = (ROOT / "docs" / "validating.md").read_text("utf-8")
    assert page.rstrip().endswith(rules_markdown(all_rules()).rstrip()), (
        "write it again: the rules have changed"
    )
