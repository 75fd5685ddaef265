"""Who may measure on a device: one host at a time, told to those who wait."""

import getpass
import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from device_agents.agent import HOST_SILENCE_S
from device_agents.answers import Answer
from device_agents.errors import DeviceUnusable

logger = logging.getLogger(__name__)

ALIVE_S = HOST_SILENCE_S / 6  # our choice: five signs of life may be lost
_TELL_AGAIN_S = 60.0  # our choice
_MOST_S = 1e9


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Who has the lease of a device, as far as it is known there."""

    owner: str | None
    held_s: float | None
    silent_s: float | None
    """Since the device last heard of that host."""

    @classmethod
    def read(cls, value: object, *, device: str) -> "Holder":
        """From the device's words.

        Raises:
            ProtocolError: they are no such thing.
        """
        answer = Answer(value, device=device, place="the lease")
        return cls(
            owner=answer.optional_text("owner"),
            held_s=answer.optional_number("held_s", low=0, high=_MOST_S),
            silent_s=answer.optional_number("silent_s", low=0, high=_MOST_S),
        )

    def __str__(self) -> str:
        owner = self.owner or "another host"
        return owner if self.held_s is None else f"{owner}, for {_duration(self.held_s)} now"


def this_user() -> str:
    """User and machine, for others."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a user without a name
        user = f"user {os.getuid()}"
    return f"{user}@{socket.gethostname()}"


def this_host() -> str:
    """What others are told of who has a lease: user, machine and process."""
    return f"{this_user()} (process {os.getpid()})"


class Waiting:
    """Tells who has the lease that one waits for: at once, when that changes, and each minute."""

    def __init__(self, device: str, wait_s: float) -> None:
        self._device, self._wait_s = device, wait_s
        self._began = time.monotonic()
        self._told: tuple[str | None, float] | None = None
        self.holder: Holder | None = None

    def tell(self, holder: Holder) -> None:
        """Called again and again, with who has it."""
        self.holder = holder
        now = time.monotonic()
        if self._told and self._told[0] == holder.owner and now < self._told[1]:
            return
        self._told = holder.owner, now + _TELL_AGAIN_S
        left_s = max(self._wait_s - (now - self._began), 0.0)
        logger.warning(
            "%s is in use by %s; waiting up to %s more", self._device, holder, _duration(left_s)
        )


class Keeper:
    """Tells a device now and then, from a thread of its own, that this host is still there."""

    def __init__(self, say_alive: Callable[[], None]) -> None:
        self._say_alive = say_alive
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        with suppress(DeviceUnusable):  # whoever asks the device next will find out why
            while not self._ended.wait(ALIVE_S):
                self._say_alive()


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"
