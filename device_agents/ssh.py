"""A device over SSH: commands, lines, files. Strict host keys, keys only, a limit on all."""

import shlex
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

import paramiko

from device_agents.errors import ConnectionLost, DeviceSilent
from device_agents.host_keys import HostKey, KnownHosts, Verdict, write_trusted
from device_agents.inventory import Device
from device_agents.ssh_config import Endpoint, resolve
from device_agents.ssh_login import Connection, hops, log_in
from device_agents.transport import OUTPUT_CAP_BYTES, TAIL_BYTES, Completed, LineBuffer, last_line
from device_agents.upload import Upload

CHUNK_BYTES = 65536
CHANNEL_LIMIT_S = 20.0  # our choice: to open a channel, and to take in what is sent
_LAST_WORDS_S = 2.0  # our choice: what waits for the streams of a process that has ended


def open_ssh(device: Device) -> "SshTransport":
    """A connection to a device, logged in.

    Raises:
        DeviceUnusable: unreachable, host key not trusted, login refused; with what to do.
        BadInventory: `~/.ssh/config` cannot be used.
    """
    return SshTransport(log_in(resolve(device), device.name), device.name)


def fetch_host_key(device: Device) -> HostKey:
    """The host key to look at: of the first jump host not trusted yet, else of the device.

    Raises:
        DeviceUnusable: no SSH server answers, or a jump host refuses the login.
    """
    connection = Connection(device.name)
    try:
        *jumps, last = hops(resolve(device))
        for jump in jumps:
            key = connection.greet(jump)
            if KnownHosts(jump.known_hosts).verdict(key) != "trusted":
                return key
            connection.enter(jump)
        return connection.greet(last)
    finally:
        connection.close()


def trust(device: Device, key: HostKey) -> Path:
    """Write a key that `fetch_host_key` gave to the known_hosts file of its host; the file's path.

    Raises:
        BadInventory: the file cannot be written.
    """
    path = _hop_of(device, key).known_hosts[0]
    write_trusted(key, path)
    return path


def host_key_verdict(device: Device, key: HostKey) -> Verdict:
    """Whether a key that `fetch_host_key` gave is trusted already, unknown or changed."""
    return KnownHosts(_hop_of(device, key).known_hosts).verdict(key)


def _hop_of(device: Device, key: HostKey) -> Endpoint:
    return next(hop for hop in hops(resolve(device)) if hop.host_name == key.host_name)


class SshTransport:
    """The way to a device over SSH. One thread at a time; the maker closes it."""

    def __init__(self, connection: Connection, device_name: str) -> None:
        self._connection = connection
        self._device_name = device_name
        self._upload = Upload(self, connection, device_name)

    def run(self, argv: Sequence[str], *, limit_s: float) -> Completed:
        """Run a command to its end; see Transport."""
        deadline = time.monotonic() + limit_s
        channel = self.open_channel(argv)
        try:
            channel.shutdown_write()
            streams = [_Drain(read).begun() for read in (channel.recv, channel.recv_stderr)]
            if not channel.status_event.wait(max(0.0, deadline - time.monotonic())):
                raise DeviceSilent(
                    f"{self._device_name}: {argv[0]} did not end within {limit_s:g} s. "
                    f"Check the device with: nas devices doctor {self._device_name}",
                    device=self._device_name,
                )
            stdout, stderr = (stream.text(limit_s=_LAST_WORDS_S) for stream in streams)
            exit_code = channel.recv_exit_status()
        finally:
            channel.close()
        if exit_code == -1 and not self._connection.last.is_active():
            raise self._lost("while a command ran")
        return Completed(exit_code=exit_code, stdout=stdout, stderr=stderr)

    def start(self, argv: Sequence[str]) -> "SshStream":
        """Start a process that lives until its stream is closed; see Transport."""
        return SshStream(self.open_channel(argv), self._device_name)

    def home(self) -> str:
        """The absolute path of the user's home folder on the device; see Transport."""
        done = self.run(["pwd"], limit_s=CHANNEL_LIMIT_S)
        lines = done.stdout.split("\n")
        # A login script may print before it; the answer is the last line.
        paths = [line for line in lines if line.startswith("/")]
        if done.exit_code != 0 or not paths:
            raise self._lost("at the question for the home folder")
        return paths[-1]

    def put(self, source: Path, target: str) -> None:
        """Have a file on the device, verified by its hash; see Transport."""
        self._upload.put(source, target)

    def close(self) -> None:
        """Give the connection back. Harmless when called twice."""
        self._connection.close()

    def open_channel(self, argv: Sequence[str]) -> paramiko.Channel:
        """A channel with a command running at its end.

        Raises:
            ConnectionLost: the connection has gone, or takes no more commands.
        """
        try:
            channel = self._connection.last.open_session(timeout=CHANNEL_LIMIT_S)
            channel.settimeout(CHANNEL_LIMIT_S)
            channel.exec_command(shlex.join(argv))
        except (paramiko.SSHException, EOFError, OSError) as exc:
            raise self._lost(f"at the start of {argv[0]}") from exc
        return channel

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _lost(self, when: str) -> ConnectionLost:
        return ConnectionLost(
            f"{self._device_name}: the connection was lost {when}. Try again; "
            f"if it happens twice: nas devices doctor {self._device_name}",
            device=self._device_name,
        )


