"""Under which names records keep what was measured."""

import hashlib
from dataclasses import dataclass

from search_spaces import Block


@dataclass(frozen=True)
class Name:
    """What a record says of the network that it is of."""

    id: str
    json: str


def alone_id(block: Block) -> str:
    """Under which records keep a block that ran as a network of its own."""
    return f"block-{hashlib.sha256(block.key.encode()).hexdigest()[:12]}"
