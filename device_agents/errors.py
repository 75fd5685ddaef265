"""Everything that this package raises, split by what the caller would do next.

    DeviceError
    ├── BadInventory            fix the inventory file or the command line
    │   └── UnknownDevice       fix the name (the nearest one is told)
    ├── DeviceUnusable          repair the device or take another one
    │   ├── DeviceUnreachable   check the name, the cable, the port
    │   ├── HostKeyRefused      compare the fingerprint, then trust it
    │   │   ├── HostKeyUnknown
    │   │   └── HostKeyChanged
    │   ├── LoginRefused        check the user and the key
    │   ├── PythonUnsuitable    install Python 3.8 or newer there
    │   ├── RuntimeUnavailable  give the device onnxruntime
    │   ├── DiskUnwritable      free space, or remount
    │   ├── ConnectionLost      try again: what was measured so far is kept
    │   └── DeviceSilent        try again; ask the doctor if it happens twice
    ├── JobFailed               go on with the next model: only this one failed
    └── ProtocolError           believe nothing of the answer; report it

DeviceUnusable ends a command with exit code 4, BadInventory with 2, the others with 1.
"""

MAX_MESSAGE = 2000  # our choice: the longest that anybody reads


class DeviceError(Exception):
    """Base of all errors of this package; its text is one or two lines for the user.

    What a device said may be in it, so nothing that would steer a terminal stays.
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(message[:MAX_MESSAGE]))


def printable(text: str) -> str:
    """A text whose lines can be printed: any other character is replaced."""
    return "".join(
        char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text
    )


class BadInventory(DeviceError):
    """The inventory file, or a value for it, is wrong."""


class UnknownDevice(BadInventory):
    """No device of this name is in the inventory."""

    def __init__(self, message: str, *, name: str, nearest: str | None = None) -> None:
        super().__init__(message)
        self.name = name
        self.nearest = nearest


class DeviceUnusable(DeviceError):
    """The device cannot be used now."""

    def __init__(self, message: str, *, device: str) -> None:
        super().__init__(message)
        self.device = device


class DeviceUnreachable(DeviceUnusable):
    """No SSH server answers where the device should be."""


class HostKeyRefused(DeviceUnusable):
    """The device's host key is not one that the user has trusted."""

    def __init__(self, message: str, *, device: str, fingerprint: str) -> None:
        super().__init__(message, device=device)
        self.fingerprint = fingerprint


class HostKeyUnknown(HostKeyRefused):
    """The known_hosts file has no key for the device."""


class HostKeyChanged(HostKeyRefused):
    """The known_hosts file has another key for the device."""


class LoginRefused(DeviceUnusable):
    """The device accepted none of the keys."""


class PythonUnsuitable(DeviceUnusable):
    """The device has no Python that the agent can run under."""


class RuntimeUnavailable(DeviceUnusable):
    """The device has no onnxruntime and none could be brought to it."""


class DiskUnwritable(DeviceUnusable):
    """The device's disk is full, read-only or closed to this user."""


class ConnectionLost(DeviceUnusable):
    """The connection, or the process at its end, went away in the middle."""


class DeviceSilent(DeviceUnusable):
    """The device was reached, but had no answer within its time."""


class DeviceLeased(DeviceUnusable):
    """Another host measures on the device, and went on for longer than one would wait."""


class JobFailed(DeviceError):
    """One job failed on the device; the device itself is fine.

    `kind` is one of timeout, crash, refused, memory, bad_request, model, clock.
    """

    def __init__(self, message: str, *, device: str, kind: str) -> None:
        super().__init__(message)
        self.device = device
        self.kind = kind


class ProtocolError(DeviceError):
    """The device answered what no agent of ours answers."""

    def __init__(self, message: str, *, device: str) -> None:
        super().__init__(message)
        self.device = device


def first_sentence(exc: DeviceError) -> str:
    """What happened, without what a person should do: for what sees to it by itself."""
    return str(exc).partition("\n")[0].partition(". ")[0]
