"""From an endpoint to a logged-in SSH connection, or to one clear line why not."""

import logging
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import paramiko
from paramiko.pkey import UnknownKeyType

from device_agents.errors import (
    ConnectionLost,
    DeviceSilent,
    DeviceUnreachable,
    DeviceUnusable,
    LoginRefused,
)
from device_agents.host_keys import HostKey, KnownHosts
from device_agents.ssh_config import Endpoint

# Our choice, for a slow board behind a bad radio link: a lost first packet costs a second each.
CONNECT_LIMIT_S = 10.0
HANDSHAKE_LIMIT_S = 20.0
LOGIN_LIMIT_S = 20.0
KEEPALIVE_S = 15
UNANSWERED_LIMIT_MS = 60_000  # a cable that is out for less costs nothing

_paramiko_log = logging.getLogger(f"{__name__}.paramiko")


class Connection:
    """An SSH connection and those that it goes through, closed together."""

    def __init__(self, device_name: str) -> None:
        self._device_name = device_name
        self._hops: list[paramiko.Transport] = []
        self._proxy: subprocess.Popen[bytes] | None = None

    @property
    def last(self) -> paramiko.Transport:
        """The connection to the device itself."""
        return self._hops[-1]

    def greet(self, endpoint: Endpoint) -> HostKey:
        """Shake hands with a server, through what is connected already; the key it shows.

        Raises:
            DeviceUnreachable, DeviceSilent: no SSH server answers there.
        """
        key = self._handshake(endpoint).get_remote_server_key()
        return HostKey(host_name=endpoint.host_name, algorithm=key.get_name(), blob=key.asbytes())

    def enter(self, endpoint: Endpoint) -> None:
        """Log in where `greet` has been and the key is trusted.

        Raises:
            LoginRefused, ConnectionLost: with what to do about it.
        """
        _log_in(self.last, endpoint, self._device_name)
        self.last.set_keepalive(KEEPALIVE_S)

    def close(self) -> None:
        """Close all, the innermost first. Harmless when called twice."""
        for hop in reversed(self._hops):  # they stay in the list: a thread may be sending just now
            hop.close()
        if self._proxy is not None:
            self._proxy.terminate()
            self._proxy.wait()
            self._proxy = None

    def _handshake(self, endpoint: Endpoint) -> paramiko.Transport:
        sock = self._socket(endpoint)
        started = time.monotonic()
        try:
            transport = paramiko.Transport(sock)
            self._hops.append(transport)
            _prepare(transport, endpoint)
            transport.start_client(timeout=HANDSHAKE_LIMIT_S)
            transport.get_remote_server_key()
        except (paramiko.SSHException, OSError, EOFError) as exc:
            sock.close()
            waited_s = time.monotonic() - started
            raise _handshake_error(endpoint, self._device_name, exc, waited_s=waited_s) from exc
        return transport

    def _socket(self, endpoint: Endpoint) -> "socket.socket | paramiko.Channel":
        if self._hops:
            return self._channel_to(endpoint)
        if endpoint.proxy_command is not None:
            return self._socket_of(endpoint.proxy_command)
        return open_tcp(endpoint.host, endpoint.port, device_name=self._device_name)

    def _channel_to(self, endpoint: Endpoint) -> paramiko.Channel:
        there = (endpoint.host, endpoint.port)
        try:
            return self.last.open_channel(
                "direct-tcpip", there, ("127.0.0.1", 0), timeout=CONNECT_LIMIT_S
            )
        except (paramiko.SSHException, EOFError, OSError) as exc:
            raise DeviceUnreachable(
                f"{self._device_name}: the jump host cannot reach {endpoint.host} "
                f"port {endpoint.port}: {exc}. Check ProxyJump in ~/.ssh/config",
                device=self._device_name,
            ) from exc

    def _socket_of(self, command: str) -> socket.socket:
        """One end of a pipe whose other end is a ProxyCommand, run by a shell as ssh does."""
        ours, theirs = socket.socketpair()
        with theirs:
            self._proxy = subprocess.Popen(
                ["/bin/sh", "-c", f"exec {command}"],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=subprocess.DEVNULL,
            )
        return ours


def log_in(endpoint: Endpoint, device_name: str) -> Connection:
    """A connection to an endpoint, by its jumps, each with a trusted host key.

    Raises:
        DeviceUnusable: with what to do about it; nothing is left open.
    """
    connection = Connection(device_name)
    try:
        for hop in hops(endpoint):
            KnownHosts(hop.known_hosts).require(connection.greet(hop), device_name)
            connection.enter(hop)
    except BaseException:
        connection.close()
        raise
    return connection


def hops(endpoint: Endpoint) -> list[Endpoint]:
    """The servers on the way, the device's own last."""
    return [*(hops(endpoint.jump) if endpoint.jump else []), endpoint]


