"""What the store makes of blocks that ran as networks of their own."""

import json
from dataclasses import replace

from latency_lut import ALONE, NetworkRecord, NodeTiming
from latency_lut.fit.description import PROFILE as BY_PROFILE
from search_spaces import Phase, Segment
from tests.latency_lut.networks import (
    PROFILE,
    all_architectures,
    costs_of,
    record_of,
    store_in,
    timing,
    true_ns,
)

INFER = Phase("infer")


def misprofiled(record):
    """With a profiler that takes every node for the same time, short or long."""
    (phase,) = record.phases
    nodes = tuple(NodeTiming(n.name, n.op_type, 5000) for n in phase.nodes)
    return replace(record, phases=(replace(phase, nodes=nodes),))


def fill(store, space):
    for architecture in all_architectures(space):
        segments = space.segments(architecture)
        record = misprofiled(record_of(space, architecture))
        store.add_network(record, segments, costs_of(space, segments))


def run_alone(store, space, *, slower=1.0, quality="good", **changes):
    for block in dict.fromkeys(b for p in space.places for _, b in space.blocks_at(p) if b):
        segment = Segment(ALONE, block)
        usual_ns = round(slower * true_ns(segment, INFER))
        record = NetworkRecord(
            profile_id=PROFILE.id,
            space=space.name,
            architecture_json=json.dumps({"block": block.key}),
            architecture_id=block.key,
            precision="fp32",
            purpose=ALONE,
            phases=(timing(usual_ns, quality=quality, **changes),),
            canary_ns=None,
            peak_bytes=10**9,
            static_bytes=1000,
            created_utc="2026-01-02T03:04:05+00:00",
        )
        store.add_network(record, [segment], costs_of(space, [segment]))


def worst_error(lut, space):
    blocks = (b for p in space.places for _, b in space.blocks_at(p) if b)
    segments = [Segment(ALONE, block) for block in dict.fromkeys(blocks)]
    return max(abs(lut.entries[s.key(INFER)].latency_ns / true_ns(s, INFER) - 1) for s in segments)


def test_they_make_the_lut_right_where_the_profiler_is_wrong(store, space):
    fill(store, space)
    before = store.lut(PROFILE.id)
    run_alone(store, space)
    after = store.lut(PROFILE.id)
    assert before.group("tiny", "infer").told_by == BY_PROFILE
    assert after.group("tiny", "infer").told_by == ALONE
    assert worst_error(after, space) < 0.02 < worst_error(before, space)


def test_a_flagged_run_says_nothing_beside_a_good_one(store, space):
    fill(store, space)
    run_alone(store, space)
    alone = store.lut(PROFILE.id).entries
    run_alone(store, space, slower=0.3, quality="noisy")
    assert store.lut(PROFILE.id).entries == alone


def test_of_flagged_runs_the_fastest_counts(store, space):
    fill(store, space)
    run_alone(store, space, slower=1.7, quality="noisy")
    run_alone(store, space, quality="drifted")
    lut = store.lut(PROFILE.id)
    assert lut.group("tiny", "infer").told_by == ALONE
    assert worst_error(lut, space) < 0.02


def test_failed_runs_are_never_used(store, space):
    fill(store, space)
    run_alone(store, space, quality="failed")
    assert store.lut(PROFILE.id).group("tiny", "infer").told_by == BY_PROFILE


def test_they_are_no_networks_of_the_space_and_say_nothing_of_its_memory(store, space):
    run_alone(store, space)
    lut = store.lut(PROFILE.id)
    assert store.carriers(space, PROFILE.id, "fp32") == ()
    assert lut.entries == {}
    assert lut.memory == {}


def test_another_store_takes_them_over_with_all_else(store, space, tmp_path):
    fill(store, space)
    run_alone(store, space)
    store.export_parquet(PROFILE.id, tmp_path / "lut.parquet")
    (tmp_path / "other").mkdir()
    with store_in(tmp_path / "other") as other:
        other.import_parquet(tmp_path / "lut.parquet")
        assert other.lut(PROFILE.id).entries == store.lut(PROFILE.id).entries
        assert other.lut(PROFILE.id).group("tiny", "infer").told_by == ALONE
