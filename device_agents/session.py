"""A device that is ready to measure: open it once, give it one job after the other."""

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path

from device_agents.answers import Answer
from device_agents.bootstrap import Environment, prepare
from device_agents.disk import disk_error, probe_disk
from device_agents.errors import (
    DeviceError,
    DeviceLeased,
    DeviceSilent,
    DeviceUnusable,
    DiskUnwritable,
    JobFailed,
    ProtocolError,
    RuntimeUnavailable,
    first_sentence,
)
from device_agents.identity import Identity, read_identity
from device_agents.inventory import Device
from device_agents.jobs import Job, Tickets, ticket_of
from device_agents.lease import Holder, Keeper, Waiting, this_host, this_user
from device_agents.local import LocalTransport
from device_agents.protocol import AgentProtocol
from device_agents.results import JobResult, read_result
from device_agents.ssh import open_ssh
from device_agents.transport import Stream, Transport, sha256_of

logger = logging.getLogger(__name__)

WAIT_S = 600.0  # our choice: how long one waits for another host to be done with a device
_IDENTIFY_LIMIT_S = 120.0  # our choice: the runtime's first import from a slow card
_SLACK_S = 30.0
_KINDS = tuple("timeout crash refused memory bad_request model clock busy leased disk hot".split())


class Session:
    """One agent on one device; made by `open_session`.

    One thread at a time, but for `upload` and `leave`: a model may be sent while another runs.
    After DeviceUnusable or ProtocolError the session is of no more use; after JobFailed it is.
    """

    def __init__(
        self,
        device: Device,
        transport: Transport,
        environment: Environment,
        stream: Stream,
        *,
        canary: Path | None = None,
        tickets: Tickets | None = None,
    ) -> None:
        self.device = device
        self._transport = transport
        self._folder = environment.folder
        self._agent = AgentProtocol(stream, device.name)
        self._canary = canary
        self._canary_sha256: str | None = None
        self._identity: Identity | None = None
        self._there: set[str] = set()
        self._tickets = Tickets() if tickets is None else tickets

    @property
    def identity(self) -> Identity:
        """What the device told about itself when the session was opened."""
        assert self._identity is not None, "the session was not opened by open_session"
        return self._identity

    @property
    def heard(self) -> float:
        """When the device said anything last, by the monotonic clock."""
        return self._agent.heard

    def run(self, job: Job, model: Path, *, name: str | None = None) -> JobResult:
        """Measure one model; it is uploaded first, unless the device has it.

        Args:
            job: what to measure.
            model: an ONNX file.
            name: of this very measurement. With one, the device finishes it even if this host
                vanishes, and keeps the result until `confirm`: asked again for the same job of the
                same name, it answers with what it has.

        Raises:
            JobFailed: this model failed there; its kind says how.
            DeviceSilent: no sign of life, or other agents kept the device busy.
            DeviceUnusable: its governor is another one than when the session was opened.
            ConnectionLost: the connection or the agent went away.
            DiskUnwritable: the model did not fit, or the disk is read-only.
            ProtocolError: the answer is absurd or belongs to something else.
        """
        digest = self.upload(model)
        asked_s = time.monotonic()
        try:
            answer = self._run(job, digest, model.name, name)
        except JobFailed as exc:
            if exc.kind != "model":
                raise
            logger.warning("%s. It is sent again", first_sentence(exc))
            self._there.clear()
            for file in filter(None, (self._canary, model)):
                self.upload(file)
            answer = self._run(job, digest, model.name, name)
        answered_s = time.monotonic()
        try:
            result = read_result(
                answer,
                device=self.device.name,
                job=job,
                model_sha256=digest,
                provider=self.device.provider,
                threads=self.device.threads,
            )
        except ProtocolError:
            self.confirm()  # or it would answer with the same again
            raise
        self._check_governor(result.governor)
        return replace(result, asked_s=asked_s, answered_s=answered_s)

    def _run(self, job: Job, digest: str, subject: str, name: str | None) -> object:
        request = job.request(model_sha256=digest, canary_sha256=self._canary_sha256)
        return self._ask(request, limit_s=job.limit_s, subject=subject, name=name)

    def _check_governor(self, governor: str | None) -> None:
        """What was measured under another governor belongs to another device profile."""
        if governor == self.identity.governor:
            return
        name, before = self.device.name, self.identity.governor
        raise DeviceUnusable(
            f"{name}: its governor has changed from {before} to {governor}, so that latencies are "
            "no longer comparable. The measurement is not used. Run the command again",
            device=name,
        )

    def leave(self) -> None:
        """Tell the device that nothing is wanted of it any more; harmless when it has gone."""
        self._agent.leave()

    def greet(self) -> None:
        """Make sure that an agent of ours, of this version, is at the other end.

        Raises:
            ProtocolError: it is not.
        """
        self._agent.greet()

    def round_trip_s(self) -> float:
        """How long the device takes to answer when there is nothing to do."""
        start = time.monotonic()
        self._agent.greet()
        return time.monotonic() - start

    def introduce(self) -> None:
        """Learn the device's identity, upload the canary; after `greet`, before the first job."""
        answer = self._ask({"op": "identify"}, limit_s=_IDENTIFY_LIMIT_S, subject="identify")
        self._identity = read_identity(answer, device=self.device.name)
        if self._canary is not None:
            self._canary_sha256 = self.upload(self._canary)

    @contextmanager
    def leased(self, wait_s: float) -> Iterator[None]:
        """Inside, no other host measures on this device; after `greet`.

        Raises:
            DeviceLeased: another host did so for longer than `wait_s`.
        """
        name, waiting = self.device.name, Waiting(self.device.name, wait_s)
        with Keeper(self._agent.say_alive):  # who waits is there, too
            answer = self._agent.ask(
                {"op": "lease", "owner": this_host(), "wait_s": wait_s},
                limit_s=wait_s + _SLACK_S,
                on_leased=lambda lease: waiting.tell(Holder.read(lease, device=name)),
            )
            if "error" in answer:
                raise self._failure(answer["error"], "lease", waiting.holder)
            yield

    def try_disk(self) -> None:
        """Write a little there, to know whether the next model has a chance.

        Raises:
            DiskUnwritable: the disk is full, read-only or closed to this user.
        """
        found = probe_disk(self._transport, self._folder, device_name=self.device.name)
        if found is not None:
            raise found

    def upload(self, model: Path) -> str:
        """Have a model on the device; its SHA-256. It is sent once in a session.

        Raises:
            DeviceUnusable: it did not get there.
        """
        digest = sha256_of(model)
        if digest not in self._there:
            self._transport.put(model, f"{self._folder}/models/{digest}.onnx")
            self._there.add(digest)
        return digest

    def confirm(self) -> None:
        """What was measured by name is in good hands; the device need not keep it any more.

        It is told so with the next request, or when it is left.
        """
        self._tickets.confirm()

    def settle(self) -> None:
        """Tell the device at once what it need not keep; it keeps too much if it cannot be told."""
        if self._tickets.stored:
            with suppress(DeviceError):
                self._ask({"op": "confirm"}, limit_s=_SLACK_S, subject="confirm")

    def _ask(
        self,
        request: dict[str, object],
        *,
        limit_s: float,
        subject: str,
        name: str | None = None,
    ) -> object:
        request |= {
            "threads": self.device.threads,
            "provider": self.device.provider,
            "governor": None if self.device.governor == "keep" else self.device.governor,
            "limit_s": limit_s,
        }
        if name is not None:
            # A device that is another one by now must not answer with what it measured before.
            ticket = ticket_of(request, f"{this_user()}: {self.identity.profile_id}: {name}")
            request["ticket"] = ticket
            self._tickets.waiting.append(ticket)
        told = len(self._tickets.stored)
        request["tickets"] = self._tickets.stored[:told]
        # The agent may wait for others as long as the job may run.
        answer = self._agent.ask(request, limit_s=2 * limit_s + _SLACK_S)
        del self._tickets.stored[:told]
        if "error" in answer:
            raise self._failure(answer["error"], subject)
        return answer.get("result")

    def _failure(self, error: object, subject: str, holder: Holder | None = None) -> Exception:
        answer = Answer(error, device=self.device.name, place="the error")
        kind, message = answer.choice("kind", _KINDS), answer.text("message")
        name = self.device.name
        if kind == "busy":
            return DeviceSilent(f"{name}: {message}. Try again when they are done", device=name)
        if kind == "hot":
            return DeviceSilent(
                f"{name}: slowed down by heat: {message}. Let it cool, then try again", device=name
            )
        if kind == "leased":
            return DeviceLeased(
                f"{name}: in use by {holder or 'another host'}. Try again when it is free, or wait "
                "longer: --wait MINUTES",
                device=name,
            )
        if kind == "disk":
            return disk_error(message, device_name=name, path=self._folder) or DiskUnwritable(
                f"{name}: {message}. Free some space there", device=name
            )
        if subject == "identify":
            return RuntimeUnavailable(
                f"{name}: the runtime does not work there: {message}\n"
                f"Check the device with: nas devices doctor {name}",
                device=name,
            )
        return JobFailed(f"{name}: {subject}: {kind}: {message}", device=name, kind=kind)


