"""Passwords and passphrases are in nothing that is printed, written or stored."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import asyncssh
import onnxruntime
import pytest
from sqlalchemy import create_engine, inspect, text

from latency_lut import driver_url
from tests.end_to_end.desk import ON_LOCAL, ROOT, SPACE, search_command
from tests.postgresql_server import postgresql_server
from tests.ssh_board import running_boards, small_board, start_board

__all__ = ["running_boards", "small_board", "start_board"]  # fixtures

SECRET = "Xyzzy5ecretPlugh"
COMMANDS = (
    ("front", "tiny"),
    ("report", "tiny"),
    ("verify", "tiny"),
    ("lut", "coverage", *ON_LOCAL),
    ("dashboard", "--port", "1"),
    search_command("tiny", trials=1),
)


def said_by(desk, *arguments):
    """All that a command prints, once without and once with its traceback."""
    said = ""
    for debug in ((), ("--debug",)):
        ran = desk.nas(*arguments, *debug)
        said += ran.out + ran.err
    return said


def files_with_secret(folder):
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and SECRET.encode() in path.read_bytes()
    ]


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://me:{SECRET}@127.0.0.1:1/nas",
        f"postgresql://127.0.0.1:1/nas?user=me&password={SECRET}",
        f"postgresql://me:{SECRET}@no-such-host.invalid/nas",
        f"postgresql://me:pass@{SECRET}@127.0.0.1:1/nas",
        f"postgresql://me:p/{SECRET}@127.0.0.1:1/nas",
        f"postgresql://me:{SECRET}@127.0.0.1:port/nas",
        f"postgresql://me:{SECRET}/nas",
        f"postgresql:/me:{SECRET}@127.0.0.1:1/nas",
        f"postgres://me:{SECRET}@127.0.0.1:1/nas",
        f"mysql://me:{SECRET}@127.0.0.1:1/nas",
    ],
)
def test_a_storage_out_of_reach_or_misspelt_keeps_its_password(empty_desk, url):
    for command in COMMANDS:
        said = said_by(empty_desk, *command, "--storage", url)
        assert "nas: " in said
        assert "unexpected" not in said
        assert SECRET not in said
    assert files_with_secret(empty_desk.folder) == []


def test_a_wrong_password_is_not_told(empty_desk):
    with postgresql_server("another") as url:
        url = url.replace("another", SECRET)
        for command in COMMANDS:
            said = said_by(empty_desk, *command, "--storage", url)
            assert "password authentication failed" in said
            assert SECRET not in said
    assert files_with_secret(empty_desk.folder) == []


def test_a_password_that_is_right_stays_in_no_table_and_no_file(profiled, empty_desk, tmp_path):
    lut = tmp_path / "lut.parquet"
    profiled.ok("lut", "export", "--device", "local", str(lut))
    shutil.copytree(profiled.supernets.parent, empty_desk.supernets.parent, dirs_exist_ok=True)
    with postgresql_server(SECRET) as url:
        storage = ("--storage", url)
        said = said_by(empty_desk, "lut", "import", "--device", "local", str(lut), *storage)
        said += said_by(empty_desk, *search_command("kept", trials=2), *storage)
        for command in (
            ("front", "kept", "--csv", "front.csv"),
            ("verify", "kept"),
            ("report", "kept"),
            ("lut", "show", *ON_LOCAL),
            ("lut", "export", "--device", "local", "again.parquet"),
            ("front", "kpet"),
        ):
            said += said_by(empty_desk, *command, *storage)
        assert "did you mean 'kept'?" in said
        row = empty_desk.ok("front", "kept", "--json", *storage).json[0]
        (empty_desk.folder / "arch.json").write_text(json.dumps(row["arch"]))
        network = ("--arch", "arch.json", "--output", "net.onnx", "--study", "kept")
        exported = empty_desk.ok("export", *SPACE[:2], *network, *storage)
        said += exported.out + exported.err
        assert (empty_desk.folder / "net.onnx").is_file()
        assert SECRET not in said
        assert SECRET not in all_rows(url)
    assert (empty_desk.folder / "results" / "kept" / "report.html").is_file()
    assert files_with_secret(empty_desk.folder) == []


def all_rows(url):
    engine = create_engine(driver_url(url))
    with engine.connect() as connection:
        rows = [
            str(tuple(row))
            for table in inspect(engine).get_table_names()
            for row in connection.execute(text(f'SELECT * FROM "{table}"'))
        ]
    engine.dispose()
    assert len(rows) > 20
    return "\n".join(rows)


@contextmanager
def ssh_agent(folder):
    """A real one, as the variables that lead to it."""
    if not shutil.which("ssh-agent"):
        pytest.skip("no ssh-agent is installed")
    socket = folder / "agent"
    process = subprocess.Popen(["ssh-agent", "-D", "-a", str(socket)], stdout=subprocess.DEVNULL)
    while not socket.exists():
        assert process.poll() is None
    try:
        yield {"SSH_AUTH_SOCK": str(socket)}
    finally:
        process.terminate()
        process.wait()


def add_key(key, variables, folder):
    """By `ssh-add`, which asks for the passphrase."""
    ask = folder / "ask"
    ask.write_text(f"#!/bin/sh\necho {SECRET}\n")
    ask.chmod(0o700)
    asking = {"SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force", "DISPLAY": ":0"}
    subprocess.run(
        ["ssh-add", str(key)],
        env={**os.environ, **variables, **asking},
        stdin=subprocess.DEVNULL,
        check=True,
        capture_output=True,
    )


def test_a_key_with_a_passphrase_is_used_through_the_agent_alone(
    empty_desk, small_board, tmp_path, tmp_path_factory
):
    small_board.add_python("python3", packages=Path(onnxruntime.__file__).parents[1])
    keys = tmp_path / "keys"
    keys.mkdir()
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(keys / "locked", passphrase=SECRET)
    key.write_public_key(keys / "locked.pub")
    (keys / "locked").chmod(0o600)
    allowed = small_board.folder / "authorized_keys"
    allowed.write_text(allowed.read_text() + (keys / "locked.pub").read_text())
    private = (keys / "locked").read_text().splitlines()[2]
    device = small_board.device

    def nas(*arguments, **variables):
        done = subprocess.run(
            [sys.executable, "-m", "nas", *arguments, "--debug"],
            cwd=empty_desk.folder,
            env={**os.environ, "HOME": str(tmp_path), "PYTHONPATH": str(ROOT), **variables},
            capture_output=True,
            text=True,
        )
        assert SECRET not in done.stdout + done.stderr
        assert private not in done.stdout + done.stderr
        return done

    address = ("--host", device.host, "--port", str(device.port))
    paths = ("--key", str(keys / "locked"), "--known-hosts", device.known_hosts_file)
    assert nas("devices", "add", "board", *address, *paths).returncode == 0
    locked = nas("devices", "doctor", "board", SSH_AUTH_SOCK="")
    assert locked.returncode == 4
    assert "needs its passphrase: ssh-add" in locked.stdout + locked.stderr
    with ssh_agent(tmp_path) as variables:
        add_key(keys / "locked", variables, tmp_path)
        (tmp_path / "ask").unlink()
        assert nas("devices", "doctor", "board", **variables).returncode == 0
    for folder in (empty_desk.folder, small_board.home, tmp_path):
        assert files_with_secret(folder) == []
    said = (empty_desk.folder / "devices.toml").read_text()
    assert private not in said
