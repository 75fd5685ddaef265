"""The process in which one call of a user's accuracy function runs: JSON in, a line of JSON out."""

import json
import os
import sys
from pathlib import Path
from typing import Any

from search_spaces import (
    Network,
    UserFileError,
    failure_in_file,
    load_from_file,
    load_space,
    read_task,
)


def main() -> None:
    """Answers the question on stdin; what the function itself prints goes to stderr."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    question = json.load(sys.stdin)
    with answers:
        json.dump(_answer(question), answers)


def _answer(question: dict[str, Any]) -> dict[str, Any]:
    path = Path(question["path"])
    space = load_space(question["space"], read_task(question["task"]))
    architecture = space.parse(question["architecture"])
    try:
        function: Any = load_from_file(path, question["name"])
        value = function(Network(space.segments(architecture)), architecture)
    except UserFileError as exc:
        return {"failure": f"cannot be called: {exc}"}
    except (Exception, SystemExit) as exc:  # noqa: BLE001 - a user's function may fail in any way
        return {"failure": f"failed: {failure_in_file(exc, path)}"}
    return {"value": _plain(value)}


def _plain(value: Any) -> Any:
    """Numbers as Python's own, also of NumPy and PyTorch; anything else as a text that says it."""
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    try:
        return float(value)
    except (TypeError, ValueError):
        return repr(value)


if __name__ == "__main__":
    main()
