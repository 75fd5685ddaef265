import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest

from device_agents import ssh_login, transport
from device_agents.errors import (
    ConnectionLost,
    DeviceSilent,
    DeviceUnreachable,
    DiskUnwritable,
    HostKeyUnknown,
    LoginRefused,
    ProtocolError,
)
from device_agents.inventory import Device
from device_agents.ssh import SshTransport, fetch_host_key, host_key_verdict, open_ssh, trust


@pytest.fixture
def link(board) -> Iterator[SshTransport]:
    with open_ssh(board.device) as opened:
        yield opened


def test_arguments_reach_the_command_unchanged(link):
    argv = ["printf", "%s|", "a b", "$HOME", "'\"", "*", "é;rm", ""]
    done = link.run(argv, limit_s=20)
    assert done.stdout == "a b|$HOME|'\"|*|é;rm||"
    assert done.exit_code == 0


def test_exit_code_and_both_streams_come_back(link):
    done = link.run(["sh", "-c", "echo out; echo err >&2; exit 3"], limit_s=20)
    assert (done.exit_code, done.stdout, done.stderr) == (3, "out\n", "err\n")


def test_a_command_killed_by_a_signal_has_a_negative_or_shell_exit_code(link):
    done = link.run(["sh", "-c", "kill -9 $$"], limit_s=20)
    assert done.exit_code == -1 or done.exit_code == 128 + 9


def test_streams_larger_than_any_window_are_drained_and_capped(link):
    script = "head -c 5000000 /dev/zero; head -c 5000000 /dev/zero >&2"
    done = link.run(["sh", "-c", script], limit_s=60)
    assert done.exit_code == 0
    assert len(done.stdout) == len(done.stderr) == transport.OUTPUT_CAP_BYTES


def test_a_command_that_never_ends_is_given_up_and_the_connection_goes_on(link):
    with pytest.raises(DeviceSilent, match=r"sleep did not end within 0.2 s"):
        link.run(["sleep", "60"], limit_s=0.2)
    assert link.run(["echo", "still here"], limit_s=20).stdout == "still here\n"


def test_home_is_the_boards_own(link, board):
    assert Path(link.home()) == board.home


def test_a_process_answers_line_by_line(link):
    stream = link.start(["cat"])
    stream.send_line('{"id": 1}')
    assert stream.read_line(limit_s=20) == '{"id": 1}'
    stream.send_line("ä" * 300_000)
    assert stream.read_line(limit_s=20) == "ä" * 300_000
    stream.close()
    stream.close()


def test_a_process_without_an_answer_is_silent_not_lost(link):
    stream = link.start(["sleep", "60"])
    with pytest.raises(DeviceSilent, match=r"board: no answer within 0.1 s.*doctor board"):
        stream.read_line(limit_s=0.1)
    stream.close()


def test_the_last_words_of_a_process_that_died_are_told(link):
    stream = link.start(["sh", "-c", "echo first; echo 'out of luck' >&2; exit 9"])
    assert stream.read_line(limit_s=20) == "first"
    with pytest.raises(ConnectionLost, match="the agent ended .out of luck."):
        stream.read_line(limit_s=20)


def test_a_line_without_an_end_is_a_protocol_error(link, monkeypatch):
    monkeypatch.setattr(transport, "MAX_LINE_BYTES", 2**20)
    stream = link.start(["cat", "/dev/zero"])
    with pytest.raises(ProtocolError, match="a line longer than 1 MiB"):
        stream.read_line(limit_s=20)
    stream.close()


def test_a_file_arrives_whole_below_folders_that_were_not_there(link, board, tmp_path):
    source = tmp_path / "model.onnx"
    source.write_bytes(bytes(range(256)) * 5000)
    link.put(source, f"{board.home}/.edge-nas/models/a b's.onnx")
    arrived = board.home / ".edge-nas" / "models" / "a b's.onnx"
    assert arrived.read_bytes() == source.read_bytes()
    assert list(arrived.parent.iterdir()) == [arrived]


def test_a_file_that_is_there_already_is_not_sent_again(link, board, tmp_path):
    source = tmp_path / "file"
    source.write_text("same")
    link.put(source, "there")
    before = (board.home / "there").stat().st_ino
    link.put(source, "there")
    assert (board.home / "there").stat().st_ino == before
    source.write_text("other")
    link.put(source, "there")
    assert (board.home / "there").read_text() == "other"


