"""Spaces by name: those that come with the project, and any in a user's file."""

import difflib
import hashlib
import importlib.util
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType, ModuleType

from search_spaces.errors import SpaceError, UnknownSpace
from search_spaces.hybrid import hybrid
from search_spaces.language import language
from search_spaces.mobile import mobile
from search_spaces.space import Space
from search_spaces.task import ImageTask, Task

Builder = Callable[[Task | None], Space]

BUILT_IN: Mapping[str, Builder] = MappingProxyType(
    {"hybrid": hybrid, "language": language, "mobile": mobile}
)
"""Builders of the spaces that come with the project, by name."""

_PRIVATE_PREFIX = "_own_space_"  # so that a user's file `onnx.py` shadows nothing


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
    return _built(reference, _named(_run_file(Path(path)), name, Path(path)), task)


def _unknown(reference: str) -> str:
    near = difflib.get_close_matches(reference, BUILT_IN, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    if reference.endswith(".py"):
        hint = f"; which space in that file? Write {reference}:NAME"
    return f"No space {reference!r}{hint}\nBuilt in: {', '.join(BUILT_IN)}; your own: FILE.py:NAME"


def _run_file(path: Path) -> ModuleType:
    """The file as a module under a private name; run anew on each call, as it may have changed."""
    if not path.is_file():
        raise UnknownSpace(f"No file {path}; a space of your own is FILE.py:NAME")
    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]
    spec = importlib.util.spec_from_file_location(_PRIVATE_PREFIX + digest, path)
    if spec is None or spec.loader is None:
        raise SpaceError(f"{path} cannot be read as Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their own module up there
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as exc:  # noqa: BLE001 - a user's file may fail in any way
        del sys.modules[spec.name]
        raise SpaceError(f"{path} failed while it was run: {_one_line(exc, path)}") from exc
    return module


def _named(module: ModuleType, name: str, path: Path) -> object:
    if hasattr(module, name):
        return getattr(module, name)
    near = difflib.get_close_matches(name, vars(module), n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise UnknownSpace(f"{path} has no {name!r}{hint}")


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
        raise SpaceError(f"{reference} failed: {_one_line(exc, path)}") from exc
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


def _one_line(exc: BaseException, path: Path) -> str:
    """What failed and, if the traceback passes through the file, in which of its lines."""
    lines = [number for frame, number in _frames(exc) if Path(frame).resolve() == path.resolve()]
    if isinstance(exc, SyntaxError) and exc.lineno is not None:
        lines, text = [exc.lineno], exc.msg
    else:
        text = " ".join(str(exc).split())
    where = f" (line {lines[-1]})" if lines else ""
    return f"{type(exc).__name__}: {text}{where}"


def _frames(exc: BaseException) -> list[tuple[str, int]]:
    found = []
    trace = exc.__traceback__
    while trace is not None:
        found.append((trace.tb_frame.f_code.co_filename, trace.tb_lineno))
        trace = trace.tb_next
    return found
