"""Which host keys the user has trusted: reading and writing known_hosts files."""

import base64
import binascii
import fnmatch
import hashlib
import hmac
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from device_agents.errors import BadInventory, HostKeyChanged, HostKeyRefused, HostKeyUnknown

Verdict = Literal["trusted", "unknown", "changed"]


@dataclass(frozen=True, kw_only=True)
class HostKey:
    """The key that an SSH server showed.

    `host_name` is written as in known_hosts: `name`, or `[name]:port` when the port is not 22.
    """

    host_name: str
    algorithm: str
    blob: bytes

    @property
    def fingerprint(self) -> str:
        """The fingerprint as `ssh-keygen -l` writes it."""
        digest = base64.b64encode(hashlib.sha256(self.blob).digest()).decode()
        return f"SHA256:{digest.rstrip('=')}"


@dataclass(frozen=True, kw_only=True)
class _Line:
    marker: str
    patterns: tuple[str, ...]
    algorithm: str
    blob: bytes


class KnownHosts:
    """What some known_hosts files say; files that are not there say nothing."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = tuple(paths)

    def verdict(self, key: HostKey) -> Verdict:
        """Whether the key is trusted, new for this host, or other than the trusted one.

        A host known by a key of another algorithm counts as changed: who can only show a new
        key of a new kind is not known to be the same host.

        Raises:
            BadInventory: a file cannot be read.
        """
        lines = [line for line in self._lines() if _matches(line.patterns, key.host_name)]
        same = [line for line in lines if line.blob == key.blob]
        if any(line.marker == "@revoked" for line in same):
            return "changed"
        if any(not line.marker for line in same):
            return "trusted"
        return "changed" if any(not line.marker for line in lines) else "unknown"

    def algorithms(self, host_name: str) -> frozenset[str]:
        """The algorithms of the keys that are trusted for a host."""
        return frozenset(
            line.algorithm
            for line in self._lines()
            if not line.marker and _matches(line.patterns, host_name)
        )

    def require(self, key: HostKey, device_name: str) -> None:
        """Accept a trusted key.

        Raises:
            HostKeyUnknown, HostKeyChanged: with the fingerprint and the command to type.
        """
        verdict = self.verdict(key)
        if verdict != "trusted":
            raise refusal(key, verdict, device_name)

    def _lines(self) -> Iterator[_Line]:
        for path in self._paths:
            for text in _read(path):
                line = _parse(text)
                if line is not None:
                    yield line


def refusal(key: HostKey, verdict: Verdict, device_name: str) -> HostKeyRefused:
    """The error for a key that is not trusted."""
    shown = f"{key.algorithm} {key.fingerprint}"
    trust_it = f"nas devices trust {device_name}"
    if verdict == "changed":
        return HostKeyChanged(
            f"{device_name}: the host key of {key.host_name} has CHANGED, it is now {shown}. "
            f"If the device was set up anew, type: {trust_it}\n"
            "If it was not, someone may be in between: do not connect.",
            device=device_name,
            fingerprint=key.fingerprint,
        )
    return HostKeyUnknown(
        f"{device_name}: the host key of {key.host_name} is unknown, it is {shown}. "
        f"Compare it with the device's own, then type: {trust_it}",
        device=device_name,
        fingerprint=key.fingerprint,
    )


def write_trusted(key: HostKey, path: Path) -> None:
    """Trust a key: what the file said of this host goes, all other lines stay as they are.

    Raises:
        BadInventory: the file cannot be written.
    """
    kept = [text for text in _read(path) if text.strip()]
    lines = [line for text in kept if (line := _without(text, key.host_name))]
    encoded = base64.b64encode(key.blob).decode()
    lines.append(f"{key.host_name} {key.algorithm} {encoded}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.{os.getpid()}.part")
        draft.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        draft.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o600)
        draft.replace(path.resolve())  # a link stays a link
    except OSError as exc:
        raise BadInventory(f"{path}: cannot be written: {exc.strerror}") from exc


def _without(text: str, host_name: str) -> str:
    """A line without a host: the other names on it stay trusted, patterns are left alone."""
    line = _parse(text)
    if line is None or line.marker:
        return text
    names = [pattern for pattern in line.patterns if not _names(pattern, host_name)]
    if len(names) == len(line.patterns):
        return text
    if not names:
        return ""
    return " ".join([",".join(names), *text.split()[1:]])


def _read(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8", errors="surrogateescape").splitlines()
    except FileNotFoundError:
        return []
    except OSError as exc:
        raise BadInventory(f"{path}: cannot be read: {exc.strerror}") from exc


def _parse(text: str) -> _Line | None:
    """A line, or None for comments and what no SSH client could use either."""
    words = text.split()
    if not words or words[0].startswith("#"):
        return None
    marker = words.pop(0) if words[0].startswith("@") else ""
    if len(words) < 3:
        return None
    try:
        blob = base64.b64decode(words[2], validate=True)
    except binascii.Error:
        return None
    patterns = tuple(words[0].split(","))
    return _Line(marker=marker, patterns=patterns, algorithm=words[1], blob=blob)


def _matches(patterns: tuple[str, ...], host_name: str) -> bool:
    negative = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    if any(_fits(pattern, host_name) for pattern in negative):
        return False
    return any(_fits(pattern, host_name) for pattern in patterns if not pattern.startswith("!"))


def _fits(pattern: str, host_name: str) -> bool:
    if _names(pattern, host_name):
        return True
    # In known_hosts a bracket is the one around a name with a port, never a set of letters.
    glob = pattern.lower().replace("[", "[[]")
    return fnmatch.fnmatchcase(host_name.lower(), glob)


def _names(pattern: str, host_name: str) -> bool:
    """Whether a pattern stands for exactly this host, in clear or hashed (`|1|salt|hash`)."""
    if not pattern.startswith("|1|"):
        return pattern.lower() == host_name.lower()
    try:
        salt, digest = (base64.b64decode(part) for part in pattern[3:].split("|"))
    except (ValueError, binascii.Error):
        return False
    return hmac.compare_digest(hmac.digest(salt, host_name.encode(), "sha1"), digest)