def test_a_board_without_sha256sum_is_served_by_reading_back(link, board, tmp_path):
    (board.tools / "sha256sum").unlink()
    source = tmp_path / "file"
    source.write_bytes(b"x" * 700_000)
    link.put(source, "there")
    assert (board.home / "there").read_bytes() == source.read_bytes()


def test_a_full_disk_is_told_in_one_line(link, board, tmp_path):
    source = tmp_path / "file"
    source.write_bytes(b"x" * 1000)
    board.add_program("mkdir", "echo 'mkdir: No space left on device' >&2; exit 1")
    with pytest.raises(DiskUnwritable, match="disk is full. Free some space") as caught:
        link.put(source, f"{board.home}/a/file")
    assert "\n" not in str(caught.value)


def test_a_place_that_cannot_be_written_is_named_and_nothing_is_left(link, board, tmp_path):
    source = tmp_path / "file"
    source.write_bytes(b"x" * 1000)
    (board.home / "in_the_way").touch()
    with pytest.raises(DiskUnwritable, match=f"cannot write {board.home}/in_the_way"):
        link.put(source, f"{board.home}/in_the_way/file")
    (board.home / "target").mkdir()
    board.add_program("mv", "echo 'mv: Read-only file system' >&2; exit 1")
    with pytest.raises(DiskUnwritable, match="disk is read-only. Remount it"):
        link.put(source, f"{board.home}/target/file")
    assert list(board.home.rglob("*.part")) == []


def test_a_board_without_sftp_takes_files_all_the_same(start_board, tmp_path):
    board = start_board("asyncssh", "--no-sftp")
    source = tmp_path / "file"
    source.write_bytes(bytes(range(256)) * 9000)
    with open_ssh(board.device) as link:
        link.put(source, "folder/file")
        link.put(source, "folder/second")
    assert (board.home / "folder" / "second").read_bytes() == source.read_bytes()


def test_a_connection_that_breaks_is_lost_not_silent(start_board, tmp_path):
    board = start_board("asyncssh")
    with open_ssh(board.device) as link:
        stream = link.start(["cat"])
        link._connection.last.sock.shutdown(socket.SHUT_RDWR)
        with pytest.raises(ConnectionLost, match="the connection was lost"):
            stream.read_line(limit_s=20)
        with pytest.raises(ConnectionLost, match="lost at the start of echo"):
            link.run(["echo"], limit_s=20)


def test_a_key_that_is_not_authorised_is_refused_with_what_was_tried(board, tmp_path):
    stranger = asyncssh.generate_private_key("ssh-ed25519")
    stranger.write_private_key(tmp_path / "stranger")
    device = replace(board.device, key_file=str(tmp_path / "stranger"))
    with pytest.raises(LoginRefused) as caught:
        open_ssh(device)
    assert stranger.get_fingerprint() in str(caught.value)
    assert "nas devices add board --key FILE" in str(caught.value)


def test_a_key_that_needs_a_passphrase_says_ssh_add(small_board, tmp_path):
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(tmp_path / "locked", passphrase="secret")
    with pytest.raises(LoginRefused, match=r"needs its passphrase: ssh-add \S+/locked"):
        open_ssh(replace(small_board.device, key_file=str(tmp_path / "locked")))


def test_a_key_file_that_is_not_there_or_no_key_is_named(small_board, tmp_path):
    with pytest.raises(LoginRefused, match="missing is not there"):
        open_ssh(replace(small_board.device, key_file=str(tmp_path / "missing")))
    (tmp_path / "text").write_text("no key at all")
    with pytest.raises(LoginRefused, match="text is no private key"):
        open_ssh(replace(small_board.device, key_file=str(tmp_path / "text")))


def test_a_link_that_another_thread_closed_is_lost(start_board, tmp_path):
    (tmp_path / "model").write_bytes(b"bytes")
    with open_ssh(start_board("asyncssh").device) as link:
        link.close()
        with pytest.raises(ConnectionLost):
            link.run(["echo"], limit_s=20)
        with pytest.raises(ConnectionLost):
            link.put(tmp_path / "model", "model")


