"""Devices that share work: each takes the next job when it is free; what one loses another gets."""

import logging
import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, Generic, Protocol, TypeVar

from device_agents.errors import DeviceError, first_sentence
from device_agents.steady import MOST_LOSSES, PASSING

logger = logging.getLogger(__name__)

_LOOK_AGAIN_S = 0.2  # our choice: how often the main thread, which gets Ctrl-C, wakes up
_LAST_WAIT_S = 10.0  # our choice: for devices to leave when all is stopped

J = TypeVar("J")  # a job
P = TypeVar("P")  # a job that was prepared
R = TypeVar("R")  # what came of it
_JobIn = TypeVar("_JobIn", contravariant=True)
_ResultIn = TypeVar("_ResultIn", contravariant=True)
_ResultOut = TypeVar("_ResultOut", covariant=True)


class Work(Protocol[J, _ResultIn]):
    """What there is to do; the pool asks one thing at a time."""

    def next(self, device_name: str) -> J | None:
        """The next job for a device; None: none now, ask again when another one has ended."""

    def done(self, job: J, result: _ResultIn, device_name: str) -> None:
        """Take a result in; a DeviceError raised here puts the device aside."""


class Member(Protocol[_JobIn, P, _ResultOut]):
    """A device that works."""

    @property
    def name(self) -> str:
        """Of the device."""

    @property
    def overlaps(self) -> bool:
        """Whether the next job may be prepared while one runs."""

    def prepare(self, job: _JobIn) -> P:
        """All that can be done before the device is free; in any thread."""

    def run(self, prepared: P) -> _ResultOut:
        """Do it.

        Raises:
            DeviceError: the device did not, and another one may.
        """

    def come_back(self, exc: DeviceError) -> None:
        """Reach the device again after `exc`; raises DeviceError when that takes too long."""

    def hurry(self) -> None:
        """Nothing is left to do: let `come_back` wait no longer; from any thread."""

    def put_aside(self, exc: DeviceError) -> None:
        """It is asked no more, for this reason."""

    def stop(self) -> None:
        """End at once whatever it does, so that `run` and `come_back` raise; from any thread."""


