"""What the end-to-end tests share: a desk, its LUT, a study on it."""

import pytest

from tests.end_to_end.desk import TINY, Desk, only, search_command


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    folder = tmp_path_factory.mktemp("desk")
    (folder / "home").mkdir()
    return Desk(folder)


@pytest.fixture(scope="session")
def profiled(desk: Desk) -> Desk:
    """The LUT of `local` holds the tiny part of `mobile`, as for one-channel digits."""
    desk.ok("profile", "--space", "mobile", "--device", "local", *only(*TINY), "--contexts", "1")
    return desk


@pytest.fixture(scope="session")
def searched(profiled: Desk) -> Desk:
    """A study `tiny` of 12 networks, digits, nsga2."""
    profiled.ok(*search_command("tiny", trials=12))
    return profiled
