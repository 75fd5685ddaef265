"""What all tests share: one lab of boards for the whole run, and how much it is to suffer."""

from pathlib import Path

import pytest

from tests.lab import lab

__all__ = ["lab"]  # a fixture


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of the fault table."""
    parser.addoption("--fault-seeds", type=int, default=0, help="moments at which each strikes")
    parser.addoption("--fault-table", type=Path, default=None, help="JSON file for the results")