def open_tcp(host: str, port: int, *, device_name: str) -> socket.socket:
    """A TCP connection that sends at once and notices a dead peer.

    Raises:
        DeviceUnreachable: the name, the network or the port is at fault.
    """
    there = f"{device_name}: {host} port {port}"
    cure = f"Check power, network and address, then: nas devices doctor {device_name}"
    try:
        sock = socket.create_connection((host, port), timeout=CONNECT_LIMIT_S)
    except socket.gaierror as exc:
        reason = f"the name {host!r} cannot be resolved. Check it in devices.toml"
        raise DeviceUnreachable(f"{device_name}: {reason}", device=device_name) from exc
    except TimeoutError as exc:
        reason = f"does not answer within {CONNECT_LIMIT_S:g} s. {cure}"
        raise DeviceUnreachable(f"{there} {reason}", device=device_name) from exc
    except OSError as exc:
        reason = f"cannot be reached: {exc.strerror or exc}. {cure}"
        raise DeviceUnreachable(f"{there} {reason}", device=device_name) from exc
    # Without this each small request waits for the acknowledgement of the one before it.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux only; others find out by their own limits
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNANSWERED_LIMIT_MS)
    return sock


def _prepare(transport: paramiko.Transport, endpoint: Endpoint) -> None:
    transport.daemon = True
    # Paramiko logs whole tracebacks of what is told in one line here.
    if not _paramiko_log.handlers:
        _paramiko_log.addHandler(logging.NullHandler())
        _paramiko_log.propagate = False
    transport.set_log_channel(_paramiko_log.name)
    transport.banner_timeout = HANDSHAKE_LIMIT_S
    transport.auth_timeout = LOGIN_LIMIT_S
    # Ask for a key of the kind that is trusted, or a trusted host would look changed.
    trusted = KnownHosts(endpoint.known_hosts).algorithms(endpoint.host_name)
    options = transport.get_security_options()
    options.key_types = sorted(options.key_types, key=lambda name: _family(name) not in trusted)


def _family(signature: str) -> str:
    """The kind of key that makes a signature: RSA keys sign in several ways."""
    return "ssh-rsa" if signature.startswith("rsa-sha2-") else signature


def _handshake_error(
    endpoint: Endpoint, device_name: str, exc: Exception, *, waited_s: float
) -> DeviceUnusable:
    there = f"{device_name}: {endpoint.host} port {endpoint.port}"
    if waited_s >= HANDSHAKE_LIMIT_S - 1:
        return DeviceSilent(
            f"{there} takes the connection but says nothing for {waited_s:.0f} s: "
            "the device hangs or is overloaded. Restart it, then try again",
            device=device_name,
        )
    reason = str(exc) or "the connection was closed"
    return DeviceUnreachable(
        f"{there} answers, but not as an SSH server that one can talk to: {reason}. "
        "Check the port, and sshd on the device",
        device=device_name,
    )


def _log_in(transport: paramiko.Transport, endpoint: Endpoint, device_name: str) -> None:
    tried: list[str] = []
    try:
        for key in _keys(endpoint, tried):
            try:
                if not transport.auth_publickey(endpoint.user, key):
                    return
            except paramiko.BadAuthenticationType:
                tried.append("it takes no keys")
                break
            except paramiko.AuthenticationException:
                if not transport.is_active():
                    raise
                tried.append(f"refused {key.get_name()} {key.fingerprint}")
    except (paramiko.SSHException, EOFError, OSError) as exc:
        raise ConnectionLost(
            f"{device_name}: the connection broke off at the login of {endpoint.user}: {exc}. "
            "Try again; with many keys in the SSH agent, name the right one with --key",
            device=device_name,
        ) from exc
    raise LoginRefused(
        f"{device_name}: {endpoint.user}@{endpoint.host} lets nobody in "
        f"({'; '.join(tried) or 'no key to offer'}).\n"
        f"Put a key there with ssh-copy-id, or name the right one: "
        f"nas devices add {device_name} --key FILE --user NAME",
        device=device_name,
    )


def _keys(endpoint: Endpoint, notes: list[str]) -> Iterator[paramiko.PKey]:
    """The keys to offer, files first; why a file is passed over goes to the notes."""
    for path in endpoint.key_files:
        try:
            yield paramiko.PKey.from_path(path)
        except FileNotFoundError:
            notes.append(f"{path} is not there")
        except (paramiko.PasswordRequiredException, TypeError):
            notes.append(f"{path} needs its passphrase: ssh-add {path}")
        except (paramiko.SSHException, UnknownKeyType, ValueError, OSError):
            notes.append(f"{path} is no private key that can be read")
    public = {blob for path in endpoint.key_files if (blob := _public_blob(path))}
    agent = paramiko.Agent()
    try:
        for key in agent.get_keys():
            if not endpoint.only_these_keys or key.get_base64() in public:
                yield key
    finally:
        agent.close()


def _public_blob(path: Path) -> str:
    try:
        return path.with_name(f"{path.name}.pub").read_text("utf-8").split()[1]
    except (OSError, UnicodeDecodeError, IndexError):
        return ""
