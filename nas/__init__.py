"""Search, accuracy, front, verification, export and the command line."""

__all__: list[str] = []
