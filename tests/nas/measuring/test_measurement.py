import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from device_agents import Inventory, JobFailed, PhaseResult
from latency_lut import BadRecord, open_store
from nas.measuring.measurement import open_rig
from nas.measuring.timing import phase_timing, undisturbed_ns
from search_spaces import (
    CostTable,
    ImageTask,
    SegmentExporter,
    TextTask,
    language,
    mobile,
    seeded_module,
)
from tests.latency_lut.networks import tiny_space
from tests.nas.arithmetic_rig import (
    CANARY_NS,
    FAILURE,
    ArithmeticSession,
    arithmetic_rig,
    scripted,
)


def test_the_undisturbed_time_is_the_mean_of_the_groups_near_the_third_fastest():
    assert undisturbed_ns([1500, 1000, 1000, 1003, 1030, 1500, 1020, 1400]) == 1006
    assert undisturbed_ns([30, 10, 20, 90]) == 20
    assert undisturbed_ns([10, 30]) == 20


@pytest.mark.parametrize("tail_ns", [1_005_000, 1_015_000, 1_019_000])
def test_of_a_quiet_board_the_interval_reaches_up_to_the_latency(tail_ns):
    """Its groups have a tail that a mean counts and a median does not."""
    measured = PhaseResult(
        name="infer",
        group_ns=(1_000_000,) * 16 + (tail_ns,) * 4,
        visit_groups=(10, 10),
        runs_per_group=1,
        warmup_runs=1,
        first_run_ns=1_000_000,
        latency_ns=1_000_000,
        low_ns=1_000_000,
        high_ns=1_000_280,
        p90_ns=tail_ns,
        p99_ns=tail_ns,
        min_ns=1_000_000,
        mad_ns=0,
        quality="good",
        nodes=(),
    )
    timing = phase_timing(tiny_space().phases[0], measured)
    assert timing.low_ns < timing.latency_ns == timing.high_ns < tail_ns


def test_what_no_device_can_have_measured_is_refused_and_not_offered_again(tmp_path):
    class Backwards(ArithmeticSession):
        def run(self, *args, **more):
            result = super().run(*args, **more)
            return replace(result, phases=tuple(replace(p, min_ns=-1) for p in result.phases))

    space, session = tiny_space(), Backwards()
    with arithmetic_rig(tmp_path, space, session) as rig:
        with pytest.raises(BadRecord, match="low_ns of phase 'infer'"):
            rig.measure(space.largest(), purpose="carrier")
        assert session.unconfirmed == []
        assert rig.store.networks(rig.profile.id) == ()


def test_a_measurement_is_kept_before_it_is_told(tmp_path):
    space, session = tiny_space(), ArithmeticSession()
    session.peak_bytes = 3_000_000
    with arithmetic_rig(tmp_path, space, session) as rig:
        record = rig.measure(space.largest(), purpose="measure")
        (kept,) = rig.store.networks(rig.profile.id)
    assert kept == record
    assert record.architecture_id == space.largest().id
    assert record.purpose == "measure"
    assert record.canary_ns == CANARY_NS
    assert record.peak_bytes == 3_000_000
    assert record.phases[0].latency_ns == sum(n.duration_ns for n in record.phases[0].nodes)
    assert record.phases[0].runs == 30


def test_the_device_keeps_a_result_until_it_is_stored_and_a_repeat_is_another_one(tmp_path):
    space, session = tiny_space(), ArithmeticSession()
    with arithmetic_rig(tmp_path, space, session) as rig:
        for _ in range(2):
            rig.measure(space.largest(), purpose="carrier")
            assert session.unconfirmed == []
        rig.measure(space.largest(), purpose="verify")
        assert rig.store.count(rig.profile.id, space.largest().id, "fp32", "carrier") == 2
    largest = space.largest().id
    assert session.names == [f"carrier {largest} 0", f"carrier {largest} 1", f"verify {largest} 0"]


def test_a_network_that_was_only_timed_teaches_the_lut_nothing(tmp_path):
    space = tiny_space()
    with arithmetic_rig(tmp_path, space) as rig:
        rig.measure(space.largest(), purpose="measure", nodes=False)
        assert rig.session.jobs[0].kind == "time"
        assert rig.store.lut(rig.profile.id).entries == {}
        rig.measure(space.largest(), purpose="measure")
        assert rig.session.jobs[1].kind == "profile"
        assert len(rig.store.lut(rig.profile.id).entries) == 3


def test_only_whole_networks_that_somebody_asks_for_are_sampled_for_their_energy(tmp_path):
    session = ArithmeticSession()
    with arithmetic_rig(tmp_path, tiny_space(), session) as rig:
        for purpose in ("carrier", "measure", "verify"):
            rig.measure(rig.space.largest(), purpose=purpose)
        rig.time_alone(rig.space.segments(rig.space.largest())[0].block)
    assert [job.energy for job in session.jobs] == [False, True, True, False]


