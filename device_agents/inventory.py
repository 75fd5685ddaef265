"""The devices that the user has named, kept in a TOML file without secrets."""

import difflib
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path, PurePosixPath

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Table

from device_agents.errors import BadInventory, UnknownDevice

LOCAL = "local"
GROUP = "group:"
MAX_THREADS = 1024  # our choice: more is a slip of the finger

# What may stand in a name or an address. A host that starts with a dash, or holds a space or a
# quote, could become an option or a second command of the user's own ProxyCommand.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}")
_HOST = re.compile(r"[A-Za-z0-9_:\[][A-Za-z0-9_.:%\]-]{0,252}")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@+\\-]{0,63}")
_PROVIDER = re.compile(r"[A-Za-z0-9]+ExecutionProvider")


@dataclass(frozen=True, kw_only=True)
class Device:
    """One board, or this machine, and how to reach it.

    What is None is left to `~/.ssh/config` and the defaults of SSH. Only `local` has no host.

    Raises:
        BadInventory: a value that no device can have; the message names it.
    """

    name: str
    host: str | None = None
    port: int | None = None
    user: str | None = None
    key_file: str | None = None
    known_hosts_file: str | None = None
    threads: int = 1
    provider: str = "CPUExecutionProvider"
    folder: str = ".edge-nas"  # below the home folder on the device
    governor: str = "performance"  # while measuring, where that is allowed; or "keep"
    groups: tuple[str, ...] = ()  # names under which several devices are called at once

    def __post_init__(self) -> None:
        self._check_types()
        self._check(_NAME, "name", "letters, digits, - _ and .")
        self._check(_HOST, "host", "a host name or an address")
        self._check(_USER, "user", "a user name")
        self._check(_PROVIDER, "provider", "such as CPUExecutionProvider")
        if (self.host is None) != (self.name == LOCAL):
            raise self._bad("host", "missing" if self.host is None else "not for this machine")
        if self.port is not None and not 1 <= self.port <= 65535:
            raise self._bad("port", "from 1 to 65535")
        if not 1 <= self.threads <= MAX_THREADS:
            raise self._bad("threads", f"from 1 to {MAX_THREADS}")
        if self.governor not in ("performance", "keep"):
            raise self._bad("governor", "performance or keep")
        for field in ("key_file", "known_hosts_file"):
            path = getattr(self, field)
            if path is not None and not path.isprintable():
                raise self._bad(field, "a path that can be printed")
        check_folder(self.folder, self.name)

    def _check_types(self) -> None:
        if not all(type(group) is str and _NAME.fullmatch(group) for group in self.groups):
            raise self._bad("groups", "names of letters, digits, - _ and .")
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "groups" or value is None and field.default is None:
                continue
            wanted = int if field.name in ("port", "threads") else str
            if type(value) is not wanted:
                raise self._bad(field.name, "a whole number" if wanted is int else "a text")

    def _check(self, pattern: re.Pattern[str], field: str, wanted: str) -> None:
        value = getattr(self, field)
        if value is not None and not pattern.fullmatch(value):
            raise self._bad(field, wanted)

    def _bad(self, field: str, wanted: str) -> BadInventory:
        value = getattr(self, field)
        return BadInventory(f"device {self.name!r}: {field} is {value!r}; it must be: {wanted}")


def check_folder(folder: str, device_name: str) -> None:
    """Accept a folder that lies below the home folder, and no other.

    Raises:
        BadInventory: empty, absolute, the home folder itself, or leading out of it.
    """
    parts = PurePosixPath(folder).parts
    outside = folder.startswith(("/", "~", "-")) or ".." in parts
    if not parts or outside or not folder.isprintable():
        raise BadInventory(
            f"device {device_name!r}: folder is {folder!r}; it must lie below the home folder, "
            "such as .edge-nas"
        )


