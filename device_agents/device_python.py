"""The Pythons that a device has, and what wheels each of them takes."""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from device_agents.answers import read_json, shown
from device_agents.errors import ProtocolError, PythonUnsuitable
from device_agents.inventory import LOCAL, Device
from device_agents.transport import Transport
from device_agents.wheels import Target

OLDEST_PYTHON = (3, 8)
# The device's own choice first; then the newest. Names that do not exist cost nothing.
_NAMES = ("python3", *(f"python3.{minor}" for minor in range(14, 7, -1)), "python")
_PROBE_LIMIT_S = 60.0
_WORDS = re.compile(r"[A-Za-z0-9_. ]{0,64}")

# One command for all names: on a bad radio link each command costs seconds.
_TRY_EACH = 'probe=$1; shift; for name; do echo "python $name"; "$name" -c "$probe"; done; true'

# Runs under any Python, even 2.7.
_PROBE = """
import json, platform, struct, sys
facts = {"version": "%d.%d.%d" % sys.version_info[:3],
         "implementation": platform.python_implementation()}
if sys.version_info >= (3, 8):
    import importlib.util, sysconfig
    soabi = (sysconfig.get_config_var("SOABI") or "").split("-")
    facts["abi"] = "cp" + soabi[1] if len(soabi) > 1 else "cp%d%d" % sys.version_info[:2]
    facts["machine"] = platform.machine()
    facts["bits"] = 8 * struct.calcsize("P")
    facts["libc"] = " ".join(platform.libc_ver())
    facts["has_pip"] = importlib.util.find_spec("pip") is not None
print("facts " + json.dumps(facts))
"""


@dataclass(frozen=True, kw_only=True)
class DevicePython:
    """One Python on a device; `command` starts it."""

    command: str
    version: str
    target: Target
    has_pip: bool


def find_pythons(transport: Transport, device: Device) -> list[DevicePython]:
    """The device's usable Pythons, one for each ABI, in the order of preference.

    Raises:
        PythonUnsuitable: there is no CPython 3.8 or newer; the message says what there is.
        ProtocolError: a Python says impossible things of itself.
    """
    commands = (sys.executable,) if device.name == LOCAL else _NAMES
    pythons: dict[str, DevicePython] = {}
    unsuitable: list[str] = []
    for command, facts in _all_facts(transport, device, commands).items():
        version, implementation = facts.get("version"), facts.get("implementation")
        if implementation != "CPython" or _is_too_old(version):
            unsuitable.append(f"{command} is {_plain(implementation)} {_plain(version)}")
            continue
        python = _python(device, command, facts)
        pythons.setdefault(python.target.abi, python)
    if not pythons:
        newer = "python3.8" if unsuitable else "python3"  # the old one is all that python3 gives
        raise PythonUnsuitable(
            f"{device.name}: has no CPython {'.'.join(map(str, OLDEST_PYTHON))} or newer "
            f"({'; '.join(unsuitable) or 'no Python at all'}).\n"
            f"Install one there, for example with: sudo apt-get install {newer}",
            device=device.name,
        )
    return list(pythons.values())


def _all_facts(
    transport: Transport, device: Device, commands: Sequence[str]
) -> dict[str, dict[str, object]]:
    """What each of the commands says that exists and works."""
    done = transport.run(["sh", "-c", _TRY_EACH, "sh", _PROBE, *commands], limit_s=_PROBE_LIMIT_S)
    command, found = "", {}
    for line in done.stdout.splitlines():
        if line.removeprefix("python ") in commands:
            command = line.removeprefix("python ")
        elif line.startswith("facts "):
            found[command] = _facts(device, command, line.removeprefix("facts "))
    return found


def _facts(device: Device, command: str, text: str) -> dict[str, object]:
    try:
        facts = read_json(text)
    except ValueError as exc:
        raise _impossible(device, command, "facts", text) from exc
    if not isinstance(facts, dict):
        raise _impossible(device, command, "facts", facts)
    return facts


def _is_too_old(version: object) -> bool:
    numbers = re.match(r"([0-9]{1,3})\.([0-9]{1,3})", _plain(version))
    return numbers is None or tuple(map(int, numbers.groups())) < OLDEST_PYTHON


def _plain(value: object) -> str:
    return value if isinstance(value, str) and len(value) <= 80 else shown(value)


def _python(device: Device, command: str, facts: dict[str, object]) -> DevicePython:
    words = {key: facts.get(key) for key in ("version", "abi", "machine", "libc")}
    texts = {key: value for key, value in words.items() if isinstance(value, str)}
    for key, value in words.items():
        # These become part of a path and of a command: nothing but plain words is believed.
        if not _WORDS.fullmatch(texts.get(key, "?")):
            raise _impossible(device, command, key, value)
    bits = facts.get("bits")
    if bits not in (32, 64):
        raise _impossible(device, command, "bits", bits)
    version = texts["version"]
    target = Target(
        python_version=".".join(version.split(".")[:2]),
        abi=texts["abi"],
        machine=texts["machine"],
        bits=64 if bits == 64 else 32,
        libc=texts["libc"].strip(),
    )
    has_pip = facts.get("has_pip") is True
    return DevicePython(command=command, version=version, target=target, has_pip=has_pip)


def _impossible(device: Device, command: str, key: str, value: object) -> ProtocolError:
    return ProtocolError(
        f"{device.name}: {command} there says {key} = {shown(value)}, which cannot be. "
        f"Check the device with: nas devices doctor {device.name}",
        device=device.name,
    )
