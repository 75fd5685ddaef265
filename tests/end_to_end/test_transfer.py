"""A LUT for a device that is new, or that changed, from another LUT."""

import os

import pytest

from tests.end_to_end.desk import ON_LOCAL, copy_database


@pytest.fixture
def two_threads(profiled):
    """Options for this machine with two threads, which is another device profile."""
    devices, storage = profiled.folder / "two.toml", profiled.folder / "two.db"
    devices.write_text("[devices.local]\nthreads = 2\n")
    copy_database(profiled.database, storage)
    return "--devices", str(devices), "--storage", f"sqlite:///{storage}"


@pytest.mark.skipif(
    len(os.sched_getaffinity(0)) < 2, reason="a device of one core, or bound to one"
)
def test_a_device_that_changed_starts_from_the_lut_that_it_had(profiled, two_threads):
    few = ("--from", "local", "--samples", "2", *two_threads)
    ran = profiled.ok("profile", *ON_LOCAL, *few, "--json").json
    transfer = ran["transfer"]
    assert (ran["carriers"] >= 2, ran["ended"]) == (True, "complete")
    assert ran["known"] + transfer["transferred"] == ran["total"] == 12
    assert transfer["source"] == "local"
    assert transfer["source_profile"] != ran["device_profile"]
    assert [row["phase"] for row in transfer["held_out"]] == ["infer"]
    rows = profiled.ok("lut", "show", *ON_LOCAL, *two_threads, "--json").json
    marked = [row for row in rows if row["quality"] == "transferred"]
    assert len(marked) == transfer["transferred"]
    assert all(row["carriers"] == 0 for row in marked)
    assert all(0 < row["low_ms"] <= row["latency_ms"] <= row["high_ms"] for row in rows)
    covered = profiled.ok("lut", "coverage", *ON_LOCAL, *two_threads, "--json").json
    assert covered["known"] == covered["total"] == 12
    assert covered["transferred"] == transfer["transferred"]
    if transfer["transferred"]:
        said = profiled.ok("lut", "coverage", *ON_LOCAL, *two_threads).out
        assert f"{transfer['transferred']} of them from another device's LUT" in said


def test_a_device_cannot_start_from_its_own_lut(profiled):
    said = profiled.refused(2, "profile", *ON_LOCAL, "--from", "local")
    assert "have one device profile" in said


def test_a_source_that_nobody_knows_or_that_has_no_lut_is_refused(profiled):
    said = profiled.refused(2, "profile", *ON_LOCAL, "--from", "lokal")
    assert "did you mean local?" in said
    int8 = ("--from", "local", "--precision", "int8")
    said = profiled.refused(2, "profile", *ON_LOCAL, *int8)
    assert "knows no segment of 'mobile' in int8" in said


def test_samples_without_a_source_are_refused(profiled):
    said = profiled.refused(2, "profile", *ON_LOCAL, "--samples", "30")
    assert "--from" in said
