import pytest

from latency_lut import BadRecord, Ceilings, Entry, roofline, touched_bytes
from search_spaces import SegmentCost

# 100 operations and 10 bytes a nanosecond: the ridge is at 10 operations a byte.
CEILINGS = Ceilings(flops_per_s=100 * 10**9, bytes_per_s=10 * 10**9, quality="good")


def cost(macs: int, **changes: object) -> SegmentCost:
    fields: dict[str, object] = {
        "params": 100,
        "active_params": 100,
        "macs": macs,
        "weight_bytes": 400,
        "peak_bytes": 600,
        "state_bytes": 0,
        "lasting_bytes": 0,
    }
    return SegmentCost(**{**fields, **changes})


def entry(latency_ns: int, low_ns: int | None = None) -> Entry:
    return Entry(
        key="dense",
        latency_ns=latency_ns,
        low_ns=latency_ns if low_ns is None else low_ns,
        high_ns=latency_ns,
        carriers=1,
        nodes=1.0,
        quality="good",
        samples_ns=(latency_ns,),
    )


def test_rates_are_work_over_latency():
    found = roofline(entry(500), cost(10_000), CEILINGS)
    assert found.flops == 20_000
    assert found.touched_bytes == 1000
    assert found.flops_per_s == 40 * 10**9
    assert found.bytes_per_s == 2 * 10**9
    assert found.flops_per_byte == 20


def test_above_the_ridge_a_segment_is_bound_by_compute():
    found = roofline(entry(500), cost(10_000), CEILINGS)
    assert found.bound == "compute"
    assert found.ceiling_share == pytest.approx(200 / 500)  # 20,000 operations take 200 ns


def test_below_the_ridge_a_segment_is_bound_by_memory():
    found = roofline(entry(125), cost(1000), CEILINGS)
    assert found.bound == "memory"
    assert found.ceiling_share == pytest.approx(100 / 125)  # 1000 bytes take 100 ns


def test_a_share_above_1_is_told_as_it_is():
    assert roofline(entry(25), cost(1000), CEILINGS).ceiling_share == pytest.approx(4)


@pytest.mark.parametrize(
    ("latency_ns", "low_ns", "wasteful"),
    [(201, 201, True), (200, 200, False), (300, 150, False), (300, 250, True)],
)
def test_bandwidth_is_wasted_by_what_takes_twice_its_traffic_even_at_the_low_end(
    latency_ns, low_ns, wasteful
):
    assert roofline(entry(latency_ns, low_ns), cost(1000), CEILINGS).wastes_bandwidth is wasteful


def test_what_is_bound_by_compute_wastes_no_bandwidth_however_slow():
    assert roofline(entry(10**6), cost(10_000), CEILINGS).wastes_bandwidth is False


def test_without_ceilings_there_are_rates_but_no_verdict():
    found = roofline(entry(500), cost(10_000), None)
    assert found.flops_per_s == 40 * 10**9
    assert (found.bound, found.ceiling_share, found.wastes_bandwidth) == (None, None, False)


def test_there_is_no_verdict_where_operators_of_unknown_cost_are_missing():
    found = roofline(entry(10**6), cost(1000, unknown_ops=("Fancy",)), CEILINGS)
    assert (found.bound, found.ceiling_share, found.wastes_bandwidth) == (None, None, False)


def test_a_segment_that_takes_no_time_has_no_rates():
    found = roofline(entry(0), cost(1000), CEILINGS)
    assert (found.flops_per_s, found.bytes_per_s, found.ceiling_share) == (None, None, None)
    assert found.bound == "memory"


def test_a_segment_that_touches_nothing_is_bound_by_nothing():
    nothing = cost(0, params=0, weight_bytes=0, peak_bytes=0)
    found = roofline(entry(500), nothing, CEILINGS)
    assert (found.bound, found.flops_per_byte, found.wastes_bandwidth) == (None, None, False)


def test_the_table_of_an_embedding_is_looked_up_and_not_streamed():
    assert touched_bytes(cost(0)) == 600


def test_experts_that_a_token_does_not_select_are_not_touched():
    assert touched_bytes(cost(25)) == 600 + 100
    assert touched_bytes(cost(25 * 64)) == 600 + 400  # 64 tokens select them all


def test_constants_of_a_segment_without_parameters_are_touched():
    assert touched_bytes(cost(0, params=0, weight_bytes=40)) == 640


@pytest.mark.parametrize("rate", [0, -1, 1.5, float("nan"), True, 2**63])
def test_a_rate_that_no_device_has_is_no_ceiling(rate):
    good = {"flops_per_s": 1, "bytes_per_s": 1, "quality": "good"}
    for name in ("flops_per_s", "bytes_per_s"):
        with pytest.raises(BadRecord, match=name):
            Ceilings(**{**good, name: rate})


def test_a_quality_is_a_word():
    with pytest.raises(BadRecord, match="quality"):
        Ceilings(flops_per_s=1, bytes_per_s=1, quality=None)
