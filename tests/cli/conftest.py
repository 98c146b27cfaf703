from __future__ import annotations

import pytest

from tests.cli.made import World, make_world


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Every command run once in one folder; tests only read it."""
    return make_world(tmp_path_factory.mktemp("world"))