def test_a_closed_port_and_an_unknown_name_are_unreachable(small_board):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        closed = replace(small_board.device, port=sock.getsockname()[1])
        with pytest.raises(DeviceUnreachable, match="refused.*nas devices doctor board"):
            open_ssh(closed)
    with pytest.raises(DeviceUnreachable, match="cannot be resolved"):
        open_ssh(replace(small_board.device, host="board.invalid"))


def test_a_server_that_takes_connections_but_never_speaks_is_silent(small_board, monkeypatch):
    monkeypatch.setattr(ssh_login, "HANDSHAKE_LIMIT_S", 1.2)
    with socket.create_server(("127.0.0.1", 0)) as frozen:
        device = replace(small_board.device, port=frozen.getsockname()[1])
        with pytest.raises(DeviceSilent, match="says nothing for 1 s"):
            open_ssh(device)


def test_a_server_that_is_no_ssh_server_is_said_to_be_none(small_board):
    def answer() -> None:
        connection, _ = server.accept()
        with connection:
            connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n" * 200)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=answer, daemon=True).start()
        device = replace(small_board.device, port=server.getsockname()[1])
        with pytest.raises(DeviceUnreachable, match="not as an SSH server"):
            open_ssh(device)


def test_the_ssh_configuration_of_the_user_is_obeyed(board, lonely_home):
    _write_config(
        lonely_home,
        f"Host desk\n HostName 127.0.0.1\n Port {board.device.port}\n"
        f" IdentityFile {board.device.key_file}\n UserKnownHostsFile {board.known_hosts}\n",
    )
    with open_ssh(Device(name="board", host="desk")) as link:
        assert Path(link.home()) == board.home


def test_a_board_behind_a_jump_host_is_reached_through_it(board, start_board, lonely_home):
    jump = start_board("asyncssh")
    _write_config(lonely_home, _behind(board, jump))
    device = replace(board.device, host="behind", port=None)
    first = fetch_host_key(device)
    assert first.host_name == f"[127.0.0.1]:{jump.device.port}"
    with pytest.raises(HostKeyUnknown, match=rf"\[127.0.0.1\]:{jump.device.port} is unknown"):
        open_ssh(device)
    trust(device, first)
    assert fetch_host_key(device).host_name == f"[127.0.0.1]:{board.device.port}"
    with open_ssh(device) as link:
        assert Path(link.home()) == board.home


def test_a_board_that_its_jump_host_cannot_reach_is_told_so(small_board, start_board, lonely_home):
    jump = start_board("asyncssh")
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        closed = replace(
            small_board, device=replace(small_board.device, port=sock.getsockname()[1])
        )
        _write_config(lonely_home, _behind(closed, jump))
        device = replace(small_board.device, host="behind", port=None)
        trust(device, fetch_host_key(device))
        with pytest.raises(DeviceUnreachable, match="the jump host cannot reach 127.0.0.1"):
            open_ssh(device)


def test_a_proxy_command_carries_the_connection(small_board, lonely_home, tmp_path):
    relay = tmp_path / "relay.py"
    relay.write_text(_RELAY)
    _write_config(lonely_home, f"Host far\n ProxyCommand {sys.executable} {relay} 127.0.0.1 %p\n")
    device = replace(small_board.device, host="far")
    key = fetch_host_key(device)
    assert host_key_verdict(device, key) == "unknown"
    trust(device, key)
    with open_ssh(device) as link:
        assert Path(link.home()) == small_board.home


_RELAY = """
import os, select, socket, sys
sock = socket.create_connection((sys.argv[1], int(sys.argv[2])))
while True:
    for ready in select.select([0, sock], [], [])[0]:
        data = os.read(0, 65536) if ready == 0 else sock.recv(65536)
        if not data:
            sys.exit()
        sock.sendall(data) if ready == 0 else os.write(1, data)
"""


def _behind(board, jump) -> str:
    return (
        f"Host behind\n HostName 127.0.0.1\n Port {board.device.port}\n ProxyJump between\n"
        f"Host between\n HostName 127.0.0.1\n Port {jump.device.port}\n"
        f" IdentityFile {jump.device.key_file}\n"
    )


def _write_config(home: Path, text: str) -> None:
    (home / ".ssh").mkdir(exist_ok=True)
    (home / ".ssh" / "config").write_text(text)
