"""What a user's own Python file holds under a name: a space, or a function."""

import difflib
import hashlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from search_spaces.errors import UserFileError

_PRIVATE_PREFIX = "_own_file_"  # so that a user's file `onnx.py` shadows nothing


def load_from_file(path: Path, name: str) -> object:
    """What the file holds under that name. The file is run anew, as it may have changed.

    Raises:
        UserFileError: no such file, it fails, or there is no such name in it.
    """
    module = _run_file(path)
    if hasattr(module, name):
        return getattr(module, name)
    near = difflib.get_close_matches(name, vars(module), n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise UserFileError(f"{path} has no {name!r}{hint}")


def failure_in_file(exc: BaseException, path: Path) -> str:
    """What failed, in a line, and in which line of the file if the traceback passes through it."""
    lines = [number for frame, number in _frames(exc) if Path(frame).resolve() == path.resolve()]
    if isinstance(exc, SyntaxError) and exc.lineno is not None:
        lines, text = [exc.lineno], exc.msg
    else:
        text = " ".join(str(exc).split())
    where = f" (line {lines[-1]})" if lines else ""
    return f"{type(exc).__name__}: {text}{where}"


def _run_file(path: Path) -> ModuleType:
    """The file as a module under a private name."""
    if not path.is_file():
        raise UserFileError(f"No file {path}; what is your own is given as FILE.py:NAME")
    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]
    spec = importlib.util.spec_from_file_location(_PRIVATE_PREFIX + digest, path)
    if spec is None or spec.loader is None:
        raise UserFileError(f"{path} cannot be read as Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their own module up there
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as exc:  # noqa: BLE001 - a user's file may fail in any way
        del sys.modules[spec.name]
        raise UserFileError(
            f"{path} failed while it was run: {failure_in_file(exc, path)}"
        ) from exc
    return module


def _frames(exc: BaseException) -> list[tuple[str, int]]:
    found = []
    trace = exc.__traceback__
    while trace is not None:
        found.append((trace.tb_frame.f_code.co_filename, trace.tb_lineno))
        trace = trace.tb_next
    return found
