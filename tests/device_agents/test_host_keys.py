import base64
import shutil
import subprocess
from dataclasses import replace

import asyncssh
import pytest

from device_agents.errors import BadInventory, HostKeyChanged, HostKeyUnknown
from device_agents.host_keys import HostKey, KnownHosts, write_trusted
from device_agents.ssh import fetch_host_key, host_key_verdict, open_ssh, trust


def new_key(host_name: str, algorithm: str = "ssh-ed25519") -> HostKey:
    public = asyncssh.generate_private_key(algorithm).convert_to_public()
    return HostKey(host_name=host_name, algorithm=algorithm, blob=public.public_data)


def line(names: str, key: HostKey) -> str:
    return f"{names} {key.algorithm} {base64.b64encode(key.blob).decode()}\n"


def test_the_fingerprint_is_the_one_of_other_tools():
    private = asyncssh.generate_private_key("ssh-ed25519")
    key = HostKey(host_name="a", algorithm="ssh-ed25519", blob=private.public_data)
    assert key.fingerprint == private.get_fingerprint()


def test_an_unknown_key_is_refused_with_fingerprint_and_command_then_trusted(board):
    board.known_hosts.unlink()
    with pytest.raises(HostKeyUnknown) as caught:
        open_ssh(board.device)
    key = fetch_host_key(board.device)
    assert caught.value.fingerprint == key.fingerprint
    assert key.fingerprint in str(caught.value)
    assert str(caught.value).endswith("nas devices trust board")
    assert host_key_verdict(board.device, key) == "unknown"
    assert trust(board.device, key) == board.known_hosts
    assert host_key_verdict(board.device, key) == "trusted"
    open_ssh(board.device).close()


@pytest.mark.parametrize("algorithm", ["ssh-ed25519", "ecdsa-sha2-nistp256"])
def test_a_changed_host_key_is_refused_with_its_fingerprint(board, algorithm):
    name = f"[127.0.0.1]:{board.device.port}"
    board.known_hosts.write_text(line(name, new_key(name, algorithm)))
    with pytest.raises(HostKeyChanged, match="has CHANGED, it is now ssh-ed25519 SHA256:"):
        open_ssh(board.device)
    key = fetch_host_key(board.device)
    assert host_key_verdict(board.device, key) == "changed"
    trust(board.device, key)
    open_ssh(board.device).close()
    assert len(board.known_hosts.read_text().splitlines()) == 1


def test_the_default_file_is_the_users_own(small_board, lonely_home):
    device = replace(small_board.device, known_hosts_file=None)
    path = trust(device, fetch_host_key(device))
    assert path == lonely_home / ".ssh" / "known_hosts"
    assert path.stat().st_mode & 0o777 == 0o600
    open_ssh(device).close()


def test_trusting_changes_no_line_of_another_host(tmp_path):
    path = tmp_path / "known_hosts"
    other, old, new = new_key("other"), new_key("board"), new_key("board")
    rest = "# ours\n" + line("other", other) + line("*.example", other) + "@revoked x y z\n"
    path.write_text(rest + line("board", old) + line("alias,board,10.0.0.1", old))
    write_trusted(new, path)
    assert path.read_text() == rest + line("alias,10.0.0.1", old) + line("board", new)


def test_every_way_to_write_a_host_is_understood(tmp_path):
    path = tmp_path / "known_hosts"
    key = new_key("pi.example")
    for names, expected in {
        "pi.example": "trusted",
        "PI.example": "trusted",
        "a,pi.example": "trusted",
        "*.example": "trusted",
        "p?.example": "trusted",
        "*.example,!pi.example": "unknown",
        "example": "unknown",
        "[pi.example]:22": "unknown",
        "[pi].example": "unknown",
        "@cert-authority *.example": "unknown",
        "@revoked pi.example": "changed",
    }.items():
        path.write_text("\n# a comment\nbroken\nx ssh-ed25519 ???\n" + line(names, key))
        assert KnownHosts([path]).verdict(key) == expected, names


@pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="ssh-keygen is not installed here")
def test_hashed_names_are_understood_and_replaced(tmp_path):
    path = tmp_path / "known_hosts"
    key = new_key("[pi.example]:2222")
    path.write_text(line("[pi.example]:2222", key))
    subprocess.run(["ssh-keygen", "-H", "-f", path], check=True, capture_output=True)
    assert "pi.example" not in path.read_text()
    assert KnownHosts([path]).verdict(key) == "trusted"
    write_trusted(new_key("[pi.example]:2222"), path)
    assert KnownHosts([path]).verdict(key) == "changed"
    assert len(path.read_text().splitlines()) == 1


def test_a_file_that_cannot_be_read_or_written_is_told(tmp_path):
    key = new_key("a")
    with pytest.raises(BadInventory, match="cannot be read"):
        KnownHosts([tmp_path]).verdict(key)
    (tmp_path / "file").touch()
    with pytest.raises(BadInventory, match=r"file/known_hosts: cannot be"):
        write_trusted(key, tmp_path / "file" / "known_hosts")
