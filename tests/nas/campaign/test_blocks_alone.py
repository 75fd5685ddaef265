import contextlib
import itertools

import pytest

from latency_lut import ALONE
from nas.campaign.blocks_alone import time_blocks_alone, wanted_alone
from nas.campaign.crew import Crew
from nas.campaign.filling import fill
from nas.campaign.profiling import profile
from tests.latency_lut.networks import tiny_space
from tests.nas.arithmetic_rig import FAILURE, ArithmeticSession, arithmetic_rig, scripted

BLOCKS = 7  # of the tiny space


@pytest.fixture
def rig(tmp_path):
    """Of a device on which profiling takes most of the time; carriers have run."""
    session = ArithmeticSession()
    session.profiler_slowdown = 4
    with arithmetic_rig(tmp_path, tiny_space(), session) as opened:
        profile(Crew([opened]))
        yield opened


def records(rig):
    return rig.store.networks(rig.profile.id, purpose=ALONE)


def test_each_block_is_timed_alone_once_where_the_profiler_says_little(rig):
    run = time_blocks_alone(Crew([rig]))
    assert (run.timed, run.left, run.failures) == (BLOCKS, 0, ())
    assert len(records(rig)) == BLOCKS
    assert wanted_alone(rig) == []
    assert time_blocks_alone(Crew([rig])).timed == 0


def test_where_the_profiler_says_enough_no_block_is_timed_alone(tmp_path):
    with arithmetic_rig(tmp_path, tiny_space()) as rig:
        profile(Crew([rig]))
        assert wanted_alone(rig) == []
        assert time_blocks_alone(Crew([rig])).timed == 0


def test_what_blocks_take_alone_reaches_the_lut_and_counts_as_no_carrier(rig):
    before = rig.store.lut(rig.profile.id)
    ran = rig.store.carriers(rig.space, rig.profile.id, "fp32")
    time_blocks_alone(Crew([rig]))
    after = rig.store.lut(rig.profile.id)
    assert after.entries.keys() == before.entries.keys()
    assert [e.carriers for e in after.entries.values()] == [
        e.carriers for e in before.entries.values()
    ]
    assert rig.store.carriers(rig.space, rig.profile.id, "fp32") == ran


def test_when_time_is_up_the_rest_is_left_for_the_next_call(rig):
    seconds = itertools.count(step=10)
    run = time_blocks_alone(Crew([rig]), minutes=0.5, clock=lambda: next(seconds))
    assert 0 < run.timed < BLOCKS
    assert run.left == BLOCKS - run.timed
    assert time_blocks_alone(Crew([rig])).timed == run.left


def test_a_flagged_block_is_timed_again_behind_the_others_once(rig):
    rig.session.event = scripted("noisy", *["good"] * (BLOCKS - 1), "noisy")
    run = time_blocks_alone(Crew([rig]))
    assert run.timed == BLOCKS
    assert len(records(rig)) == BLOCKS + 1
    first, *_, last = records(rig)
    assert first.architecture_id == last.architecture_id


def test_a_block_that_does_not_run_alone_is_told_and_the_rest_goes_on(rig):
    rig.session.event = scripted(FAILURE)
    run = time_blocks_alone(Crew([rig]))
    assert run.timed == BLOCKS - 1
    (failure,) = run.failures
    assert "does not run alone" in failure


class Bars:
    """Opens bars that show nothing, and notes their names."""

    def __init__(self):
        self.names = []

    @contextlib.contextmanager
    def __call__(self, name):
        self.names.append(name)
        yield lambda *_: None


@pytest.mark.parametrize(("slowdown", "bars"), [(4, ["profile", "blocks"]), (1, ["profile"])])
def test_filling_does_what_is_needed_and_shows_no_bar_for_the_rest(tmp_path, slowdown, bars):
    session, shown = ArithmeticSession(), Bars()
    session.profiler_slowdown = slowdown
    with arithmetic_rig(tmp_path, tiny_space(), session) as rig:
        filled = fill(Crew([rig]), bar=shown)
    assert filled.ended == "complete"
    assert filled.alone.timed == (BLOCKS if slowdown > 1 else 0)
    assert shown.names == bars
