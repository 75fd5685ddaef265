"""Errors of `search_spaces`.

SpaceError                  anything below; the message says what, where and what to do next
├── UnknownSpace            no built-in space of that name
├── UserFileError           a user's own file is missing, fails, or holds no such name
├── InvalidArchitecture     a choice is missing, unknown or has a value not on offer
└── ExportError             a segment could not be turned into ONNX
"""


class SpaceError(Exception):
    """Base of all errors of this package."""


class UnknownSpace(SpaceError):
    """No built-in space of that name."""


class UserFileError(SpaceError):
    """A user's own file is missing, fails while it is run, or holds no such name."""


class InvalidArchitecture(SpaceError):
    """A choice is missing, unknown, or has a value that the space does not offer."""


class ExportError(SpaceError):
    """A segment could not be turned into ONNX."""
