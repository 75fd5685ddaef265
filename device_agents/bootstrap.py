"""From a bare device to one that the agent can run on, all in one folder there."""

import inspect
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from device_agents.agent import claim_folder
from device_agents.device_python import DevicePython, find_pythons
from device_agents.disk import disk_error
from device_agents.errors import DeviceUnusable, RuntimeUnavailable
from device_agents.inventory import Device, check_folder
from device_agents.transport import Completed, Transport, sha256_of
from device_agents.wheels import NoWheel, fetch_wheels

logger = logging.getLogger(__name__)

AGENT_FILE = Path(__file__).with_name("agent.py")
OLDEST_RUNTIME = (1, 17)  # our choice: the first that reads opset 20
_COMMAND_LIMIT_S = 60.0
_IMPORT_LIMIT_S = 120.0  # our choice: a first import from an SD card compiles everything
_INSTALL_LIMIT_S = 600.0
_PIP_SILENCE_S = 5  # our choice: a device without a way out should not keep anyone waiting

_VERSION_WORD = re.compile(r"[0-9]{1,4}\.[0-9]{1,4}[0-9A-Za-z.+-]{0,40}")
_VERSION = "import onnxruntime; print('runtime ' + onnxruntime.__version__)"

# Runs under the device's Python. A wheel is a zip file; what would land elsewhere is refused.
_UNPACK = """
import os, shutil, sys, zipfile
site, wheels = sys.argv[1], sys.argv[2:]
draft = site + ".part"
shutil.rmtree(draft, ignore_errors=True)
for wheel in wheels:
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.startswith(("/", "\\\\")) or ".." in name.replace("\\\\", "/").split("/"):
                sys.exit("refused: %s would be unpacked outside its folder" % name)
        archive.extractall(draft)
shutil.rmtree(site, ignore_errors=True)
os.replace(draft, site)
"""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """What it takes to start the agent on a device.

    `python` is the beginning of a command: the device's Python, already told where onnxruntime
    is. `folder` is the absolute path of the one folder that is ours there.
    """

    python: tuple[str, ...]
    agent_path: str
    folder: str
    runtime_version: str


def prepare(transport: Transport, device: Device) -> Environment:
    """A device made ready: its Python found, the agent and onnxruntime in its folder.

    Cheap when all is there from before. Nothing is changed outside the device's folder.

    Raises:
        PythonUnsuitable: no CPython 3.8 or newer.
        DeviceUnusable: the folder there is somebody else's.
        RuntimeUnavailable: no onnxruntime there, and none that could be brought.
        DiskUnwritable: the disk is full, read-only or closed to this user.
        ConnectionLost, DeviceSilent: the device went away in the middle.
    """
    folder = home_folder(transport, device)
    pythons = find_pythons(transport, device)
    agent_path = bring_agent(transport, device, pythons[0], folder)
    return _Bootstrap(transport, device, folder, agent_path).environment(pythons)


def bring_agent(transport: Transport, device: Device, python: DevicePython, folder: str) -> str:
    """The path of the agent on a device, in the device's folder, which is ours alone.

    Raises:
        DeviceUnusable: the folder is somebody else's.
        DiskUnwritable, ConnectionLost, DeviceSilent: as `prepare`.
    """
    _claim(transport, device, python, folder)
    path = f"{folder}/agents/{sha256_of(AGENT_FILE)}.py"
    transport.put(AGENT_FILE, path)
    return path


def _claim(transport: Transport, device: Device, python: DevicePython, folder: str) -> None:
    """Have the folder, by the agent's own function, before anything is put in it or run from it."""
    script = f"import os, stat, sys\nos.umask(0o077)\n{inspect.getsource(claim_folder)}"
    script += (
        "try:\n    claim_folder(sys.argv[1])\nexcept OSError as exc:\n    sys.exit(str(exc))\n"
    )
    done = transport.run([python.command, "-c", script, folder], limit_s=_COMMAND_LIMIT_S)
    if done.exit_code != 0:
        raise _failure(done, device, folder) or DeviceUnusable(
            f"{device.name}: {_last_line(done, of_stderr=True)}", device=device.name
        )


def purge(transport: Transport, device: Device) -> None:
    """Delete the device's folder, and with it all that was ever put there.

    Raises:
        BadInventory: the folder is not one that lies below the home folder.
        DeviceUnusable: it could not be deleted.
    """
    folder = home_folder(transport, device)
    done = transport.run(["env", "LC_ALL=C", "rm", "-rf", "--", folder], limit_s=_COMMAND_LIMIT_S)
    if done.exit_code != 0:
        raise _failure(done, device, folder) or DeviceUnusable(
            f"{device.name}: {folder} could not be deleted: {_last_line(done)}",
            device=device.name,
        )


def home_folder(transport: Transport, device: Device) -> str:
    """The absolute path of the one folder on the device that is ours."""
    check_folder(device.folder, device.name)
    return f"{transport.home().rstrip('/')}/{device.folder.strip('/')}"


