"""Several boards over SSH fill one LUT, and the list of devices tells what becomes of them."""

from pathlib import Path

import onnxruntime
import pytest

from tests.end_to_end.desk import SPACE, rows_of
from tests.ssh_board import start_board

__all__ = ["start_board"]  # a fixture

WHO = "SELECT json_extract(observed_json, '$.device') FROM lut_networks"


@pytest.fixture
def three_boards(empty_desk, start_board):
    """In the inventory, in one group, with onnxruntime, trusted."""
    boards = [start_board("asyncssh") for _ in range(3)]
    for number, board in enumerate(boards, start=1):
        board.clean()
        board.add_python("python3", packages=Path(onnxruntime.__file__).parents[1])
        device = board.device
        empty_desk.ok(
            *("devices", "add", f"board{number}", "--host", device.host, "--group", "shelf"),
            *("--port", str(device.port), "--key", device.key_file),
            *("--known-hosts", device.known_hosts_file),
        )
    return boards


def test_boards_of_one_profile_share_the_work_and_a_lost_one_stops_nobody(empty_desk, three_boards):
    three_boards[2].known_hosts.write_text("")  # it is refused from the start
    ran = empty_desk.nas("profile", *SPACE, "--device", "group:shelf", "--json")
    assert ran.code == 4  # that is told, and the others have done all
    assert "nas devices trust board3" in ran.err
    outcome = ran.json
    assert outcome["devices"] == ["board1", "board2"]
    assert outcome["known"] == outcome["total"] == 12
    assert outcome["ended"] == "complete"
    measured = [name for (name,) in rows_of(empty_desk.database, WHO)]
    assert {name: measured.count(name) for name in set(measured)} == outcome["runs_by_device"]

    rows = {row["name"]: row for row in empty_desk.ok("devices", "list", "--json").json}
    assert [rows[f"board{i}"]["state"] for i in (1, 2, 3)] == ["free", "free", "lost"]
    assert rows["board1"]["groups"] == ["shelf"]
    assert "board3" in rows["board3"]["reason"]
    assert "shelf" in empty_desk.ok("devices", "list").out


def test_the_bench_tells_how_long_each_board_works_and_what_all_gain(empty_desk, three_boards):
    before = set(empty_desk.folder.iterdir())
    command = ("bench", "fleet", *SPACE, "--device", "group:shelf", "--minutes", "0.2")
    document = empty_desk.ok(*command, "--json").json
    one, three = document["runs"]
    assert [row["device"] for row in one["devices"]] == ["board1"]
    assert [row["device"] for row in three["devices"]] == ["board1", "board2", "board3"]
    assert one["devices"][0]["working"] > 0
    for run in (one, three):
        assert run["networks"] == sum(row["networks"] for row in run["devices"])
        assert all(0 <= row["at_gate"] <= row["working"] <= 1 for row in run["devices"])
        assert all(0 < row["round_trip_ms"] < 1000 * run["elapsed_s"] for row in run["devices"])
    assert document["ratio"] == three["networks_per_minute"] / one["networks_per_minute"]
    assert set(empty_desk.folder.iterdir()) == before
