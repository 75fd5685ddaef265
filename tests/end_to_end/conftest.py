"""What the end-to-end tests share: a desk, its LUT, a study on it."""

from pathlib import Path

import pytest

from tests.end_to_end.desk import ON_LOCAL, Desk, open_desk, search_command


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return open_desk(tmp_path_factory.mktemp("desk"))


@pytest.fixture
def empty_desk(tmp_path: Path) -> Desk:
    """A desk where nothing was done yet."""
    return open_desk(tmp_path / "desk")


@pytest.fixture(scope="session")
def profiled(desk: Desk) -> Desk:
    """The LUT of `local` holds the tiny part of `mobile`, as for digits."""
    desk.ok("profile", *ON_LOCAL, "--contexts", "1")
    return desk


@pytest.fixture(scope="session")
def searched(profiled: Desk) -> Desk:
    """A study `tiny` of 6 networks, digits."""
    profiled.ok(*search_command("tiny", trials=6))
    return profiled
