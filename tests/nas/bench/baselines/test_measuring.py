from dataclasses import replace

import pytest

from nas.bench.baselines import Member
from nas.bench.baselines.measuring import measure_members
from nas.verification import as_measured, measure_well
from search_spaces import seeded_module, segment_key
from tests.latency_lut.networks import tiny_space
from tests.nas.arithmetic_rig import FAILURE, ArithmeticSession, arithmetic_rig, scripted
from tests.nas.studies import CountingEstimator


class TinyEstimator(CountingEstimator):
    """With modules, as an export takes them."""

    def modules(self, architecture):
        return {s.place: seeded_module(s.block) for s in self.space.segments(architecture)}


@pytest.fixture
def session():
    return ArithmeticSession()


@pytest.fixture
def rig(tmp_path, session):
    with arithmetic_rig(tmp_path, tiny_space(), session) as opened:
        yield opened


@pytest.fixture
def members(rig):
    ends = {"smallest": rig.space.smallest(), "largest": rig.space.largest()}
    return tuple(Member(family=name, size="1", architecture=a) for name, a in ends.items())


def measured(rig, members, known=None):
    return measure_members(members, rig, TinyEstimator(rig.space), known or {})


def test_baselines_are_scored_and_measured_once(rig, session, members):
    first, failures = measured(rig, members)
    assert [(b.member.family, b.quality) for b in first] == [
        ("smallest", 0.5),
        ("largest", pytest.approx(0.5 + 0.05 * len(rig.space.choices))),
    ]
    assert first[0].latency_ms < first[1].latency_ms
    assert failures == {}
    session.jobs.clear()
    again, _ = measured(rig, members)
    assert session.jobs == []
    assert [b.latency_ms for b in again] == [b.latency_ms for b in first]


def test_what_verification_measured_counts_here(rig, session, members):
    record = measure_well(rig, members[0].architecture, purpose="verify")
    session.jobs.clear()
    (found,), _ = measured(rig, members[:1])
    assert session.jobs == []
    assert found.measured == as_measured(rig, record)


def test_what_the_study_keeps_of_a_network_goes_before_what_the_store_has(rig, session, members):
    record = measure_well(rig, members[0].architecture, purpose="verify")
    kept = replace(as_measured(rig, record), latency_ms=123.0)
    (found,), _ = measured(rig, members[:1], {members[0].architecture.id: kept})
    assert found.latency_ms == 123.0


def test_a_network_of_the_same_choices_for_data_of_another_shape_is_another_one(
    rig, session, members
):
    here = replace(rig, profile=replace(rig.profile, id="profile-2"))
    rig.store.add_profile(here.profile)
    record = measure_well(rig, members[0].architecture, purpose="verify")
    other = replace(record, profile_id="profile-2", static_bytes=record.static_bytes + 1)
    segments, (phase,) = rig.space.segments(members[0].architecture), rig.space.phases
    costs = {segment_key(s.block, phase, "fp32"): rig.costs(s.block, phase) for s in segments}
    rig.store.add_network(other, segments, costs)
    session.jobs.clear()
    measured(here, members[:1])
    assert len(session.jobs) == 1


def test_a_network_that_the_device_cannot_run_is_told_and_the_others_go_on(rig, session, members):
    session.event = scripted(FAILURE)
    baselines, failures = measured(rig, members)
    assert [b.member.family for b in baselines] == ["largest"]
    assert failures == {"smallest, 1": str(FAILURE)}
