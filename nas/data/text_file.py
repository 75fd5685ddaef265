"""Text of any kind, as bytes."""

import gzip
import zlib
from pathlib import Path

from nas.data.dataset import TextData, split_text
from nas.errors import DataError


def read_text(path: Path, context: int) -> TextData:
    """The bytes of a file; of its content if the name ends in `.gz`.

    Raises:
        DataError: not readable, or shorter than two contexts.
    """
    try:
        content = path.read_bytes()
        text = gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error) as exc:
        raise DataError(f"text:{path}: cannot be read: {exc}") from exc
    return split_text(f"text:{path}", text, context)
