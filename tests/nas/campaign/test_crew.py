"""Devices of one profile fill one LUT together."""

import threading
import time
from collections import Counter
from contextlib import ExitStack
from json import loads

import pytest

from device_agents import ConnectionLost, DeviceUnusable
from nas.campaign.crew import Crew
from nas.campaign.filling import fill
from nas.campaign.profiling import profile
from nas.measuring.measurement import Rig
from tests.latency_lut.networks import wide_space
from tests.nas.arithmetic_rig import ArithmeticSession, arithmetic_rig

LOST = ConnectionLost("board2: the connection was lost. Try again", device="board2")


class TwoAtOnce(ArithmeticSession):
    """Its first job ends when the other device's has begun, so that neither does all the work."""

    def __init__(self, together, *args):
        super().__init__(*args)
        self.together = together

    def run(self, *args, **kwargs):
        if self.together is not None:
            self.together.wait(10)
            self.together = None
        return super().run(*args, **kwargs)


@pytest.fixture
def open_rigs(tmp_path):
    """Opens rigs of board1, board2, ... on these sessions."""
    with ExitStack() as stack:

        def open_all(*sessions) -> list[Rig]:
            return [
                stack.enter_context(
                    arithmetic_rig(tmp_path, wide_space(3, 8), session, f"board{number}")
                )
                for number, session in enumerate(sessions, start=1)
            ]

        yield open_all


def measured_by(rig):
    """How many networks each device measured, as the records say."""
    records = rig.store.networks(rig.profile.id)
    return Counter(loads(record.observed_json)["device"] for record in records)


def sightings(rig):
    return {e.key: e.carriers for e in rig.store.lut(rig.profile.id).entries.values()}


def test_two_devices_share_the_carriers_and_each_record_tells_whose_it_is(open_rigs):
    together = threading.Barrier(2)
    rigs = open_rigs(TwoAtOnce(together), TwoAtOnce(together))
    campaign = profile(Crew(rigs))
    assert campaign.ended == "complete"
    assert set(campaign.runs_by_device) == {"board1", "board2"}
    assert measured_by(rigs[0]) == campaign.runs_by_device
    assert min(sightings(rigs[0]).values()) >= 2


def test_a_device_that_is_lost_for_good_costs_nothing_but_time(open_rigs):
    class Waiting(ArithmeticSession):
        """Works when the other device was put aside, so that it has not done all by then."""

        def run(self, *args, **kwargs):
            while state_of(rigs[0], "board2").state != "put aside":
                time.sleep(0.01)
            return super().run(*args, **kwargs)

    rigs = open_rigs(Waiting(), ArithmeticSession(lambda _: LOST))
    crew = Crew(rigs)
    campaign = profile(crew)
    assert campaign.ended == "complete"
    assert campaign.failures == ()
    assert set(measured_by(rigs[0])) == {"board1"}
    assert {name: str(exc) for name, exc in crew.put_aside.items()} == {"board2": str(LOST)}
    assert state_of(rigs[0], "board2").reason == "board2: the connection was lost"


def state_of(rig, device_name):
    return rig.store.device_states()[device_name]


def test_a_device_that_was_put_aside_is_not_asked_in_what_follows(open_rigs):
    unfit = DeviceUnusable("board2: its governor has changed. Run it again", device="board2")
    together = threading.Barrier(2)
    torn = TwoAtOnce(together, lambda _: unfit)
    first = TwoAtOnce(together)
    first.profiler_slowdown = 10  # so that blocks are timed alone afterwards
    crew = Crew(open_rigs(first, torn))
    filling = fill(crew, bar=no_bar, contexts_wanted=1)
    assert filling.alone.timed > 0
    assert len(torn.jobs) == 1
    assert list(crew.put_aside) == ["board2"]


class no_bar:  # noqa: N801 -- stands where a function stands
    def __init__(self, what):
        pass

    def __enter__(self):
        return lambda share, left_s, words: None

    def __exit__(self, *exc_info):
        pass


def test_when_the_last_device_is_lost_the_campaign_ends_and_what_was_measured_stays(open_rigs):
    rigs = open_rigs(ArithmeticSession(lambda _: LOST), ArithmeticSession(lambda _: LOST))
    with pytest.raises(ConnectionLost):
        profile(Crew(rigs))
    states = rigs[0].store.device_states()
    assert {state.state for state in states.values()} == {"put aside"}


def test_a_device_may_join_while_the_others_work(open_rigs):
    joined = threading.Event()
    late = ArithmeticSession(lambda _: joined.set() or "good")

    class Waiting(ArithmeticSession):
        def run(self, *args, **kwargs):
            if len(self.jobs) == 2:
                crew.join(rigs[1])
                assert joined.wait(10)
            return super().run(*args, **kwargs)

    rigs = open_rigs(Waiting(), late)
    crew = Crew(rigs[:1])
    campaign = profile(crew)
    assert crew.names == ["board1", "board2"]
    assert set(campaign.runs_by_device) == {"board1", "board2"}
    assert campaign.ended == "complete"


def test_networks_that_are_being_measured_are_not_planned_again(open_rigs):
    """With one context wanted, nothing but repeats runs twice."""
    together = threading.Barrier(2)
    rigs = open_rigs(TwoAtOnce(together), TwoAtOnce(together))
    campaign = profile(Crew(rigs), contexts_wanted=1)
    assert campaign.carriers == 8
    assert campaign.runs == 8
