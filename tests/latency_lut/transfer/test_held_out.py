import numpy as np
import pytest

from latency_lut.transfer.held_out import hold_out, learnt_from
from tests.latency_lut.two_devices import (
    GROUP,
    KEYS,
    measured,
    new_times,
    old_times,
    unrelated_times,
)


def source():
    return measured(old_times(), 80, seed=9).lut()


def test_every_measurement_is_predicted_once_by_those_of_other_networks():
    new = measured(new_times(scatter=0.05), 13, repeated=2)
    found = hold_out(source(), new)[GROUP]
    assert sorted(found.measured_ns) == sorted(new.tables[GROUP].latency_ns)
    assert np.isfinite(found.predicted_ns).all()
    assert found.good.all()


def test_a_network_does_not_know_itself():
    """On an unrelated device each network would be predicted well only by its own sightings."""
    found = hold_out(source(), measured(unrelated_times(), 8))[GROUP]
    assert found.errors().mean() > 0.15


def test_devices_alike_are_predicted_well_from_few_networks():
    found = hold_out(source(), measured(new_times(scatter=0.05), 20), share=0.25)[GROUP]
    assert found.errors().mean() < 0.10


def test_a_share_of_the_others_is_learnt_from_where_asked_for():
    new = measured(new_times(), 20)
    assert [learnt_from(new, share) for share in (0.25, 0.5, 1.0)] == [4, 8, 16]
    assert learnt_from(measured(new_times(), 2)) == 1


def test_one_network_alone_cannot_be_held_out():
    assert hold_out(source(), measured(new_times(), 1)) == {}
    assert learnt_from(measured(new_times(), 1)) == 0


def test_flagged_networks_count_only_where_good_ones_are_few():
    few = hold_out(source(), measured(new_times(), 12, quality="noisy"))[GROUP]
    assert len(few.checkable().measured_ns) == 12
    table_errors = few.errors()
    few.good[:6] = True
    np.testing.assert_array_equal(few.errors(), table_errors[:6])


def test_what_cannot_be_predicted_is_not_compared():
    few = measured(old_times(), 40, seed=9, keys=KEYS[:54]).lut()  # mixers only
    found = hold_out(few, measured(new_times(), 12))[GROUP]
    assert np.isnan(found.predicted_ns).any()
    assert len(found.errors()) == np.isfinite(found.predicted_ns).sum()


@pytest.mark.parametrize("networks", [2, 5, 30])
def test_the_same_networks_are_always_dealt_alike(networks):
    new = measured(new_times(scatter=0.1), networks)
    first, second = (hold_out(source(), new)[GROUP] for _ in range(2))
    np.testing.assert_array_equal(first.predicted_ns, second.predicted_ns)
