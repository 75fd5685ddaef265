from dataclasses import replace

import pytest

from device_agents import ConnectionLost
from latency_lut import Predictor
from nas.campaign.crew import Crew
from nas.campaign.profiling import profile
from nas.front import read_front
from nas.search import Search
from nas.verification import as_measured, measure_well, verify
from search_spaces import seeded_module
from tests.latency_lut.networks import tiny_space
from tests.nas.arithmetic_rig import FAILURE, ArithmeticSession, arithmetic_rig, scripted
from tests.nas.studies import CountingEstimator, new_study

GONE = ConnectionLost("board1: the connection was lost", device="board1")


@pytest.fixture
def session():
    return ArithmeticSession()


@pytest.fixture
def rig(tmp_path, session):
    """Its LUT knows the tiny space."""
    with arithmetic_rig(tmp_path, tiny_space(), session) as opened:
        profile(Crew([opened]))
        session.jobs.clear()
        yield opened


def searched(rig, **budgets):
    """A study of all networks of the space."""
    study = new_study(**budgets)
    predictor = Predictor(rig.space, rig.store.lut(rig.profile.id))
    Search(study, rig.space, predictor, CountingEstimator(rig.space)).run(10_000)
    return study


def modules_of(rig):
    return lambda a: {s.place: seeded_module(s.block) for s in rig.space.segments(a)}


def test_every_network_of_the_front_is_measured_once_and_no_other(rig, session):
    session.peak_bytes = 3 * 2**20  # far more than this LUT predicts
    study, told = searched(rig), []
    outcome = verify(study, rig, modules_of(rig), on_progress=told.append)
    ids = [r.architecture_id for r in rig.store.networks(rig.profile.id, purpose="verify")]
    assert all(row.verified for row in outcome.front.rows)
    assert sorted(ids) == sorted({row.architecture.id for row in outcome.front.rows})
    assert outcome.measured == len(ids)
    assert outcome.failures == {}
    assert (told[0].measured, told[-1].left) == (0, 0)


def test_what_is_verified_is_not_measured_again(rig, session):
    study = searched(rig)
    first = verify(study, rig, modules_of(rig))
    session.jobs.clear()
    again = verify(study, rig, modules_of(rig))
    assert session.jobs == []
    assert again.measured == 0
    assert again.front == first.front


def test_what_breaks_its_budget_is_dropped_and_what_moves_up_is_measured_too(rig, session):
    wide = read_front(searched(rig, name="wide"), rig.space)
    budget = wide.rows[-1].shown_high_ms * 1.2
    study = searched(rig, max_latency_ms=budget)
    session.slowness, session.canary_slowness = 1.5, 1.0  # which the canary does not show
    outcome = verify(study, rig, modules_of(rig))
    assert outcome.front.dropped
    for dropped in outcome.front.dropped:
        assert dropped.row.measured_high_ms > budget
        assert "measured, budget" in dropped.reason
    assert outcome.front.rows
    assert all(r.verified and r.measured_high_ms <= budget for r in outcome.front.rows)
    assert outcome.measured == len(outcome.front.dropped) + len(
        [r for r in outcome.front.evaluated if r.verified and r.measured_high_ms <= budget]
    )


def test_a_network_that_the_device_cannot_run_leaves_the_front_until_it_is_tried_again(
    rig, session
):
    session.event = scripted(FAILURE)
    study = searched(rig)
    outcome = verify(study, rig, modules_of(rig))
    (failed,) = outcome.failures
    assert outcome.failures[failed] == str(FAILURE)
    assert {d.row.architecture.id: d.reason for d in outcome.front.dropped} == outcome.failures
    assert all(row.verified for row in outcome.front.rows)
    again = verify(study, rig, modules_of(rig))
    assert (again.measured, again.failures) == (1, {})
    assert failed in {row.architecture.id for row in again.front.rows}


def test_what_a_killed_verification_measured_last_is_taken_from_the_store(rig, session):
    study = searched(rig)
    front = verify(study, rig, modules_of(rig)).front
    session.jobs.clear()
    other = searched(rig, name="other")  # as if killed before the study heard of it
    outcome = verify(other, rig, modules_of(rig))
    assert session.jobs == []
    assert [r.measured_ms for r in outcome.front.rows] == [r.measured_ms for r in front.rows]


def test_a_front_on_another_device_profile_leaves_the_studys_own_as_it_is(rig, session):
    study = searched(rig)
    other = replace(rig.profile, id="profile-2", device_name="board2")
    rig.store.add_profile(other)
    outcome = verify(study, replace(rig, profile=other), modules_of(rig))
    assert all(row.verified for row in outcome.front.rows)
    assert not any(row.verified for row in read_front(study, rig.space).rows)


def test_what_was_measured_before_the_device_went_away_is_kept(rig, session):
    study = searched(rig)
    session.event = scripted("good", GONE)
    with pytest.raises(ConnectionLost):
        verify(study, rig, modules_of(rig))
    session.event = scripted()
    session.jobs.clear()
    outcome = verify(study, rig, modules_of(rig))
    assert len(session.jobs) == outcome.measured == len(outcome.front.rows) - 1


def test_of_flagged_measurements_the_one_with_fewest_flags_counts(tmp_path):
    space = tiny_space(phases=("infer", "learn"))
    session = ArithmeticSession(scripted(("noisy", "noisy"), ("good", "noisy"), ("noisy", "noisy")))
    with arithmetic_rig(tmp_path, space, session) as rig:
        record = measure_well(rig, space.smallest(), purpose="measure")
    assert [phase.quality for phase in record.phases] == ["good", "noisy"]


def test_a_flagged_measurement_is_repeated_twice_at_most(rig, session):
    session.event = scripted("noisy", "good")
    assert measure_well(rig, rig.space.smallest(), purpose="measure").phases[0].quality == "good"
    assert len(session.jobs) == 2
    session.jobs.clear()
    session.event = lambda _: "noisy"
    assert measure_well(rig, rig.space.smallest(), purpose="measure").phases[0].quality == "noisy"
    assert len(session.jobs) == 3


def test_a_measurement_is_told_in_milliseconds_of_the_usual_state(rig, session):
    session.peak_bytes = 3 * 2**20
    usual = as_measured(rig, rig.measure(rig.space.smallest(), purpose="measure"))
    session.slowness = 2.0
    slow = as_measured(rig, rig.measure(rig.space.smallest(), purpose="measure"))
    assert slow.latency_ms == pytest.approx(usual.latency_ms, rel=1e-3)
    assert slow.high_ms == pytest.approx(usual.high_ms, rel=1e-3)
    assert (slow.runs, slow.quality) == (30, "good")
    assert slow.memory_mib == 3.0
