"""Telling a full or closed disk from other failures, in one clear line."""

from device_agents.errors import DeviceError, DiskUnwritable
from device_agents.transport import Transport

_PROBE_BYTES = 65536
_PROBE_LIMIT_S = 30.0

# What programs and Python print, in the C locale, and what to tell the user: state, then cure.
_WORDS = {
    "No space left on device": "its disk is full. Free some space there",
    "ENOSPC": "its disk is full. Free some space there",
    "Disk quota exceeded": "this user's disk quota is used up. Free some space there",
    "Read-only file system": "its disk is read-only. Remount it for writing",
    "EROFS": "its disk is read-only. Remount it for writing",
    "Permission denied": "this user may not write there. Give it the folder",
}


def disk_error(text: str, *, device_name: str, path: str) -> DiskUnwritable | None:
    """The error for what a program said about a path, or None if it is not about the disk."""
    for words, cure in _WORDS.items():
        if words in text:
            return DiskUnwritable(
                f"{device_name}: cannot write {path}: {cure}, then try again", device=device_name
            )
    return None


def probe_disk(transport: Transport, folder: str, *, device_name: str) -> DiskUnwritable | None:
    """Write a little into a folder: the error when that fails for the disk's sake, else None.

    SFTP names no reason ("Failure"), a program does. The folder must be there.
    """
    path = f"{folder}/.write-probe"
    argv = ["env", "LC_ALL=C", "dd", "if=/dev/zero", f"of={path}", f"bs={_PROBE_BYTES}", "count=1"]
    try:
        done = transport.run(argv, limit_s=_PROBE_LIMIT_S)
        transport.run(["rm", "-f", "--", path], limit_s=_PROBE_LIMIT_S)
    except DeviceError:
        return None  # the first failure is the one to tell
    if done.exit_code == 0:
        return None
    return disk_error(done.stderr, device_name=device_name, path=folder)