class Inventory:
    """The named devices. Immutable: a change gives a new inventory, kept by `save`.

    The device `local` is always there. The file may give it threads, provider, folder and governor.
    """

    def __init__(self, devices: Mapping[str, Device] | None = None) -> None:
        self._devices = {LOCAL: Device(name=LOCAL)} | dict(devices or {})

    @classmethod
    def load(cls, path: Path) -> "Inventory":
        """The inventory in a file; only `local` when there is no such file.

        Raises:
            BadInventory: not readable, not TOML, or a value that no device can have.
        """
        try:
            content = tomllib.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            return cls()
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
            raise BadInventory(f"{path}: cannot be read as TOML: {exc}") from exc
        tables = content.pop("devices", {})
        if content or not isinstance(tables, dict):
            raise BadInventory(f"{path}: only tables like [devices.NAME] may stand in it")
        return cls({name: _device(path, name, table) for name, table in tables.items()})

    def get(self, name: str) -> Device:
        """The device of this name.

        Raises:
            UnknownDevice: there is none; the message has the nearest name.
        """
        if name in self._devices:
            return self._devices[name]
        nearest = next(iter(difflib.get_close_matches(name, self._devices, n=1)), None)
        hint = f"did you mean {nearest}?" if nearest else "see: nas devices list"
        raise UnknownDevice(f"no device is named {name!r}; {hint}", name=name, nearest=nearest)

    def select(self, names: str) -> tuple[Device, ...]:
        """The devices named, each once: names and `group:NAME`, separated by commas.

        Raises:
            UnknownDevice: no such device or group; the message has the nearest name.
        """
        chosen: dict[str, Device] = {}
        for name in (part.strip() for part in names.split(",")):
            found = self._group(name[len(GROUP) :]) if name.startswith(GROUP) else [self.get(name)]
            chosen |= {device.name: device for device in found}
        return tuple(chosen.values())

    def _group(self, name: str) -> list[Device]:
        if found := [device for device in self if name in device.groups]:
            return found
        groups = sorted({group for device in self for group in device.groups})
        nearest = next(iter(difflib.get_close_matches(name, groups, n=1)), None)
        hint = f"did you mean {GROUP}{nearest}?" if nearest else "see: nas devices list"
        raise UnknownDevice(f"no device is in group {name!r}; {hint}", name=name, nearest=nearest)

    def with_device(self, device: Device) -> "Inventory":
        """This inventory and one device more, or one replaced.

        Raises:
            BadInventory: the device is `local`.
        """
        if device.name == LOCAL:
            raise BadInventory("the device 'local' is this machine and always there")
        return Inventory(self._devices | {device.name: device})

    def without(self, name: str) -> "Inventory":
        """This inventory less one device.

        Raises:
            UnknownDevice: there is none of this name.
            BadInventory: the device is `local`.
        """
        if name == LOCAL:
            raise BadInventory("the device 'local' is this machine and cannot be removed")
        self.get(name)
        return Inventory({key: device for key, device in self._devices.items() if key != name})

    def save(self, path: Path) -> None:
        """Write the inventory; comments and order of the file that is there are kept.

        Raises:
            BadInventory: the file cannot be written, or what is there is not TOML.
        """
        try:
            document = tomlkit.parse(path.read_text("utf-8")) if path.exists() else None
            document = tomlkit.document() if document is None else document
            self._write_into(document)
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_name(f"{path.name}.{os.getpid()}.part")
            draft.write_text(tomlkit.dumps(document), "utf-8")
            draft.replace(path.resolve())  # a link stays a link
        except (OSError, UnicodeDecodeError, TOMLKitError) as exc:
            raise BadInventory(f"{path}: cannot be written: {exc}") from exc

    def _write_into(self, document: tomlkit.TOMLDocument) -> None:
        if "devices" not in document:
            document.add("devices", tomlkit.table(is_super_table=True))
        tables = document["devices"]
        assert isinstance(tables, Table)
        for name in set(tables) - set(self._devices):
            tables.remove(name)
        for name, device in self._devices.items():
            values = _values(device)
            if name == LOCAL and not values:
                continue
            table = tables.setdefault(name, tomlkit.table())
            for key in set(table) - set(values):
                del table[key]
            for key, value in values.items():
                if table.get(key) != value:
                    table[key] = value

    def __iter__(self) -> Iterator[Device]:
        return iter(self._devices.values())

    def __contains__(self, name: object) -> bool:
        return name in self._devices

    def __len__(self) -> int:
        return len(self._devices)


def _values(device: Device) -> dict[str, str | int | list[str]]:
    """What differs from the defaults: this is what the file holds."""
    values = {
        field.name: getattr(device, field.name)
        for field in fields(device)
        if field.name != "name" and getattr(device, field.name) != field.default
    }
    return values | ({"groups": list(device.groups)} if device.groups else {})


def _device(path: Path, name: str, table: object) -> Device:
    if not isinstance(table, dict):
        raise BadInventory(f"{path}: devices.{name} must be a table")
    known = [field.name for field in fields(Device) if field.name != "name"]
    for key in table:
        if key not in known:
            reason = f"devices.{name}.{key} is unknown; known: {', '.join(known)}"
            raise BadInventory(f"{path}: {reason}")
    if isinstance(groups := table.get("groups", []), list):
        table = table | {"groups": tuple(groups)}
    else:
        raise BadInventory(f"{path}: devices.{name}.groups must be a list of names")
    try:
        return replace(Device(name=name, host=table.get("host")), **table)
    except BadInventory as exc:
        raise BadInventory(f"{path}: {exc}") from exc
