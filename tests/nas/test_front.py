import optuna
import pytest
from optuna.trial import TrialState

from nas.errors import BadInput
from nas.front import Measured, read_front, record_measurement, violation
from nas.study import read_settings
from tests.latency_lut.networks import all_architectures, tiny_space
from tests.nas.studies import new_study

SPACE = tiny_space()
NETWORKS = list(all_architectures(SPACE))


def add(study, number, quality, latency_ms, memory_mib=8.0, **attributes):
    """A trial as a search leaves it; its high end is 10 % above."""
    architecture = NETWORKS[number]
    usual = {
        "architecture": architecture.to_json(),
        "id": architecture.id,
        "low_ms": 0.9 * latency_ms,
        "high_ms": 1.1 * latency_ms,
        "params": 100,
        "macs": 1000,
        "standard_error": 0.01,
    }
    study.add_trial(
        optuna.trial.create_trial(
            state=TrialState.COMPLETE,
            values=[quality, latency_ms, memory_mib],
            user_attrs=usual | attributes,
        )
    )


def measure(study, number, latency_ms, memory_mib=8.0):
    """As the device says; its high end is 5 % above."""
    measured = Measured(
        latency_ms=latency_ms,
        low_ms=0.95 * latency_ms,
        high_ms=1.05 * latency_ms,
        p90_ms=1.04 * latency_ms,
        memory_mib=memory_mib,
        runs=70,
        quality="good",
    )
    record_measurement(study, "profile-1", NETWORKS[number].id, measured)


def trials(rows):
    return [row.trial for row in rows]


def test_the_front_is_what_nothing_beats_fastest_first():
    study = new_study()
    add(study, 0, 0.90, 4.0)
    add(study, 1, 0.80, 2.0)
    add(study, 2, 0.85, 5.0)  # slower and worse than the first
    add(study, 3, 0.70, 3.0, memory_mib=6.0)  # but smaller than all
    front = read_front(study, SPACE)
    assert trials(front.rows) == [1, 3, 0]
    assert trials(front.evaluated) == [1, 3, 0, 2]
    assert front.dropped == ()
    assert front.least_violating is None


def test_of_bits_per_byte_fewer_are_better():
    study = new_study(objective="bits_per_byte")
    add(study, 0, 2.0, 4.0, prefill_ms=40.0)
    add(study, 1, 2.5, 5.0)
    (row,) = read_front(study, SPACE).rows
    assert (row.trial, row.quality_name, row.prefill_ms) == (0, "bits_per_byte", 40.0)


def test_a_network_proposed_twice_stands_once():
    study = new_study()
    add(study, 0, 0.9, 4.0)
    add(study, 0, 0.9, 4.0, duplicate_of=0)
    assert len(read_front(study, SPACE).evaluated) == 1


def test_a_row_tells_all_that_its_trial_knows():
    study = new_study()
    add(study, 5, 0.9, 4.0)
    (row,) = read_front(study, SPACE).rows
    assert row.architecture == NETWORKS[5]
    assert (row.low_ms, row.latency_ms, row.high_ms) == pytest.approx((3.6, 4.0, 4.4))
    assert (row.params, row.macs, row.standard_error) == (100, 1000, 0.01)
    assert not row.verified
    assert row.measured_ms is None


def test_a_measurement_takes_the_place_of_the_prediction():
    study = new_study()
    add(study, 0, 0.90, 4.0)
    add(study, 1, 0.80, 3.0)
    measure(study, 1, 4.5)  # slower than the better one now
    front = read_front(study, SPACE)
    assert trials(front.rows) == [0]
    slow = next(row for row in front.evaluated if row.trial == 1)
    assert slow.verified
    assert (slow.latency_ms, slow.measured_ms, slow.shown_ms) == (3.0, 4.5, 4.5)


def test_a_budget_counts_with_the_high_end_of_the_interval():
    study = new_study(max_latency_ms=4.2)
    add(study, 0, 0.90, 4.0)  # up to 4.4
    add(study, 1, 0.80, 3.0)
    front = read_front(study, SPACE)
    assert trials(front.rows) == [1]
    assert front.dropped == ()  # it was never on the front


def test_what_breaks_its_budget_when_measured_is_dropped_with_the_reason():
    study = new_study(max_latency_ms=5.0, max_memory_mib=10.0)
    add(study, 0, 0.90, 4.0)
    add(study, 1, 0.80, 3.0)
    add(study, 2, 0.70, 2.0)
    measure(study, 0, 5.0)
    measure(study, 1, 3.0, memory_mib=12.0)
    front = read_front(study, SPACE)
    assert trials(front.rows) == [2]
    assert {d.row.trial: d.reason for d in front.dropped} == {
        0: "up to 5.25 ms measured, budget 5",
        1: "12 MiB measured, budget 10",
    }


def test_a_memory_that_the_device_cannot_measure_stays_the_predicted_one():
    study = new_study(max_memory_mib=10.0)
    add(study, 0, 0.90, 4.0)
    measure(study, 0, 4.0, memory_mib=None)
    (row,) = read_front(study, SPACE).rows
    assert row.shown_memory_mib == 8.0


def test_a_measured_peak_does_not_let_worse_networks_up_that_were_not_measured():
    study = new_study()
    add(study, 0, 0.90, 4.0, memory_mib=8.0)
    add(study, 1, 0.80, 5.0, memory_mib=8.0)
    measure(study, 0, 4.0, memory_mib=12.0)
    assert trials(read_front(study, SPACE).rows) == [0]


def test_where_nothing_meets_the_budgets_the_nearest_is_told():
    study = new_study(max_latency_ms=2.0, max_memory_mib=4.0)
    add(study, 0, 0.90, 4.0, memory_mib=4.0)  # up to 4.4 ms: over by 1.2
    add(study, 1, 0.80, 2.0, memory_mib=6.0)  # over by half in memory
    front = read_front(study, SPACE)
    assert front.rows == ()
    assert front.least_violating.trial == 1
    assert violation(front.least_violating, read_settings(study)) == pytest.approx(0.5)


def test_a_study_without_a_trial_has_an_empty_front():
    front = read_front(new_study(), SPACE)
    assert (front.rows, front.evaluated, front.least_violating) == ((), (), None)


def test_a_study_of_somebody_else_has_no_front():
    with pytest.raises(BadInput, match="was not made by this version"):
        read_front(optuna.create_study(), SPACE)
