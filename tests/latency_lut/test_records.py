import math

import numpy as np
import pytest

from latency_lut import BadRecord, NodeTiming
from tests.latency_lut.networks import record_of, timing


@pytest.mark.parametrize("latency_ns", [0, -5, math.nan, 1.5, True, 2**63, np.int64(7), "9"])
def test_a_latency_that_no_device_can_have_is_refused(latency_ns):
    with pytest.raises(BadRecord):
        timing(1000, latency_ns=latency_ns)


def test_a_latency_outside_its_own_interval_is_refused():
    with pytest.raises(BadRecord, match="outside its own interval"):
        timing(1000, low_ns=1001)


@pytest.mark.parametrize("duration_ns", [-1, math.inf, None])
def test_a_node_that_took_less_than_no_time_is_refused(duration_ns):
    with pytest.raises(BadRecord, match="'a/0_Conv'"):
        NodeTiming("a/0_Conv", "Conv", duration_ns)


def test_a_failed_phase_may_have_no_time():
    assert timing(1000, latency_ns=0, low_ns=0, high_ns=0, quality="failed").latency_ns == 0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("canary_ns", 0),
        ("canary_ns", -3),
        ("peak_bytes", -1),
        ("static_bytes", 0.5),
        ("purpose", "fun"),
        ("phases", ()),
        ("phases", (timing(5), timing(6))),
    ],
)
def test_a_network_that_contradicts_itself_is_refused(space, field, value):
    with pytest.raises(BadRecord):
        record_of(space, space.smallest(), **{field: value})
