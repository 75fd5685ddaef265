"""What note_ceilings does with rates; that a real device has some is said in test_peak_rates."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from device_agents import ConnectionLost
from latency_lut import Ceilings
from nas.measuring.ceilings import note_ceilings
from nas.measuring.measurement import Rig
from tests.latency_lut.networks import tiny_space
from tests.nas.arithmetic_rig import FAILURE, ArithmeticSession, Event, arithmetic_rig, scripted

# The arithmetic device takes 10 ns a weight and 1 µs a node.
PRODUCT_NS, SUMS_NS = 512 * 512 * 10 + 1000, 1010
CACHE_BYTES = 2**24


@contextmanager
def rig_of(folder, *events: Event, **facts: int | None) -> Iterator[Rig]:
    session = ArithmeticSession(scripted(*events))
    known = {"l2_bytes": None, "l3_bytes": CACHE_BYTES, "ram_bytes": 2**33}
    session.identity = SimpleNamespace(**{**known, **facts})
    with arithmetic_rig(folder, tiny_space(), session) as rig:
        yield rig


def rates(slowness: float = 1, quality: str = "good") -> Ceilings:
    return Ceilings(
        flops_per_s=2 * 512**3 * 10**9 // round(PRODUCT_NS * slowness),
        bytes_per_s=4 * CACHE_BYTES * 10**9 // round(SUMS_NS * slowness),
        quality=quality,
    )


def test_the_rates_are_work_over_the_best_time_and_are_kept(tmp_path):
    with rig_of(tmp_path) as rig:
        assert note_ceilings(rig) == rates()
        assert rig.store.ceilings(rig.profile.id) == rates()
        assert [job.kind for job in rig.session.jobs] == ["time", "time"]
        assert list(tmp_path.glob("*.onnx")) == []


def test_good_ceilings_are_measured_once(tmp_path):
    with rig_of(tmp_path) as rig:
        note_ceilings(rig)
        assert note_ceilings(rig) == rates()
        assert len(rig.session.jobs) == 2


def test_doubtful_ceilings_are_kept_and_measured_again(tmp_path):
    with rig_of(tmp_path, "good", "throttled") as rig:
        rig.session.slowness = 1.5
        assert note_ceilings(rig) == rates(1.5, "throttled")
        rig.session.slowness = 1.0
        assert note_ceilings(rig) == rates()


def test_a_device_that_cannot_run_the_models_has_no_ceilings_and_says_why(tmp_path, caplog):
    with rig_of(tmp_path, FAILURE) as rig, caplog.at_level(logging.WARNING):
        assert note_ceilings(rig) is None
        assert rig.store.ceilings(rig.profile.id) is None
    assert "it died" in caplog.text


def test_ceilings_that_are_known_survive_a_failure(tmp_path):
    with rig_of(tmp_path, "noisy", "noisy", FAILURE) as rig:
        note_ceilings(rig)
        assert note_ceilings(rig) == rates(quality="noisy")


def test_a_device_that_is_gone_ends_the_command(tmp_path):
    gone = ConnectionLost("board1: the connection is gone", device="board1")
    with rig_of(tmp_path, gone) as rig, pytest.raises(ConnectionLost):
        note_ceilings(rig)


@pytest.mark.parametrize(
    ("facts", "expected_bytes"),
    [
        ({"l3_bytes": 2**24}, 2**26),
        ({"l3_bytes": None, "l2_bytes": 2**23}, 2**25),
        ({"l3_bytes": None}, 2**25),
        ({"l3_bytes": 2**30}, 2**28),
        ({"l3_bytes": None, "ram_bytes": 2**27}, 2**24),
    ],
    ids=["four caches", "of the second level", "unknown", "at most", "little memory"],
)
def test_the_buffer_is_larger_than_the_caches_but_fits_the_memory(tmp_path, facts, expected_bytes):
    with rig_of(tmp_path, **facts) as rig:
        note_ceilings(rig)
        (feed,) = rig.session.jobs[1].phases[0].feeds
        rows, columns = feed.shape
        assert rows * columns * 4 == expected_bytes