class _Bootstrap:
    def __init__(self, transport: Transport, device: Device, folder: str, agent_path: str) -> None:
        self._transport = transport
        self._device = device
        self._folder = folder
        self._agent_path = agent_path

    def environment(self, pythons: Sequence[DevicePython]) -> Environment:
        """The first that works: found there, from us before, by pip there, by wheels from here."""
        for python in pythons:
            for site in (None, self._site(python)):
                found = self._environment(python, site)
                if found is not None:
                    return found
        failures: list[str] = []
        for python in pythons:
            for install in (self._install_by_pip, self._install_by_wheels):
                try:
                    install(python)
                except NoWheel as exc:
                    failures.append(str(exc))
                    continue
                found = self._environment(python, self._site(python))
                if found is not None:
                    return found
                failures.append(
                    f"{python.command}: onnxruntime was installed but cannot be imported"
                )
        raise RuntimeUnavailable(
            f"{self._device.name}: has no onnxruntime and none could be brought to it "
            f"({'; '.join(dict.fromkeys(failures))}).\n"
            f"{pythons[0].target.way_out}",
            device=self._device.name,
        )

    def _site(self, python: DevicePython) -> str:
        return f"{self._folder}/site-{python.target.abi}"

    def _environment(self, python: DevicePython, site: str | None) -> Environment | None:
        """The environment when a recent enough onnxruntime can really be imported, else None."""
        prefix = (
            (python.command,) if site is None else ("env", f"PYTHONPATH={site}", python.command)
        )
        # Without the switch the runtime would leave a telemetry database in the user's ~/.cache.
        command = ["env", "ORT_DISABLE_TELEMETRY=1", *prefix, "-c", _VERSION]
        done = self._transport.run(command, limit_s=_IMPORT_LIMIT_S)
        line = _last_line(done)
        if done.exit_code != 0 or not line.startswith("runtime "):
            return None
        version = line.removeprefix("runtime ")
        if not _VERSION_WORD.fullmatch(version):
            return None
        if _numbers(version) < OLDEST_RUNTIME:
            logger.info("%s: onnxruntime %s is too old", self._device.name, version)
            return None
        return Environment(
            python=prefix,
            agent_path=self._agent_path,
            folder=self._folder,
            runtime_version=version,
        )

    def _install_by_pip(self, python: DevicePython) -> None:
        if not python.has_pip:
            raise NoWheel(f"{python.command} there has no pip")
        site, scratch = self._site(python), f"{self._folder}/scratch"
        logger.info("%s: installing onnxruntime by its own pip", self._device.name)
        self._must(["mkdir", "-p", "--", scratch], self._folder)
        pip = [python.command, "-m", "pip", "install", "--target", f"{site}.part", "--no-deps"]
        pip += ["--only-binary=:all:", "--no-input", "--no-cache-dir", "--retries", "0"]
        pip += ["--disable-pip-version-check", "--timeout", str(_PIP_SILENCE_S), "--upgrade"]
        command = ["env", "LC_ALL=C", f"TMPDIR={scratch}", *pip, "onnxruntime", "numpy"]
        done = self._transport.run(command, limit_s=_INSTALL_LIMIT_S)
        self._transport.run(["rm", "-rf", "--", scratch], limit_s=_COMMAND_LIMIT_S)
        if done.exit_code != 0:
            self._transport.run(["rm", "-rf", "--", f"{site}.part"], limit_s=_COMMAND_LIMIT_S)
            raise _failure(done, self._device, site) or NoWheel(
                f"pip there: {_last_line(done, of_stderr=True)}"
            )
        self._must(["rm", "-rf", "--", site], site)
        self._must(["mv", "--", f"{site}.part", site], site)

    def _install_by_wheels(self, python: DevicePython) -> None:
        wheels = fetch_wheels(python.target)
        logger.info("%s: sending %s", self._device.name, ", ".join(file.name for file in wheels))
        targets = [f"{self._folder}/wheels/{file.name}" for file in wheels]
        try:
            for file, target in zip(wheels, targets, strict=True):
                self._transport.put(file, target)
            self._must([python.command, "-c", _UNPACK, self._site(python), *targets], self._folder)
        finally:
            # Also the half-unpacked site goes: a full disk must not stay full of our remains.
            remains = [f"{self._folder}/wheels", f"{self._site(python)}.part"]
            self._transport.run(["rm", "-rf", "--", *remains], limit_s=_COMMAND_LIMIT_S)

    def _must(self, argv: Sequence[str], path: str) -> None:
        done = self._transport.run(["env", "LC_ALL=C", *argv], limit_s=_INSTALL_LIMIT_S)
        if done.exit_code != 0:
            raise _failure(done, self._device, path) or DeviceUnusable(
                f"{self._device.name}: cannot set up {path}: {_last_line(done, of_stderr=True)}",
                device=self._device.name,
            )


def _failure(done: Completed, device: Device, path: str) -> DeviceUnusable | None:
    return disk_error(done.stderr, device_name=device.name, path=path)


def _last_line(done: Completed, *, of_stderr: bool = False) -> str:
    lines = (done.stderr if of_stderr else done.stdout).strip().splitlines()
    return lines[-1].strip() if lines else f"no word, exit code {done.exit_code}"


def _numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version: (1, 31) of "1.31.0rc1"; () when there are none."""
    parts = re.match(r"[0-9]+(?:\.[0-9]+)?", version)
    return tuple(int(part) for part in parts.group().split(".")) if parts else ()
