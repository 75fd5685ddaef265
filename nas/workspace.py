"""From the names on a command line to a space, its data and its trained supernet."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from nas.accuracy.checkpoint import digest
from nas.data import ImageData, TextData, fewer_images, load_data
from nas.errors import BadInput
from nas.front_row import QualityName
from search_spaces import Choice, Space, Task, TextTask, Value, load_space

SUPERNETS = Path("results/supernets")


def open_space(reference: str, *, only: Iterable[str] = (), data: str | None = None) -> Space:
    """The space of that name or file, for the data's shape if given, restricted if asked.

    Args:
        reference: `mobile`, `language`, `hybrid` or `path/to/file.py:name`.
        only: `choice=value,value` each.
        data: a data reference as `load_data` takes it.

    Raises:
        SpaceError: no such space, or it is for another kind of data.
        BadInput: a restriction that cannot be read, or no such data.
    """
    task = load_data(data).task if data is not None else None
    space = load_space(reference, task)
    return restrict(space, parse_only(space, only))


def restrict(space: Space, only: Mapping[str, tuple[Value, ...]]) -> Space:
    """`space.restricted`, the space itself when there is nothing to restrict."""
    return space.restricted(only) if only else space


def parse_only(space: Space, texts: Iterable[str]) -> dict[str, tuple[Value, ...]]:
    """Reads `choice=value,value`; a star stands for any text in the name of the choice.

    Raises:
        BadInput: malformed, or naming no choice or value of the space.
    """
    only: dict[str, tuple[Value, ...]] = {}
    for text in texts:
        pattern, equals, values = text.partition("=")
        if not equals:
            raise BadInput(f"--only {text!r}: expected CHOICE=VALUE[,VALUE…]")
        choices = [c for c in space.choices if _matches(c.name, pattern)]
        if not choices:
            raise BadInput(f"--only {text!r}: space {space.name!r} has no choice {pattern!r}")
        for choice in choices:
            only[choice.name] = tuple(_value(choice, v) for v in values.split(","))
    return only


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """A space for a data set, and where networks trained for the two are kept."""

    reference: str
    """What `load_space` takes for the space, before it is restricted."""
    space: Space
    data: ImageData | TextData
    supernet_file: Path

    @property
    def quality_name(self) -> QualityName:
        """What networks are scored by on this data."""
        return "accuracy" if isinstance(self.data, ImageData) else "bits_per_byte"

    def folder_alone(self, epochs: float) -> Path:
        """Of networks that were trained alone for so many epochs."""
        file = self.supernet_file
        return file.with_name(f"{file.stem}-alone-{epochs:g}")

    def folder_tuned(self, steps: int) -> Path:
        """Of networks that trained for so many steps from the present supernet on."""
        file = self.supernet_file
        return file.with_name(f"{file.stem}-{digest(file)[:8]}-tuned-{steps}")

    @property
    def input_notes(self) -> dict[str, str]:
        """How an exported network wants its input, for the file's metadata."""
        if not isinstance(self.data, ImageData):
            return {"input": "bytes of text as whole numbers"}
        mean, std = (
            ", ".join(f"{v:.6g}" for v in values.tolist())
            for values in (self.data.mean, self.data.std)
        )
        return {"input": "(pixel - mean) / std by channel", "mean": mean, "std": std}


def guessing(task: Task) -> float:
    """The score of a network that knows nothing: all answers are equally likely."""
    return math.log2(task.vocabulary) if isinstance(task, TextTask) else 1 / task.classes


def open_workspace(
    reference: str,
    data_reference: str,
    *,
    only: Iterable[str] = (),
    images: int | None = None,
    folder: Path = SUPERNETS,
) -> Workspace:
    """The space fitted to the data; nothing is trained yet.

    Args:
        reference: of the space.
        data_reference: as `load_data` takes it.
        only: restrictions of the space.
        images: of the training part, so many only; None for all.
        folder: where supernets are kept.

    Raises:
        SpaceError: no such space, or it is for another kind of data.
        DataError: the data cannot be used.
        BadInput: a restriction that cannot be read.
    """
    data = load_data(data_reference)
    if images is not None:
        data = fewer_images(data, images)
    space = load_space(reference, data.task)
    space = restrict(space, parse_only(space, only))
    file = folder / f"{space.name}-{data.fingerprint}-{space.digest}.npz"
    return Workspace(reference=reference, space=space, data=data, supernet_file=file)


def _matches(name: str, pattern: str) -> bool:
    head, star, tail = pattern.partition("*")
    return name.startswith(head) and name.endswith(tail) if star else name == pattern


def _value(choice: Choice, text: str) -> Value:
    for value in choice.values:
        if text.strip().lower() == str(value).lower():
            return value
    raise BadInput(f"choice {choice.name!r} has no value {text!r}; it offers {choice.values}")
