"""Wheels of onnxruntime for another machine, fetched by the workstation's own pip."""

import importlib.metadata
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from device_agents.errors import DeviceError

# What `import onnxruntime` and one inference need; its other requirements serve its tools.
PACKAGES = ("onnxruntime", "numpy")
_OLDEST_GLIBC_MINOR = 17  # manylinux2014
_DOWNLOAD_LIMIT_S = 600.0

# A 64-bit kernel may carry a 32-bit system, as on many a Raspberry Pi.
_MACHINES_32 = {"aarch64": "armv7l", "x86_64": "i686"}


class NoWheel(DeviceError):
    """No wheels for this target could be had; caught by the bootstrap, which has other ways."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a wheel must fit: abi "cp311", machine as uname says it, libc "glibc 2.36"."""

    python_version: str
    abi: str
    machine: str
    bits: int
    libc: str

    @property
    def architecture(self) -> str:
        """The architecture of the programs, which is not always that of the kernel."""
        return self.machine if self.bits == 64 else _MACHINES_32.get(self.machine, self.machine)

    def platforms(self) -> list[str]:
        """The platform tags that it can take, the newest first.

        Raises:
            NoWheel: it has no GNU C library, and no wheels are made for others.
        """
        name, _, version = self.libc.partition(" ")
        numbers = version.split(".")
        if name != "glibc" or len(numbers) < 2 or numbers[0] != "2" or not numbers[1].isdigit():
            raise NoWheel(f"no wheels are made for {self}")
        newest = int(numbers[1])
        tags = [f"manylinux_2_{minor}" for minor in range(newest, _OLDEST_GLIBC_MINOR - 1, -1)]
        tags += ["manylinux2014"] if newest >= _OLDEST_GLIBC_MINOR else []
        return [f"{tag}_{self.architecture}" for tag in [*tags, "linux"]]

    @property
    def way_out(self) -> str:
        """What to do about it where there are no wheels for this target."""
        if not self.libc.startswith("glibc"):
            return "Install its system's own package (Alpine: apk add py3-onnxruntime), or Debian"
        if self.bits != 64:
            return "Put a 64-bit system on the device, or build onnxruntime there"
        return "Install onnxruntime on the device, or a newer Python beside its own"

    def __str__(self) -> str:
        libc = self.libc or "a C library other than GNU's"
        return f"Python {self.python_version} ({self.abi}) on {self.architecture} with {libc}"


def fetch_wheels(target: Target, cache: Path | None = None) -> list[Path]:
    """One wheel for each of PACKAGES that fits the target, kept for the next device like it.

    The version of onnxruntime is the workstation's own where there is such a wheel, so that
    devices set up at different times can be compared; else the newest for that Python.

    Args:
        target: what the wheels must fit.
        cache: the folder to keep them in; one for all in the user's cache folder when None.

    Raises:
        NoWheel: no index has such wheels, or none can be reached.
    """
    version = importlib.metadata.version("onnxruntime")
    label = f"{target.abi}-{target.architecture}-{target.libc.replace(' ', '-')}-{version}"
    folder = (cache or _cache()) / label
    if not folder.is_dir():
        _fill(folder, target, version)
    wheels = sorted(folder.glob("*.whl"))
    if len(wheels) != len(PACKAGES) or not all(zipfile.is_zipfile(wheel) for wheel in wheels):
        raise NoWheel(f"{folder} is not as it was left; delete it")
    return wheels


def _fill(folder: Path, target: Target, version: str) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=folder.parent))
    try:
        others = list(PACKAGES[1:])
        if _download(draft, target, [f"onnxruntime=={version}", *others]):
            shutil.rmtree(draft)
            reason = _download(draft, target, list(PACKAGES))
            if reason:
                raise NoWheel(f"no onnxruntime for {target}: {reason}")
        if not folder.exists():
            draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _download(folder: Path, target: Target, requirements: list[str]) -> str:
    """Fetch into a folder; empty when all came, else why not."""
    pip = [sys.executable, "-m", "pip", "download", "--dest", str(folder), "--no-deps"]
    pip += ["--only-binary=:all:", "--no-input", "--disable-pip-version-check", "--retries", "1"]
    pip += ["--implementation", "cp", "--python-version", target.python_version]
    pip += ["--abi", target.abi, "--abi", "abi3", "--abi", "none"]
    for platform in target.platforms():
        pip += ["--platform", platform]
    try:
        done = subprocess.run(
            [*pip, *requirements], capture_output=True, text=True, timeout=_DOWNLOAD_LIMIT_S
        )
    except subprocess.TimeoutExpired:
        return f"pip on this workstation did not end within {_DOWNLOAD_LIMIT_S:g} s"
    if done.returncode == 0:
        return ""
    if "No module named pip" in done.stderr:
        return f"{sys.executable} has no pip to fetch it with"
    if "Retrying" in done.stderr:
        return "this workstation cannot reach a package index"
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    return lines[-1].removeprefix("ERROR: ") if lines else "pip gave no reason"


def _cache() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "edge-nas" / "wheels"
