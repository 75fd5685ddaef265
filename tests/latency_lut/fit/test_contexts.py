import numpy as np

from latency_lut.fit.contexts import COLUMNS, contexts_of, sightings_of
from latency_lut.fit.timed_table import timed_table


def sightings(networks, segments):
    """As timed: what each segment took is its profiled time."""
    table = timed_table(networks, segments)
    return sightings_of(table, table.node_ns)


def seen_in(*measured, key="k"):
    """One key in networks given as (architecture, quality, ns)."""
    networks = [(name, quality, ns) for name, quality, ns in measured]
    return sightings(networks, [(i, key, ns, 2) for i, (_, _, ns) in enumerate(measured)])


def test_a_segment_that_stands_twice_in_a_network_is_one_sighting_with_the_mean():
    rows = [(0, "k", 100.0, 2), (0, "k", 300.0, 4), (0, "other", 5.0, 1)]
    found = sightings([("a", "good", 405.0)], rows).set_index("key")
    assert found.loc["k", "latency_ns"] == 200.0
    assert found.loc["k", "nodes"] == 3.0
    assert len(found) == 2


def test_a_sighting_names_its_network_and_its_flag():
    found = seen_in(("a", "good", 100.0), ("b", "noisy", 120.0))
    assert tuple(found.columns) == COLUMNS
    assert found["architecture_id"].tolist() == ["a", "b"]
    assert found["quality"].tolist() == ["good", "noisy"]


def test_each_network_is_one_context_of_its_segment():
    found = contexts_of([seen_in(("a", "good", 100.0), ("b", "good", 120.0))])
    assert found["latency_ns"].tolist() == [100.0, 120.0]
    assert found["seen"].tolist() == [2, 2]


def test_a_network_that_was_measured_again_is_still_one_context_with_the_median():
    again = seen_in(*[("a", "good", ns) for ns in (100.0, 900.0, 102.0)], ("b", "good", 110.0))
    found = contexts_of([again]).set_index("architecture_id")
    assert found["latency_ns"].to_dict() == {"a": 102.0, "b": 110.0}
    assert found["seen"].tolist() == [4, 4]


def test_flagged_sightings_are_left_out_where_there_are_good_ones_but_counted():
    found = contexts_of([seen_in(("a", "good", 100.0), ("b", "noisy", 900.0))])
    assert found["architecture_id"].tolist() == ["a"]
    assert found["seen"].tolist() == [2]


def test_flagged_sightings_count_where_there_are_no_others():
    found = contexts_of([seen_in(("a", "noisy", 100.0), ("b", "throttled", 900.0))])
    assert found["quality"].tolist() == ["noisy", "throttled"]


def test_a_key_that_stands_in_two_spaces_has_the_contexts_of_both():
    found = contexts_of([seen_in(("a", "good", 100.0)), seen_in(("z", "good", 104.0))])
    assert sorted(found["architecture_id"]) == ["a", "z"]
    assert found["seen"].tolist() == [2, 2]


def test_the_good_timing_of_a_key_does_not_outdo_the_flagged_one_of_another():
    noisy = seen_in(("b", "noisy", 7.0), key="other")
    found = contexts_of([seen_in(("a", "good", 100.0)), noisy]).set_index("key")
    assert found["quality"].to_dict() == {"k": "good", "other": "noisy"}
    assert np.isclose(found.loc["other", "latency_ns"], 7.0)