def test_a_network_that_ran_on_another_provider_is_told_and_it_is_kept(tmp_path, caplog):
    session = ArithmeticSession()
    session.provider = "CUDAExecutionProvider"
    with arithmetic_rig(tmp_path, tiny_space(), session) as rig:
        record = rig.measure(rig.space.largest(), purpose="measure")
    (said,) = caplog.messages
    assert "100% of its node time ran on CPUExecutionProvider, not on CUDAExecution" in said
    assert json.loads(record.observed_json)["elsewhere"] == {"CPUExecutionProvider": 1.0}


def test_in_8_bits_another_network_runs_and_other_keys_are_filled(tmp_path):
    space = mobile(ImageTask(1, 10, 20)).restricted({"width": [0.5]})
    exporter = SegmentExporter("int8")
    with arithmetic_rig(tmp_path, space) as rig:
        narrow = replace(rig, precision="int8", exporter=exporter, costs=CostTable(exporter))
        records = [r.measure(space.smallest(), purpose="measure") for r in (rig, narrow)]
        luts = [rig.store.lut(rig.profile.id, name) for name in ("fp32", "int8")]
        assert narrow.cost(space.smallest()).macs == rig.cost(space.smallest()).macs
    assert [record.precision for record in records] == ["fp32", "int8"]
    assert records[1].static_bytes < records[0].static_bytes / 2
    for lut in luts:
        assert {key.rpartition("/")[2] for key in lut.entries} == {lut.precision}
    fp32, int8 = ({n.op_type for n in g.node} for g in rig.session.graphs)
    assert "QuantizeLinear" in int8 - fp32


def test_a_network_that_failed_leaves_no_record(tmp_path):
    space, session = tiny_space(), ArithmeticSession(scripted(FAILURE))
    with arithmetic_rig(tmp_path, space, session) as rig:
        with pytest.raises(JobFailed):
            rig.measure(space.smallest(), purpose="carrier")
        assert rig.store.networks(rig.profile.id) == ()


def test_the_canary_brings_a_slow_hour_to_the_usual_state(tmp_path):
    space, session = tiny_space(), ArithmeticSession()
    with arithmetic_rig(tmp_path, space, session) as rig:
        usual = [rig.measure(space.smallest(), purpose="measure") for _ in range(2)][0]
        rig.measure(space.largest(), purpose="measure")
        session.slowness = 1.25
        slow = rig.measure(space.smallest(), purpose="measure")
        assert rig.canary_scale(usual) == pytest.approx(1)
        assert rig.canary_scale(slow) == pytest.approx(0.8)
    corrected = slow.phases[0].latency_ns * 0.8
    assert corrected == pytest.approx(usual.phases[0].latency_ns, rel=1e-3)


def test_the_weights_that_were_trained_are_those_that_are_measured(tmp_path):
    space = tiny_space()
    segments = space.segments(space.smallest())
    modules = {s.place: seeded_module(s.block) for s in segments}
    torch.nn.init.constant_(modules["stem"].weight, 7.0)
    with arithmetic_rig(tmp_path, space) as rig:
        rig.measure(space.smallest(), purpose="verify", modules=modules)
        rig.measure(space.smallest(), purpose="verify")
    trained, untrained = ({w.name: w for w in g.initializer} for g in rig.session.graphs)
    sevens = np.full((4, 4), 7.0, dtype=np.float32).tobytes()
    assert sevens in [w.raw_data for w in trained.values()]
    assert sevens not in [w.raw_data for w in untrained.values()]


def test_each_phase_of_a_decoder_is_fed_what_it_runs_on(tmp_path):
    space = language(TextTask(context=16))
    with arithmetic_rig(tmp_path, space) as rig:
        record = rig.measure(space.smallest(), purpose="carrier")
    (job,) = rig.session.jobs
    assert [phase.name for phase in job.phases] == [phase.name for phase in space.phases]
    feeds = {phase.name: {feed.name: feed for feed in phase.feeds} for phase in job.phases}
    assert feeds["decode"]["tokens"].shape == (1, 1)
    assert feeds["prefill"]["tokens"].shape == (1, 16)
    assert feeds["decode"]["tokens"].dtype == "int64"
    assert feeds["decode"]["t0"].low == feeds["decode"]["t0"].high > 0
    assert feeds["prefill"]["t0"].low == feeds["prefill"]["t0"].high == 0
    assert [timing.phase for timing in record.phases] == [phase.key for phase in space.phases]


def test_this_machine_measures_a_network(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    space = mobile(ImageTask(1, 10, 20)).restricted({"width": [0.5]})
    with (
        open_store(f"sqlite:///{tmp_path}/nas.db") as store,
        open_rig(Inventory().get("local"), space, store) as rig,
    ):
        record = rig.measure(space.smallest(), purpose="carrier")
        assert store.profiles("local") == (rig.profile,)
        lut = store.lut(rig.profile.id)
    (timing,) = record.phases
    assert 0 < timing.low_ns <= timing.latency_ns <= timing.high_ns
    assert timing.runs >= 7
    assert record.canary_ns > 0
    assert len(lut.entries) == len(space.segments(space.smallest()))
