"""Everything that this package raises, split by what the caller would do next.

    NasError                    1   anything below; one or two lines for the user
    ├── BadInput                2   fix the command line or the file that it names
    │   ├── DataError           2   fix the data, or the reference to it
    │   ├── CheckpointError     2   delete the checkpoint, or name another one
    │   └── UnknownStudy        2   fix the name (the nearest one is told)
    ├── NothingMeetsBudget      3   loosen the budget
    ├── StudyError              1   the study cannot go on as it stands
    ├── AccuracyFailed          1   mend the function; the network is passed over
    └── TrainingDiverged        1   train again with a lower learning rate

The number is the exit code of the command, class attribute `exit_code`. Problems of a device are
`device_agents.DeviceError`; of these `DeviceUnusable` has exit code 4.
"""

from typing import ClassVar


class NasError(Exception):
    """Base of all errors of this package; its text is one or two lines for the user."""

    exit_code: ClassVar[int] = 1


class BadInput(NasError):
    """What the user gave cannot be used as it is."""

    exit_code: ClassVar[int] = 2


class DataError(BadInput):
    """A data set is missing, unreadable or unfit for training."""


class CheckpointError(BadInput):
    """A checkpoint is corrupt, or belongs to another space or other data."""


class UnknownStudy(BadInput):
    """No study of this name is in the storage."""


class NothingMeetsBudget(NasError):
    """No evaluated architecture keeps all budgets."""

    exit_code: ClassVar[int] = 3


class StudyError(NasError):
    """A study cannot go on as it stands."""


class AccuracyFailed(NasError):
    """The user's own function found no accuracy of a network."""


class TrainingDiverged(NasError):
    """The loss is no longer a number."""
