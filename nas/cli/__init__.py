"""The command line `nas`."""

from nas.cli.app import main

__all__ = ["main"]