class Pool(Generic[J, P, R]):
    """Runs work on devices of one kind, a thread each, until there is none left.

    A device that is lost gives its jobs back and tries to return. It is put aside when it cannot,
    at the third failure in a row, and at once for a failure that does not pass by itself.
    """

    def __init__(self, members: Sequence[Member[J, P, R]], work: Work[J, R]) -> None:
        self._first, self._work = members, work
        self._members: list[Member[J, P, R]] = []
        self._threads: list[threading.Thread] = []
        self._changed = threading.Condition()  # guards all below, and the work
        self._returned: deque[J] = deque()
        self._in_flight = 0
        self._is_over = False
        self._away: set[str] = set()  # devices that take nothing now
        self._aside: dict[str, DeviceError] = {}
        self._error: BaseException | None = None

    def add(self, member: Member[J, P, R]) -> None:
        """One device more; from any thread, also while the others work."""
        thread = threading.Thread(target=self._serve, args=(member,), name=member.name, daemon=True)
        with self._changed:
            self._members.append(member)
            self._threads.append(thread)
        thread.start()

    def run(self) -> dict[str, DeviceError]:
        """Do all of it; devices that were put aside, with the reason.

        Raises:
            DeviceError: of the last device, when all were put aside before the end.
            Exception: whatever else a member or the work raises; then all have been stopped.
        """
        for member in self._first:
            self.add(member)
        try:
            while self._error is None and any(t.is_alive() for t in list(self._threads)):
                with self._changed:
                    self._changed.wait(_LOOK_AGAIN_S)
            if self._error is not None:
                raise self._error
        except BaseException:  # that, or Ctrl-C
            self._stop()
            raise
        if len(self._aside) == len(self._members):
            raise list(self._aside.values())[-1]
        return self._aside

    def _serve(self, member: Member[J, P, R]) -> None:
        try:
            self._serve_until_over(member)
        except BaseException as exc:  # noqa: BLE001 -- told in the main thread
            with self._changed:
                if not self._is_over:
                    self._error = exc
                self._end()

    def _serve_until_over(self, member: Member[J, P, R]) -> None:
        losses, upcoming = 0, self._begin(member)
        while (turn := upcoming.result()) is not None:
            job, prepared = turn
            upcoming = self._begin(member) if member.overlaps else _no_turn()
            try:
                result = member.run(prepared)
            except DeviceError as exc:
                losses += 1
                self._give_back(member, job, upcoming)
                if self._is_over or not self._returns(member, exc, losses):
                    return
                upcoming = self._begin(member)
                continue
            losses = 0
            if not self._hand_in(member, job, result):
                self._give_back(member, None, upcoming)
                return
            if not member.overlaps:
                upcoming = self._begin(member)

    def _begin(self, member: Member[J, P, R]) -> "Future[tuple[J, P] | None]":
        """The next job of a device, prepared beside whatever it does now."""
        future: Future[tuple[J, P] | None] = Future()

        def fulfil() -> None:
            try:
                job = self._take(member)
                future.set_result(None if job is None else (job, member.prepare(job)))
            except BaseException as exc:  # noqa: BLE001 -- told by the future
                future.set_exception(exc)

        threading.Thread(target=fulfil, name=f"{member.name} next", daemon=True).start()
        return future

    def _take(self, member: Member[J, P, R]) -> J | None:
        with self._changed:
            while not self._is_over and member.name not in self._away:
                job = self._returned.popleft() if self._returned else self._work.next(member.name)
                if job is not None:
                    self._in_flight += 1
                    return job
                if self._in_flight == 0:
                    self._end()
                    for lost in self._members:
                        lost.hurry()
                else:
                    self._changed.wait()
            return None

    def _hand_in(self, member: Member[J, P, R], job: J, result: R) -> bool:
        """Whether the device may go on."""
        with self._changed:
            self._in_flight -= 1
            self._changed.notify_all()
            try:
                self._work.done(job, result, member.name)
            except DeviceError as exc:
                self._put_aside(member, exc)
                return False
            return True

    def _give_back(
        self, member: Member[J, P, R], job: J | None, upcoming: "Future[tuple[J, P] | None]"
    ) -> None:
        """What a device does not do any more is done by the next that is free."""
        with self._changed:
            self._away.add(member.name)
            self._put_back(job)
        turn = upcoming.result()  # which may still be on its way to the device
        with self._changed:
            self._put_back(None if turn is None else turn[0])

    def _put_back(self, job: J | None) -> None:
        if job is not None:
            self._returned.append(job)
            self._in_flight -= 1
        self._changed.notify_all()

    def _returns(self, member: Member[J, P, R], exc: DeviceError, losses: int) -> bool:
        """Whether a device can go on after a failure; it is put aside if not."""
        try:
            if losses == MOST_LOSSES or not isinstance(exc, PASSING):
                raise exc
            member.come_back(exc)
        except DeviceError as last:
            with self._changed:
                if not self._is_over:
                    self._put_aside(member, last)
            return False
        with self._changed:
            self._away.discard(member.name)
        return True

    def _put_aside(self, member: Member[J, P, R], exc: DeviceError) -> None:
        self._away.add(member.name)
        self._aside[member.name] = exc
        member.put_aside(exc)
        left = len(self._members) - len(self._aside)
        if left:
            logger.warning(
                "%s. It is put aside; %d other%s of its kind go%s on",
                first_sentence(exc),
                left,
                "s" if left > 1 else "",
                "" if left > 1 else "es",
            )
        self._changed.notify_all()

    def _stop(self) -> None:
        with self._changed:
            self._end()
        for member in self._members:
            member.stop()
        for thread in self._threads:
            thread.join(_LAST_WAIT_S)

    def _end(self) -> None:
        self._is_over = True
        self._changed.notify_all()


def _no_turn() -> Future[Any]:
    future: Future[None] = Future()
    future.set_result(None)
    return future
