"""What all tests share: one lab of boards for the whole run."""

from tests.lab import lab

__all__ = ["lab"]  # a fixture
