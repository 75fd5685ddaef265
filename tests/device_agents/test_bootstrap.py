import importlib.util
import subprocess
import sys
import sysconfig
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from device_agents import bootstrap
from device_agents.bootstrap import prepare, purge
from device_agents.device_python import find_pythons
from device_agents.errors import (
    BadInventory,
    DeviceUnusable,
    DiskUnwritable,
    ProtocolError,
    PythonUnsuitable,
    RuntimeUnavailable,
)
from device_agents.inventory import Device
from device_agents.local import LocalTransport
from device_agents.ssh import open_ssh
from device_agents.transport import sha256_of
from device_agents.wheels import NoWheel, Target, fetch_wheels

TAG = f"cp{sys.version_info.major}{sys.version_info.minor}"

OLD_PYTHON = """echo 'facts {"version": "3.6.9", "implementation": "CPython"}'"""


@pytest.fixture
def index(tmp_path, monkeypatch) -> Path:
    """The only package index that pip knows here: a folder."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    return folder


def add_wheel(index: Path, package: str, version: str, source: str, tag: str = "py3-none-any"):
    info = f"{package}-{version}.dist-info"
    with zipfile.ZipFile(index / f"{package}-{version}-{tag}.whl", "w") as wheel:
        wheel.writestr(f"{package}/__init__.py", source)
        metadata = f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n"
        wheel.writestr(f"{info}/METADATA", metadata)
        wheel.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
        wheel.writestr(f"{info}/RECORD", "")


def fill(index: Path, version: str = "1.20.0") -> None:
    add_wheel(index, "numpy", "2.0.0", "")
    add_wheel(index, "onnxruntime", version, f"import numpy\n__version__ = '{version}'\n")


def make_package(folder: Path, version: str) -> Path:
    (folder / "onnxruntime").mkdir(parents=True)
    (folder / "onnxruntime" / "__init__.py").write_text(f"__version__ = '{version}'\n")
    return folder


def test_a_bare_board_gets_the_agent_and_wheels_in_one_folder(board, index):
    fill(index)
    with open_ssh(board.device) as link:
        environment = prepare(link, board.device)
        check = [*environment.python, "-c", "import onnxruntime as o; print(o.__file__)"]
        place = Path(link.run(check, limit_s=60).stdout.strip())
    assert environment.folder == f"{board.home}/.edge-nas"
    assert environment.runtime_version == "1.20.0"
    assert place == board.home / ".edge-nas" / f"site-{TAG}" / "onnxruntime" / "__init__.py"
    agent = Path(environment.agent_path)
    assert agent.name == f"{sha256_of(agent)}.py"
    assert agent.read_bytes() == bootstrap.AGENT_FILE.read_bytes()
    assert sorted(path.name for path in board.home.iterdir()) == [".edge-nas"]
    assert sorted(path.name for path in (board.home / ".edge-nas").iterdir()) == [
        "agents",
        f"site-{TAG}",
    ]


def test_a_board_that_is_ready_needs_no_wheels_and_no_pip_again(small_board, index):
    fill(index)
    with open_ssh(small_board.device) as link:
        first = prepare(link, small_board.device)
        for wheel in index.iterdir():
            wheel.unlink()
        assert prepare(link, small_board.device) == first


def test_what_is_installed_on_the_board_is_used_as_it_is(small_board, index, tmp_path):
    packages = make_package(tmp_path / "packages", "1.19.2")
    small_board.add_python("python3", packages=packages)
    with open_ssh(small_board.device) as link:
        environment = prepare(link, small_board.device)
    assert environment.python == ("python3",)
    assert environment.runtime_version == "1.19.2"
    assert not (small_board.home / ".edge-nas" / f"site-{TAG}").exists()


def test_an_onnxruntime_too_old_for_our_models_is_not_used(small_board, index, tmp_path):
    small_board.add_python("python3", packages=make_package(tmp_path / "packages", "1.10.0"))
    fill(index)
    with open_ssh(small_board.device) as link:
        assert prepare(link, small_board.device).runtime_version == "1.20.0"


def test_pip_on_the_board_is_asked_before_the_workstation(small_board, index, tmp_path):
    spec = importlib.util.find_spec("pip")
    assert spec is not None and spec.origin is not None
    packages = tmp_path / "packages"
    packages.mkdir()
    (packages / "pip").symlink_to(Path(spec.origin).parent)
    small_board.add_python("python3", packages=packages)
    fill(index, "1.21.0")
    program = small_board.tools / "python3"
    settings = f"export PIP_NO_INDEX=1 PIP_FIND_LINKS={index}"
    small_board.add_program("python3", f"{settings}\n{program.read_text()}")
    with open_ssh(small_board.device) as link:
        environment = prepare(link, small_board.device)
    assert environment.runtime_version == "1.21.0"
    folder = small_board.home / ".edge-nas"
    assert sorted(path.name for path in folder.iterdir()) == ["agents", f"site-{TAG}"]


def test_a_half_made_environment_is_made_anew(small_board, index):
    fill(index)
    site = small_board.home / ".edge-nas" / f"site-{TAG}"
    (site / "onnxruntime").mkdir(parents=True)
    (site / "onnxruntime" / "__init__.py").write_text("import what_is_missing\n")
    with open_ssh(small_board.device) as link:
        assert prepare(link, small_board.device).runtime_version == "1.20.0"


def test_no_wheel_for_the_board_is_one_clear_error(small_board, index):
    with open_ssh(small_board.device) as link:
        with pytest.raises(RuntimeUnavailable) as caught:
            prepare(link, small_board.device)
    text = str(caught.value)
    assert "python3 there has no pip" in text
    assert f"no onnxruntime for Python {sys.version_info.major}.{sys.version_info.minor}" in text
    assert "Install onnxruntime on the device" in text
    assert len(text.splitlines()) == 2


def test_a_wheel_that_would_unpack_elsewhere_is_refused(small_board, index):
    fill(index)
    with zipfile.ZipFile(index / "numpy-2.0.0-py3-none-any.whl", "a") as wheel:
        wheel.writestr("../../../escaped.py", "boo")
    with open_ssh(small_board.device) as link:
        with pytest.raises(DeviceUnusable, match="escaped.py would be unpacked outside"):
            prepare(link, small_board.device)
    assert list(small_board.folder.rglob("escaped.py")) == []
    folder = small_board.home / ".edge-nas"
    assert [path.name for path in folder.iterdir()] == ["agents"]


def test_a_board_without_python_and_one_with_an_old_one_are_told(small_board):
    (small_board.tools / "python3").unlink()
    with open_ssh(small_board.device) as link:
        with pytest.raises(PythonUnsuitable, match=r"no CPython 3.8 or newer \(no Python at all\)"):
            prepare(link, small_board.device)
        small_board.add_program("python3", OLD_PYTHON)
        with pytest.raises(PythonUnsuitable, match=r"\(python3 is CPython 3.6.9\)") as caught:
            prepare(link, small_board.device)
    assert "apt-get install python3.8" in str(caught.value)


def test_a_newer_python_beside_an_old_one_is_found(small_board, index):
    fill(index)
    small_board.add_program("python3", OLD_PYTHON)
    name = f"python3.{sys.version_info.minor}"
    small_board.add_python(name)
    with open_ssh(small_board.device) as link:
        assert prepare(link, small_board.device).python[-1] == name


def test_a_python_that_says_impossible_things_is_not_believed(small_board):
    facts = '{"version": "3.9.1", "implementation": "CPython", "abi": "../.."}'
    small_board.add_program("python3", f"echo 'facts {facts}'")
    with open_ssh(small_board.device) as link:
        with pytest.raises(ProtocolError, match=r"abi = '\.\./\.\.', which cannot be"):
            prepare(link, small_board.device)


def test_a_disk_that_fills_up_while_unpacking_is_told_and_cleared(small_board, index):
    fill(index)
    real = f'exec {sys.executable} -S "$@"'
    says = 'echo "OSError: [Errno 28] No space left on device" >&2; exit 1'
    full = f'for word; do case "$word" in *zipfile*) {says};; esac; done'
    small_board.add_program("python3", f"{full}\n{real}")
    with open_ssh(small_board.device) as link:
        with pytest.raises(DiskUnwritable, match="its disk is full. Free some space there"):
            prepare(link, small_board.device)
    assert [path.name for path in (small_board.home / ".edge-nas").iterdir()] == ["agents"]


def test_purge_deletes_the_folder_and_nothing_else(board, index):
    fill(index)
    (board.home / "mine").touch()
    with open_ssh(board.device) as link:
        prepare(link, board.device)
        purge(link, board.device)
        purge(link, board.device)
    assert [path.name for path in board.home.iterdir()] == ["mine"]


@pytest.mark.parametrize("folder", ["", ".", "/", "..", "a/..", "../x", "~", "./", "/etc"])
def test_purge_refuses_a_folder_that_is_not_below_home(folder, tmp_path):
    device = Device(name="local")
    object.__setattr__(device, "folder", folder)  # past the check that a device makes of itself
    with pytest.raises(BadInventory, match="must lie below the home folder"):
        purge(LocalTransport(), device)


def test_this_machine_needs_nothing_but_the_agent(lonely_home):
    device = Device(name="local")
    environment = prepare(LocalTransport(), device)
    assert environment.python == (sys.executable,)
    assert Path(environment.agent_path).parent == lonely_home / ".edge-nas" / "agents"


@pytest.mark.parametrize(
    ("machine", "bits", "libc", "first"),
    [
        ("x86_64", 64, "glibc 2.36", "manylinux_2_36_x86_64"),
        ("aarch64", 64, "glibc 2.31", "manylinux_2_31_aarch64"),
        ("aarch64", 32, "glibc 2.31", "manylinux_2_31_armv7l"),
    ],
)
def test_the_platform_tags_are_those_of_the_programs(machine, bits, libc, first):
    target = Target(python_version="3.11", abi="cp311", machine=machine, bits=bits, libc=libc)
    tags = target.platforms()
    assert tags[0] == first
    architecture = first.split("_", 3)[-1]
    assert f"manylinux_2_17_{architecture}" in tags and f"manylinux2014_{architecture}" in tags


def test_a_board_without_the_gnu_c_library_is_told_that_there_are_no_wheels():
    target = Target(python_version="3.11", abi="cp311", machine="x86_64", bits=64, libc="")
    with pytest.raises(NoWheel, match="a C library other than GNU's"):
        target.platforms()


def test_wheels_are_chosen_for_the_board_and_kept(index, tmp_path):
    target = Target(python_version="3.9", abi="cp39", machine="aarch64", bits=64, libc="glibc 2.31")
    for package in ("numpy", "onnxruntime"):
        for tag in (
            "cp39-cp39-manylinux_2_28_aarch64",
            "cp39-cp39-manylinux_2_34_aarch64",
            "cp39-cp39-manylinux_2_28_x86_64",
            "cp310-cp310-manylinux_2_28_aarch64",
        ):
            add_wheel(index, package, "1.19.2", "", tag)
    wheels = fetch_wheels(target, tmp_path / "cache")
    assert [wheel.name for wheel in wheels] == [
        "numpy-1.19.2-cp39-cp39-manylinux_2_28_aarch64.whl",
        "onnxruntime-1.19.2-cp39-cp39-manylinux_2_28_aarch64.whl",
    ]
    for wheel in index.iterdir():
        wheel.unlink()
    assert fetch_wheels(target, tmp_path / "cache") == wheels
    wheels[0].write_bytes(b"")
    with pytest.raises(NoWheel, match="is not as it was left; delete it"):
        fetch_wheels(target, tmp_path / "cache")
    with pytest.raises(NoWheel, match=r"no onnxruntime for Python 3.8 \(cp38\) on aarch64"):
        fetch_wheels(replace(target, python_version="3.8", abi="cp38"), tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_the_probe_tells_what_this_python_tells_of_itself(small_board):
    with open_ssh(small_board.device) as link:
        (python,) = find_pythons(link, small_board.device)
    assert python.command == "python3"
    assert python.target.abi == TAG
    assert sysconfig.get_platform().endswith(python.target.machine)
    assert not python.has_pip


def test_the_agent_and_the_probe_need_no_package(tmp_path):
    done = subprocess.run(
        [sys.executable, "-I", "-S", bootstrap.AGENT_FILE, "--help"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
