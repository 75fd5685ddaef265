"""Where and how a device is reached: its inventory entry laid over `~/.ssh/config`."""

import getpass
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import paramiko

from device_agents.errors import BadInventory
from device_agents.inventory import Device

MAX_JUMPS = 8  # our choice: a longer chain is a configuration that leads to itself
DEFAULT_PORT = 22
_DEFAULT_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """One SSH server and the way to it.

    `host_name` is the name for known_hosts. `only_these_keys` means that of the keys in the SSH
    agent only those that belong to `key_files` are offered.
    """

    host: str
    port: int
    user: str
    host_name: str
    key_files: tuple[Path, ...]
    only_these_keys: bool
    known_hosts: tuple[Path, ...]  # the first one is written to
    jump: "Endpoint | None" = None
    proxy_command: str | None = None


def resolve(device: Device, config_file: Path | None = None) -> Endpoint:
    """The endpoint of a device.

    Args:
        device: what it sets comes before what the configuration file says.
        config_file: `~/.ssh/config` when None; it need not exist.

    Raises:
        BadInventory: the configuration file cannot be read, or its jumps never end.
    """
    assert device.host is not None, "the local device has no endpoint"
    text = _config_text(config_file or Path.home() / ".ssh" / "config")
    overrides = _Overrides(
        port=device.port,
        user=device.user,
        key_file=device.key_file,
        known_hosts_file=device.known_hosts_file,
    )
    return _resolve(device.host, text, overrides, depth=0)


@dataclass(frozen=True, kw_only=True)
class _Overrides:
    port: int | None = None
    user: str | None = None
    key_file: str | None = None
    known_hosts_file: str | None = None


def _resolve(alias: str, text: str, overrides: _Overrides, *, depth: int) -> Endpoint:
    if depth > MAX_JUMPS:
        raise BadInventory(f"~/.ssh/config: the ProxyJump of {alias} leads on and on; end it")
    options = _lookup(alias, text, overrides)
    port = int(options.get("port", DEFAULT_PORT))
    host = options["hostname"]
    plain = host if port == DEFAULT_PORT else f"[{host}]:{port}"
    return Endpoint(
        host=host,
        port=port,
        user=options.get("user") or getpass.getuser(),
        host_name=options.get("hostkeyalias") or plain,
        key_files=_key_files(options, overrides.key_file),
        only_these_keys=overrides.key_file is not None or options.get("identitiesonly") == "yes",
        known_hosts=_known_hosts(options, overrides.known_hosts_file),
        jump=_jump(options, text, overrides, depth=depth),
        proxy_command=_unless_none(options.get("proxycommand")),
    )


def _jump(
    options: Mapping[str, str], text: str, overrides: _Overrides, *, depth: int
) -> Endpoint | None:
    """The last of the hosts in between; each reaches the one before it by its own jump."""
    hops = _unless_none(options.get("proxyjump"))
    if hops is None:
        return None
    before, _, last = hops.rpartition(",")
    user, _, address = last.strip().removeprefix("ssh://").rpartition("@")
    host, port = _split_port(address)
    own = _Overrides(port=port, user=user or None, known_hosts_file=overrides.known_hosts_file)
    if before:
        text = f"Host {host}\n  ProxyJump {before}\n{text}"
    return _resolve(host, text, own, depth=depth + 1)


def _lookup(alias: str, text: str, overrides: _Overrides) -> Mapping[str, str]:
    # The first value wins in this format, so what the device sets is written in front; in this
    # way %p and %r of a ProxyCommand are right as well.
    front = [f"  Port {overrides.port}"] if overrides.port else []
    front += [f"  User {overrides.user}"] if overrides.user else []
    head = "\n".join(["Host *", *front, ""]) if front else ""
    try:
        options: Mapping[str, str] = paramiko.SSHConfig.from_text(head + text).lookup(alias)
        int(options.get("port", DEFAULT_PORT))
    except (paramiko.ConfigParseError, paramiko.CouldNotCanonicalize, ValueError) as exc:
        raise BadInventory(f"~/.ssh/config: cannot be used for {alias}: {exc}") from exc
    return options


def _key_files(options: Mapping[str, str], override: str | None) -> tuple[Path, ...]:
    if override is not None:
        return (_path(override),)
    named = options.get("identityfile")
    if named:
        files = [_path(name) for name in named]
    else:
        files = [Path.home() / ".ssh" / name for name in _DEFAULT_KEYS]
    return tuple(file for file in files if file.is_file())


def _known_hosts(options: Mapping[str, str], override: str | None) -> tuple[Path, ...]:
    if override is not None:
        return (_path(override),)
    named = options.get("userknownhostsfile", "~/.ssh/known_hosts").split()
    files = [_path(name) for name in named]
    return (*files, Path("/etc/ssh/ssh_known_hosts"))


def _path(name: str) -> Path:
    try:
        return Path(name).expanduser()
    except RuntimeError as exc:
        raise BadInventory(f"{name}: there is no such home folder; write the path in full") from exc


def _config_text(path: Path) -> str:
    try:
        return path.read_text("utf-8", errors="replace")
    except FileNotFoundError:
        return ""
    except OSError as exc:
        raise BadInventory(f"{path}: cannot be read: {exc.strerror}") from exc


def _unless_none(value: str | None) -> str | None:
    return None if value is None or value.lower() == "none" else value


def _split_port(address: str) -> tuple[str, int | None]:
    host, colon, port = address.rpartition(":")
    if colon and port.isdigit() and (host.endswith("]") or ":" not in host):
        return host.strip("[]"), int(port)
    return address.strip("[]"), None
