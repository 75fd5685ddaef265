"""The host's end of the agent's protocol: lines of JSON, and what may come instead of them."""

import itertools
import json
import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from device_agents.agent import ALIVE, BEAT_S, BYE, METHOD, PROTOCOL
from device_agents.answers import Answer, read_json, shown
from device_agents.errors import DeviceSilent, DeviceUnusable, ProtocolError
from device_agents.transport import Stream

logger = logging.getLogger(__name__)

SILENCE_LIMIT_S = 3 * BEAT_S  # our choice: two beats lost on the way
_HELLO_LIMIT_S = 30.0  # our choice: Python starting from a slow card
_MAX_BANNER_LINES = 100  # what a login script may print before the agent speaks


class AgentProtocol:
    """A numbered request, beats, one answer with the same number."""

    def __init__(self, stream: Stream, device_name: str) -> None:
        self._stream = stream
        self._device_name = device_name
        self._numbers = itertools.count(1)
        self.heard = time.monotonic()
        """When the device said anything last, by the monotonic clock."""
        self._sending = threading.Lock()  # a sign of life must not come in the middle of a request

    def greet(self) -> None:
        """Make sure that an agent of ours is at the other end.

        Raises:
            ProtocolError: something else answers, or an agent of another version.
        """
        number = self._send({"op": "hello"})
        hello = Answer(self._first_answer(number), device=self._device_name, place="the hello")
        hello.integer("protocol", low=PROTOCOL, high=PROTOCOL)
        hello.integer("method", low=METHOD, high=METHOD)

    def leave(self) -> None:
        """Tell that this host leaves on purpose: what runs there is wanted no more."""
        with self._sending, suppress(DeviceUnusable):  # it has gone first
            self._stream.send_line(BYE.decode())

    def say_alive(self) -> None:
        """Tell that this host is still there; from any thread."""
        with self._sending:
            self._stream.send_line(ALIVE.decode())

    def ask(
        self,
        request: dict[str, object],
        *,
        limit_s: float,
        on_leased: Callable[[object], None] = lambda _: None,
    ) -> dict[str, object]:
        """The answer to a request, with a field `result` or `error`.

        Args:
            request: without its number.
            limit_s: for all of it.
            on_leased: told who has the device while another host has it.

        Raises:
            DeviceSilent: no beat for SILENCE_LIMIT_S, or no answer within limit_s.
        """
        number = self._send(request)
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            answer = self._parse(self._stream.read_line(limit_s=SILENCE_LIMIT_S))
            if answer.get("id") != number:
                raise self._foreign(f"an answer with id {shown(answer.get('id'))}, not {number}")
            if "beat" not in answer:
                return answer
            if answer["beat"] == "leased":
                on_leased(answer.get("lease"))
            elif answer["beat"] == "waiting":
                logger.info("%s: not free, cool and idle yet; waiting", self._device_name)
        raise DeviceSilent(
            f"{self._device_name}: only signs of life, no answer within {limit_s:g} s. "
            f"Check the device with: nas devices doctor {self._device_name}",
            device=self._device_name,
        )

    def _send(self, request: dict[str, object]) -> int:
        number = next(self._numbers)
        with self._sending:
            self._stream.send_line(json.dumps({**request, "id": number}))
        return number

    def _first_answer(self, number: int) -> object:
        end = time.monotonic() + _HELLO_LIMIT_S
        for _ in range(_MAX_BANNER_LINES):
            if time.monotonic() > end:
                raise self._foreign("no hello, but other lines again and again")
            line = self._stream.read_line(limit_s=_HELLO_LIMIT_S)
            with suppress(ProtocolError):
                answer = self._parse(line)
                if answer.get("id") == number:
                    return answer.get("result")
        raise self._foreign(f"{_MAX_BANNER_LINES} lines, none of them a hello")

    def _parse(self, line: str) -> dict[str, object]:
        self.heard = time.monotonic()
        try:
            answer = read_json(line)
        except ValueError as exc:
            raise self._foreign(f"{line[:60]!r}, which is no JSON") from exc
        if not isinstance(answer, dict):
            raise self._foreign(f"{line[:60]!r}, which is no object")
        return answer

    def _foreign(self, what: str) -> ProtocolError:
        return ProtocolError(
            f"{self._device_name}: sent {what}; this is no agent of ours. "
            f"Check the device with: nas devices doctor {self._device_name}",
            device=self._device_name,
        )
