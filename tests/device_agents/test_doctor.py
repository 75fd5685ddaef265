import inspect
import json
import socket
import sys
from dataclasses import replace

import onnxruntime
import pytest

from device_agents import ssh_login
from device_agents.check import Check
from device_agents.doctor import LIMITS_S, STEP_LIMIT_S, WHOLE_LIMIT_S, examine
from device_agents.errors import DeviceLeased
from device_agents.inventory import Device
from device_agents.lease import this_host
from device_agents.session import open_session
from device_agents.ssh import fetch_host_key, trust
from nas.cli.devices import doctor

NETWORK = ["name", "port", "host key", "login"]
REST = [
    "python",
    "disk",
    "memory",
    "clock",
    "onnxruntime",
    "governor",
    "temperature",
    "throttling",
    "energy",
    "load",
    "lock",
    "test inference",
]


def by_name(checks: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


@pytest.fixture
def able_board(board):
    """A board whose Python has onnxruntime: this machine's own packages."""
    board.add_program("python3", f'exec {sys.executable} "$@"')
    return board


def test_a_healthy_board_passes_every_check(able_board):
    checks = examine(able_board.device)
    assert [check.name for check in checks] == NETWORK + REST
    assert [check for check in checks if check.ok is False] == []
    found = by_name(checks)
    assert found["host key"].detail.startswith("ssh-ed25519 SHA256:")
    assert found["test inference"].detail == "works, by CPUExecutionProvider with 1 threads"
    version = found["onnxruntime"].detail.split(",")[0]
    assert version == onnxruntime.__version__
    assert found["onnxruntime"].detail.endswith(
        "installed on the device, runs by CPUExecutionProvider"
    )
    assert found["lock"].detail == "nobody measures there"
    assert found["disk"].ok and found["memory"].ok and found["clock"].ok


def test_a_raspberry_pi_tells_that_it_was_throttled_and_has_a_meter(able_board):
    able_board.add_program(
        "vcgencmd",
        'case "$1" in get_throttled) echo throttled=0x50000 ;; '
        "*) printf 'A_A current(0)=0.5A\\n A_V volt(1)=5.0V\\n' ;; esac",
    )
    found = by_name(examine(able_board.device))
    assert found["throttling"].ok
    assert found["throttling"].detail == "none now; since its start: under-voltage, throttled"
    assert found["energy"].detail == "measured by pmic"
    assert found["test inference"].ok


def test_this_machine_is_examined_without_a_network():
    checks = examine(Device(name="local"))
    assert [check.name for check in checks] == REST
    assert by_name(checks)["test inference"].ok


def test_what_needs_a_failed_check_is_skipped_with_a_word(small_board):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        device = replace(small_board.device, port=sock.getsockname()[1])
        checks = examine(device)
    found = by_name(checks)
    assert found["name"].ok
    assert found["port"].ok is False
    assert "Connection refused" in found["port"].detail
    assert found["port"].cure == "Check power, network and address"
    skipped = checks[2:]
    assert {check.ok for check in skipped} == {None}
    assert {check.detail for check in skipped} == {"not looked at, because of: port"}


def test_a_name_that_does_not_exist_is_the_first_thing_said(small_board):
    first, *rest = examine(replace(small_board.device, host="board.invalid"))
    assert (first.name, first.ok) == ("name", False)
    assert "board.invalid cannot be resolved" in first.detail
    assert first.cure.startswith("Check the host in devices.toml")
    assert {check.ok for check in rest} == {None}


def test_an_untrusted_key_says_how_to_trust_it(small_board):
    small_board.known_hosts.unlink()
    check = by_name(examine(small_board.device))["host key"]
    assert check.ok is False
    assert "is unknown, it is ssh-ed25519 SHA256:" in check.detail
    assert check.cure.endswith("nas devices trust board")


def test_a_board_that_hangs_is_told_in_time(small_board, monkeypatch):
    monkeypatch.setattr(ssh_login, "HANDSHAKE_LIMIT_S", 1.2)
    with socket.create_server(("127.0.0.1", 0)) as frozen:
        device = replace(small_board.device, port=frozen.getsockname()[1])
        found = by_name(examine(device))
    assert found["port"].ok
    assert found["host key"].ok is False
    assert "says nothing" in found["host key"].detail


def test_a_key_that_is_refused_fails_the_login(small_board, tmp_path):
    device = replace(small_board.device, key_file=str(tmp_path / "missing"))
    check = by_name(examine(device))["login"]
    assert check.ok is False
    assert "missing is not there" in check.detail


def test_a_board_without_python_fails_there(small_board):
    (small_board.tools / "python3").unlink()
    found = by_name(examine(small_board.device))
    assert found["login"].ok
    assert found["python"].ok is False
    assert "apt-get install python3" in found["python"].cure
    assert found["disk"].ok is None


def test_while_another_host_measures_no_model_runs_and_the_lease_stays_its_own(able_board):
    with open_session(able_board.device, wait_s=0) as session:
        found = by_name(examine(able_board.device))
        session.greet()
        with pytest.raises(DeviceLeased), open_session(able_board.device, wait_s=0):
            pass
    assert [check for check in found.values() if check.ok is False] == []
    assert found["onnxruntime"].ok
    assert found["lock"].detail.startswith(f"in use by {this_host()}, for ")
    assert found["lock"].cure
    assert found["test inference"].ok is None
    assert found["test inference"].detail == f"left out, so as not to disturb {this_host()}"
    assert by_name(examine(able_board.device))["test inference"].ok


def test_a_provider_that_the_runtime_lacks_is_told_with_those_it_has(able_board):
    device = replace(able_board.device, provider="QNNExecutionProvider")
    found = by_name(examine(device))
    assert found["onnxruntime"].ok is False
    assert "no provider QNNExecutionProvider in this onnxruntime" in found["onnxruntime"].detail
    assert "CPUExecutionProvider" in found["onnxruntime"].detail
    assert found["onnxruntime"].cure.endswith("nas devices add board --provider")
    assert found["load"].ok and found["lock"].ok
    assert found["test inference"].ok is None


@pytest.mark.parametrize(
    ("bits", "libc", "reason", "cure"),
    [
        (32, "glibc 2.31", "on armv7l with glibc 2.31", "Put a 64-bit system on the device"),
        (64, "", "a C library other than GNU's", "apk add py3-onnxruntime"),
        (64, "glibc 2.31", "no onnxruntime for Python 3.8 (cp38)", "or a newer Python"),
    ],
)
def test_a_board_for_which_there_is_no_wheel_has_a_way_out(
    able_board, monkeypatch, bits, libc, reason, cure
):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    facts = {"version": "3.8.10", "implementation": "CPython", "abi": "cp38"}
    text = json.dumps({**facts, "machine": "aarch64", "bits": bits, "libc": libc})
    able_board.add_program(
        "python3",
        f"case \"$2\" in *has_pip*) echo 'facts {text}';; *'import onnxruntime'*) exit 1;;\n"
        f'*) exec {sys.executable} "$@";; esac',
    )
    found = by_name(examine(able_board.device))
    assert found["onnxruntime"].ok is False
    assert reason in found["onnxruntime"].detail
    assert cure in found["onnxruntime"].cure
    assert found["lock"].ok
    assert found["test inference"].detail == "not looked at, because of: onnxruntime"


def test_a_check_that_takes_too_long_is_ended_and_told(small_board):
    small_board.add_program("python3", "sleep 600")
    found = by_name(examine(small_board.device, whole_limit_s=3))
    assert found["login"].ok
    assert found["python"].ok is False
    assert found["python"].detail in ("not done within 2 s", "not done within 3 s")
    assert found["python"].cure.startswith("The device hangs, or the way to it is slow")
    assert found["disk"].detail == "not looked at, because of: python"


def test_the_help_names_the_limits():
    text = " ".join(inspect.getdoc(doctor).split())
    assert f"A check ends within {STEP_LIMIT_S:g} s" in text
    for name, limit_s in LIMITS_S.items():
        assert f"{name} within {limit_s:g} s" in text
    assert f"all of a device within {WHOLE_LIMIT_S:g} s" in text


def test_a_full_disk_fails_there(small_board):
    small_board.add_program("dd", "echo 'dd: No space left on device' >&2; exit 1")
    check = by_name(examine(small_board.device))["disk"]
    assert check.ok is False
    assert check.detail == f"cannot write {small_board.home}/.edge-nas: its disk is full"
    assert check.cure == "Free some space there, then try again"


def test_a_board_behind_a_jump_host_is_examined_through_it(able_board, start_board, lonely_home):
    jump = start_board("asyncssh")
    (lonely_home / ".ssh").mkdir()
    (lonely_home / ".ssh" / "config").write_text(
        f"Host behind\n HostName 127.0.0.1\n Port {able_board.device.port}\n ProxyJump between\n"
        f"Host between\n HostName 127.0.0.1\n Port {jump.device.port}\n"
        f" IdentityFile {jump.device.key_file}\n"
    )
    device = replace(able_board.device, host="behind", port=None)
    assert by_name(examine(device))["host key"].ok is False
    trust(device, fetch_host_key(device))
    assert by_name(examine(device))["test inference"].ok
