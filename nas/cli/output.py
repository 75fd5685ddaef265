"""What a person or a script sees: JSON on stdout, tables on stdout, progress on stderr."""

import contextlib
import json
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

_STDERR = Console(stderr=True)
_PIPE_WIDTH = 140
_COLUMNS = (
    TextColumn("{task.description:<10}"),
    BarColumn(bar_width=30),
    TextColumn("{task.percentage:>3.0f} %"),
    TimeElapsedColumn(),
    TextColumn("{task.fields[left]}"),
    TextColumn("{task.fields[words]}"),
)
_LOCK = threading.Lock()
_progress: Progress | None = None
_bars = 0
# Control characters but for the end of a line, halves of characters, changes of direction.
_STEERING = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")

Report = Callable[[float, float | None, str], None]
"""Share done in [0, 1], seconds left (None: estimated from the share), and a few words."""


def print_json(document: object) -> None:
    """One JSON document on a line of stdout; NaN and infinity become null."""
    sys.stdout.write(json.dumps(_finite(document), ensure_ascii=False) + "\n")
    sys.stdout.flush()


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table on stdout; numbers to the right."""
    table = Table(title=Text(_printable(title)), title_justify="left", title_style="bold")
    for i, column in enumerate(columns):
        numeric = all(isinstance(row[i], int | float) for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(_printable(_text(cell))) for cell in row))  # no markup
    # A pipe or a file has no width of its own; Rich would take 80 columns and fold the cells.
    Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH).print(table)


def say(text: str) -> None:
    """A line for a person, on stderr."""
    _STDERR.print(_printable(text), highlight=False, markup=False, soft_wrap=True)


def show(text: str) -> None:
    """A line of a command's result, on stdout."""
    sys.stdout.write(_printable(text) + "\n")


@contextlib.contextmanager
def progress_bar(what: str) -> Iterator[Report]:
    """A progress bar on stderr with the time gone and an estimate of what is left.

    Several threads may have one each, below one another.
    """
    with _display() as progress:
        task = progress.add_task(what, total=1.0, words="", left="")
        start = time.monotonic()

        def report(share: float, left_s: float | None, words: str) -> None:
            if left_s is None and share > 0:
                left_s = (time.monotonic() - start) * (1 - share) / share
            progress.update(task, completed=share, words=words, left=time_left(left_s))

        yield report


@contextlib.contextmanager
def _display() -> Iterator[Progress]:
    """What shows all bars; it ends with the last of them."""
    global _progress, _bars  # noqa: PLW0603 -- a terminal is one for the whole process
    with _LOCK:
        if _progress is None:
            _progress = Progress(*_COLUMNS, console=_STDERR)
            _progress.start()
        progress, _bars = _progress, _bars + 1
    try:
        yield progress
    finally:
        with _LOCK:
            _bars -= 1
            if _bars == 0:
                progress.stop()
                _progress = None


def time_left(seconds: float | None) -> str:
    """For example "about 2 min 10 s left"; "" for None."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    return f"about {minutes} min {rest} s left" if minutes else f"about {rest} s left"


def _printable(text: str) -> str:
    """Without what would steer a terminal: a name may come from a board or a shared storage."""
    return _STEERING.sub("\N{REPLACEMENT CHARACTER}", text)


def _text(cell: object) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def quiet_optuna() -> None:
    """Optuna tells every trial on stderr; the progress bar tells it better."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
