"""Everything that this package raises, split by what the caller would do next.

    LutError
    ├── BadRecord           keep it out of the LUT: the measurement is not believable
    │   └── AttributionError    its node times do not belong to the network
    ├── BadCodes            fix the encoded architectures
    └── StoreError          fix the storage URL, the file or the server

The text is one or two lines for the user.
"""


class LutError(Exception):
    """Base of all errors of this package."""


class BadRecord(LutError):
    """A measurement that no device can have made: negative, empty or contradicting itself."""


class AttributionError(BadRecord):
    """Node times that cannot be shared out among the segments of the network."""


class BadCodes(LutError):
    """Encoded architectures of another shape or range than the space has."""


class StoreError(LutError):
    """The storage is unreachable, damaged, foreign, or of another version."""
