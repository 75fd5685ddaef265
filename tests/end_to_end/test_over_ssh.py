"""The whole way with a board over SSH: added, trusted, measured, and left as it was."""

from pathlib import Path

import onnxruntime
import pytest

from tests.end_to_end.desk import SPACE, rows_of, search_command
from tests.ssh_board import running_boards, small_board, start_board

__all__ = ["running_boards", "small_board", "start_board"]  # fixtures

RECORDS = (
    "SELECT n.purpose FROM lut_networks n JOIN lut_devices d USING (profile_id) "
    "WHERE d.device_name = 'board' AND n.purpose = '{}'"
)


@pytest.fixture
def board(searched, small_board):
    """A board with onnxruntime, in the inventory, its host key not known yet."""
    small_board.add_python("python3", packages=Path(onnxruntime.__file__).parents[1])
    small_board.known_hosts.unlink()
    device = small_board.device
    searched.ok(
        *("devices", "add", "board", "--host", device.host, "--port", str(device.port)),
        *("--key", device.key_file, "--known-hosts", device.known_hosts_file),
    )
    return small_board


def test_a_board_is_trusted_profiled_searched_verified_and_left_clean(searched, board):
    # 1. An unknown key is refused by every command, with the command to type.
    doctor = searched.nas("devices", "doctor", "board")
    assert doctor.code == 4
    assert "nas devices trust board" in doctor.err
    refused = searched.refused(4, "profile", *SPACE, "--device", "board")
    assert "nas devices trust board" in refused

    # 2. Trust shows the fingerprint and asks.
    declined = searched.nas("devices", "trust", "board", stdin="n\n")
    assert declined.code == 2
    assert not board.known_hosts.exists() or board.known_hosts.read_text() == ""
    assert "SHA256:" in declined.err
    searched.ok("devices", "trust", "board", stdin="y\n")
    checks = searched.ok("devices", "doctor", "board", "--json").json
    assert all(check["ok"] is not False for check in checks)

    # 3. Its LUT is its own, filled over SSH.
    outcome = searched.ok("profile", *SPACE, "--device", "board", "--contexts", "1", "--json").json
    assert outcome["known"] == outcome["total"] == 12
    carriers = rows_of(searched.database, RECORDS.format("carrier"))
    assert (board.home / ".edge-nas").is_dir()

    # 4. A search by that LUT, and its front measured on the board.
    searched.ok(*search_command("ssh", trials=3, device="board"))
    assert rows_of(searched.database, RECORDS.format("carrier")) == carriers
    rows = searched.ok("verify", "ssh", "--json").json
    assert rows
    assert all(row["verified"] for row in rows)
    assert len(rows_of(searched.database, RECORDS.format("verify"))) >= len(rows)

    # 5. The same front on another device, which leaves the study's own as it is.
    elsewhere = searched.ok("verify", "ssh", "--device", "local", "--json")
    assert all(row["verified"] for row in elsewhere.json)
    assert "predictions are those for board, measurements those of local" in elsewhere.err
    assert searched.ok("front", "ssh", "--json").json == rows

    # 6. Nothing is left there, and all that was measured is kept here.
    searched.ok("devices", "remove", "board", "--purge")
    assert list(board.home.iterdir()) == []
    names = [row["name"] for row in searched.ok("devices", "list", "--json").json]
    assert "board" not in names
    assert searched.ok("front", "ssh", "--json").json == rows
