"""What `nas devices list` says."""

from datetime import UTC, datetime, timedelta

import pytest

from device_agents import DeviceLeased, DeviceUnreachable, Inventory
from device_agents.inventory import Device
from latency_lut import DeviceState, open_store
from nas.device_rows import device_rows, shown_row
from nas.measuring.presence import Presence, note_unreached

INVENTORY = Inventory().with_device(
    Device(name="board1", host="10.0.0.7", port=2222, user="ada", groups=("pi4", "kitchen"))
)
GONE = DeviceUnreachable("board1: nobody answers. Check the cable", device="board1")


@pytest.fixture
def storage(tmp_path):
    return f"sqlite:///{tmp_path}/nas.db"


def row(storage):
    return next(row for row in device_rows(INVENTORY, storage) if row["name"] == "board1")


def shown(storage):
    return shown_row(row(storage))


def note(storage, minutes_ago, **fields):
    heard = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    with open_store(storage) as store:
        store.note_device(
            DeviceState(
                device_name="board1",
                last_contact_utc=heard.isoformat(timespec="seconds"),
                **fields,
            )
        )


def test_a_device_that_was_never_used_has_no_state_and_no_storage_is_made(storage, tmp_path):
    assert shown(storage) == {
        "name": "board1",
        "where": "ada@10.0.0.7:2222",
        "threads": 1,
        "groups": "pi4, kitchen",
        "state": None,
        "last contact": None,
        "now": None,
    }
    assert list(tmp_path.iterdir()) == []


def test_a_device_at_work_tells_what_it_measures_and_for_whom(storage):
    with (
        open_store(storage) as store,
        Presence(store, "board1", lambda: 0.0) as presence,
    ):
        assert shown(storage)["now"].startswith("being made ready, for ")
        presence.measures("carrier 0a1b")
        assert shown(storage)["state"] == "measuring"
        assert shown(storage)["now"].startswith("carrier 0a1b, for ")
        presence.is_lost(GONE)
        assert row(storage)["state"] == "lost"
        assert shown(storage)["now"] == "board1: nobody answers"
        presence.measures("carrier 0a1b")
        assert row(storage)["reason"] is None
    assert (shown(storage)["state"], shown(storage)["now"]) == ("free", None)


def test_a_device_that_was_put_aside_stays_so_with_its_reason(storage):
    with open_store(storage) as store:
        with Presence(store, "board1", lambda: 0.0) as presence:
            presence.is_put_aside(GONE)
        assert shown(storage)["state"] == "put aside"
        assert shown(storage)["now"] == "board1: nobody answers"
        with Presence(store, "board1", lambda: 0.0):
            assert shown(storage)["state"] == "measuring"  # the next command tries again


def test_a_device_that_was_lost_when_all_was_done_stays_lost_for_nobody(storage):
    with open_store(storage) as store, Presence(store, "board1", lambda: 0.0) as presence:
        presence.is_lost(GONE)
    assert shown(storage)["state"] == "lost"
    assert row(storage)["owner"] is None


def test_a_device_that_somebody_else_has_is_not_lost(storage):
    note(storage, 0, state="measuring", doing="carrier 0a1b", owner="ada@desk (process 7)")
    with open_store(storage) as store:
        note_unreached(store, "board1", DeviceLeased("board1: in use by ada", device="board1"))
    assert shown(storage)["state"] == "measuring"


def test_a_workstation_that_was_killed_is_told_by_its_silence(storage):
    note(storage, 5, state="measuring", doing="carrier 0a1b", owner="ada@desk (process 7)")
    assert shown(storage)["state"] == "measuring, then silent"
    assert shown(storage)["last contact"] == "5 min ago"


def test_a_device_that_cannot_be_reached_keeps_its_last_contact(storage):
    note(storage, 180, state="free")
    with open_store(storage) as store:
        note_unreached(store, "board1", GONE)
    assert shown(storage)["state"] == "lost"
    assert shown(storage)["last contact"] == "3 h ago"
    assert shown(storage)["now"] == "board1: nobody answers"


def test_a_storage_that_cannot_be_read_is_told_beside_the_inventory(tmp_path):
    (tmp_path / "nas.db").write_text("no database" * 100)
    found = shown(f"sqlite:///{tmp_path}/nas.db")
    assert found["state"] == "unknown"
    assert "no SQLite database" in found["now"]