@contextmanager
def open_session(
    device: Device,
    *,
    canary: Path | None = None,
    wait_s: float | None = None,
    tickets: Tickets | None = None,
) -> Iterator[Session]:
    """A session on a device: reached, made ready, its agent started, its identity known.

    Args:
        device: from the inventory; without a host it is this machine.
        canary: a small model that is timed before and after each job, to tell a device that has
            become slower from a model that is slower.
        wait_s: for another host to be done with the device, which is then kept from all others
            until the session ends; None shares it, job by job.
        tickets: of an earlier session with this device.

    Raises:
        DeviceUnusable: not reached, not trusted, no Python, no runtime, no disk, in use.
        ProtocolError: what answers there is no agent of ours.
    """
    transport = open_transport(device)
    try:
        environment = prepare(transport, device)
        making = session_on(
            transport, device, environment, canary=canary, wait_s=wait_s, tickets=tickets
        )
        with making as session:
            yield session
    finally:
        transport.close()


@contextmanager
def session_on(
    transport: Transport,
    device: Device,
    environment: Environment,
    *,
    canary: Path | None = None,
    wait_s: float | None = None,
    tickets: Tickets | None = None,
) -> Iterator[Session]:
    """As `open_session`, on a device that is reached and made ready already."""
    argv = [*environment.python, environment.agent_path, "serve"]
    stream = transport.start([*argv, "--folder", environment.folder])
    session = Session(device, transport, environment, stream, canary=canary, tickets=tickets)
    try:
        session.greet()
        with nullcontext() if wait_s is None else session.leased(wait_s):
            session.introduce()
            logger.info("%s: profile %s", device.name, session.identity.profile_id)
            yield session
            session.settle()
    finally:
        # Where only the way there failed, the device may finish what it measures.
        if not isinstance(sys.exception(), DeviceUnusable):
            session.leave()
        stream.close()


def open_transport(device: Device) -> Transport:
    """The way to a device, open: a pipe for this machine, SSH for all others.

    Raises:
        DeviceUnusable: it cannot be reached or does not let us in.
    """
    return LocalTransport(device.name) if device.host is None else open_ssh(device)
