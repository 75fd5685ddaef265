import numpy as np

from latency_lut.fit.timed_table import group_of, timed_table

TABLE = timed_table(
    [("archA", "good", 100.0), ("archB", "noisy", 50.0)],
    [(0, "stem", 60.0, 2), (0, "head", 40.0, 1), (1, "stem", 70.0, 2), (1, "stem", 30.0, 1)],
)


def test_keys_are_numbered_in_the_order_in_which_they_are_met():
    assert TABLE.keys == ("stem", "head")
    assert TABLE.key.tolist() == [0, 1, 0, 0]
    assert TABLE.network.tolist() == [0, 0, 1, 1]


def test_networks_keep_their_names_flags_and_times():
    assert TABLE.architecture_ids == ("archA", "archB")
    assert TABLE.qualities == ("good", "noisy")
    assert TABLE.latency_ns.tolist() == [100.0, 50.0]


def test_the_same_choices_made_of_other_segments_are_another_model():
    runs = [("archA", "good", 100.0)] * 3
    table = timed_table(runs, [(n, key, 1.0, 1) for n in range(3) for key in ("stem", f"{n % 2}")])
    first, other, again = table.models
    assert first == again != other


def test_values_by_row_are_summed_by_network():
    assert TABLE.by_network(TABLE.node_ns).tolist() == [100.0, 100.0]
    assert TABLE.by_network(TABLE.nodes).tolist() == [3.0, 3.0]
    assert TABLE.by_network(np.array([1.0, 2.0, 4.0, 8.0])).tolist() == [3.0, 12.0]


def test_the_same_phase_of_two_spaces_makes_two_groups():
    assert group_of("mobile", "infer") != group_of("hybrid", "infer")
