import json
from dataclasses import replace

import pytest

from latency_lut import CanaryState
from nas.bench.drift import repeat_errors
from tests.latency_lut.networks import record_of, timing, tiny_space


def record(ns, canary_ns, quality="good", group_ns=None):
    space = tiny_space()
    phase = timing(ns, quality=quality, group_ns=group_ns or (ns, ns))
    return record_of(space, space.smallest(), phases=(phase,), canary_ns=canary_ns)


def errors(records):
    rows = repeat_errors(records, CanaryState(100.0, 0.0))
    return {(row["time"], row["treatment"]): row for row in rows}


def test_a_machine_that_slowed_down_as_its_canary_did_repeats_itself_once_scaled():
    found = errors([record(1000, 100), record(1500, 150)])
    assert found["undisturbed", "as measured"]["mean |error|"] == pytest.approx(0.5)
    assert found["undisturbed", "scaled by the canary"]["mean |error|"] == pytest.approx(0)


def test_a_drifted_timing_is_void_where_that_is_asked_for():
    found = errors([record(1000, 100), record(2000, 100, "drifted"), record(1010, 100)])
    assert found["undisturbed", "scaled by the canary"]["pairs"] == 2
    assert found["undisturbed", "scaled, drifted ones void"]["pairs"] == 1
    assert found["undisturbed", "scaled, drifted ones void"]["mean |error|"] == pytest.approx(0.01)


def test_the_median_of_the_groups_is_compared_too():
    quiet = record(1000, 100, group_ns=(1000, 1000, 1000))
    found = errors([quiet, record(1000, 100, group_ns=(1000, 1400, 1500))])
    assert found["median of the groups", "as measured"]["mean |error|"] == pytest.approx(0.4)
    assert found["undisturbed", "as measured"]["mean |error|"] == pytest.approx(0)


def test_what_one_look_would_have_said_is_compared_too():
    space = tiny_space()
    visits = json.dumps({"phases": [{"visit_groups": [3, 2]}]})

    def visited(*group_ns):
        phase = timing(1000, group_ns=group_ns)
        return replace(record_of(space, space.smallest(), phases=(phase,)), observed_json=visits)

    found = errors([visited(1000, 1000, 1000, 1000, 1000), visited(1500, 1500, 1500, 1000, 1000)])
    assert found["undisturbed, first visit", "as measured"]["mean |error|"] == pytest.approx(0.5)
    assert found["undisturbed", "as measured"]["mean |error|"] == pytest.approx(0)


def test_records_without_visits_have_no_first_one():
    found = errors([record(1000, 100), record(1500, 150)])
    assert found["undisturbed, first visit", "as measured"]["pairs"] == 0


def test_a_network_measured_once_says_nothing():
    assert errors([record(1000, 100)])["undisturbed", "as measured"]["mean |error|"] is None
