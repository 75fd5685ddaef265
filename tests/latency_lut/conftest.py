from collections.abc import Iterator
from pathlib import Path

import pytest

from latency_lut import Store
from search_spaces import Space
from tests.latency_lut.networks import store_in, tiny_space


@pytest.fixture
def space() -> Space:
    return tiny_space()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with store_in(tmp_path) as opened:
        yield opened