class SshStream:
    """A long-lived process at the end of a channel; see Stream."""

    def __init__(self, channel: paramiko.Channel, device_name: str) -> None:
        self._channel = channel
        self._device_name = device_name
        self._lines = LineBuffer(device_name)
        self._stderr = _Drain(channel.recv_stderr, keep_last=True, cap_bytes=TAIL_BYTES).begun()

    def send_line(self, line: str) -> None:
        """Send one line; see Stream."""
        try:
            self._channel.settimeout(CHANNEL_LIMIT_S)
            self._channel.sendall(f"{line}\n".encode())
        except TimeoutError as exc:
            raise self._silent(CHANNEL_LIMIT_S) from exc
        except (OSError, EOFError, paramiko.SSHException) as exc:
            raise self._ended() from exc

    def read_line(self, *, limit_s: float) -> str:
        """The next whole line; see Stream."""
        deadline = time.monotonic() + limit_s
        while (line := self._lines.next_line()) is None:
            if time.monotonic() > deadline:  # it speaks, but ends no line
                raise self._silent(limit_s)
            chunk = self._read_chunk(deadline, limit_s)
            if not chunk:
                raise self._ended()
            self._lines.add(chunk)
        return line

    def close(self) -> None:
        """End the process: its standard input ends, and the channel with it."""
        try:
            self._channel.shutdown_write()
            self._channel.close()
        except (OSError, EOFError, paramiko.SSHException):
            pass  # the connection has gone, and the process with it

    def _read_chunk(self, deadline: float, limit_s: float) -> bytes:
        try:
            # Never 0: that would mean not to wait for what is there already.
            self._channel.settimeout(max(0.001, deadline - time.monotonic()))
            return self._channel.recv(CHUNK_BYTES)
        except TimeoutError as exc:
            raise self._silent(limit_s) from exc
        except (OSError, EOFError, paramiko.SSHException) as exc:
            raise self._ended() from exc

    def _silent(self, limit_s: float) -> DeviceSilent:
        return DeviceSilent(
            f"{self._device_name}: no answer within {limit_s:g} s. "
            f"Check the device with: nas devices doctor {self._device_name}",
            device=self._device_name,
        )

    def _ended(self) -> ConnectionLost:
        words = last_line(self._stderr.text(limit_s=_LAST_WORDS_S))
        last = f" ({words})" if words else ""
        transport = self._channel.get_transport()
        what = "the agent ended" if transport.is_active() else "the connection was lost"
        return ConnectionLost(
            f"{self._device_name}: {what}{last}. Try again; "
            f"if it happens twice: nas devices doctor {self._device_name}",
            device=self._device_name,
        )


class _Drain(threading.Thread):
    """Reads one stream of a channel to its end, so that no process blocks on a full pipe."""

    def __init__(
        self,
        read: Callable[[int], bytes],
        *,
        keep_last: bool = False,
        cap_bytes: int = OUTPUT_CAP_BYTES,
    ) -> None:
        super().__init__(daemon=True)
        self._read = read
        self._keep_last = keep_last
        self._cap_bytes = cap_bytes
        self._kept = b""

    def begun(self) -> Self:
        self.start()
        return self

    def run(self) -> None:
        while True:
            try:
                chunk = self._read(CHUNK_BYTES)
            except TimeoutError:
                continue  # silence is no end
            except (OSError, EOFError):
                return
            if not chunk:
                return
            kept = self._kept + chunk if self._keep_last or self._has_room() else self._kept
            self._kept = kept[-self._cap_bytes :] if self._keep_last else kept[: self._cap_bytes]

    def text(self, *, limit_s: float) -> str:
        """What was kept, once the stream has ended or the limit is over."""
        self.join(limit_s)
        return self._kept.decode("utf-8", "replace")

    def _has_room(self) -> bool:
        return len(self._kept) < self._cap_bytes
