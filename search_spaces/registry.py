"""Spaces by name: those that come with the project, and any in a user's file."""

import difflib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from search_spaces.errors import SpaceError, UnknownSpace
from search_spaces.hybrid import hybrid
from search_spaces.language import language
from search_spaces.mobile import mobile
from search_spaces.space import Space
from search_spaces.task import ImageTask, Task
from search_spaces.user_file import failure_in_file, load_from_file

Builder = Callable[[Task | None], Space]

BUILT_IN: Mapping[str, Builder] = MappingProxyType(
    {"hybrid": hybrid, "language": language, "mobile": mobile}
)
"""Builders of the spaces that come with the project, by name."""


def load_space(reference: str, task: Task | None = None) -> Space:
    """The space that `reference` names.

    Args:
        reference: a built-in name, or `path/to/file.py:name`, where `name` is a `Space` or a
            function that takes a task (or None) and gives one. The file is run.
        task: what the data asks for; the space's own default if not given.

    Raises:
        UnknownSpace: no built-in space, no such file, or no such name in it.
        SpaceError: the file fails, or gives something else; or the space is not for this task.
    """
    if reference in BUILT_IN:
        return BUILT_IN[reference](task)
    path, colon, name = reference.rpartition(":")
    if not colon or not path.endswith(".py") or not name:
        raise UnknownSpace(_unknown(reference))
    return _built(reference, load_from_file(Path(path), name), task)


def _unknown(reference: str) -> str:
    near = difflib.get_close_matches(reference, BUILT_IN, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    if reference.endswith(".py"):
        hint = f"; which space in that file? Write {reference}:NAME"
    return f"No space {reference!r}{hint}\nBuilt in: {', '.join(BUILT_IN)}; your own: FILE.py:NAME"


def _built(reference: str, found: object, task: Task | None) -> Space:
    space = found if isinstance(found, Space) else _called(reference, found, task)
    if task is not None and _ends(space.task) != _ends(task):
        raise SpaceError(
            f"{reference} is made for {space.task}, but the data are {task}; "
            "make it a function of the task"
        )
    return space


def _called(reference: str, found: object, task: Task | None) -> Space:
    if not callable(found):
        raise SpaceError(_not_a_space(reference, found))
    try:
        space = found(task)
    except SpaceError:
        raise
    except Exception as exc:  # noqa: BLE001 - a user's builder may fail in any way
        path = Path(reference.rpartition(":")[0])
        raise SpaceError(f"{reference} failed: {failure_in_file(exc, path)}") from exc
    if not isinstance(space, Space):
        raise SpaceError(_not_a_space(f"{reference}(task)", space))
    return space


def _ends(task: Task) -> tuple[int, int]:
    """What a network's two ends must agree on with the data; images can still be resized."""
    if isinstance(task, ImageTask):
        return task.channels, task.classes
    return task.vocabulary, task.context


def _not_a_space(what: str, found: object) -> str:
    kind = type(found).__name__
    return f"{what} is a {kind}; expected a Space, or a function of a task that gives one"
