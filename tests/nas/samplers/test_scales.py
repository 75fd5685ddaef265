import numpy as np
import pytest
from optuna.study import StudyDirection

from nas.samplers.scales import ErrorScale, PointScale
from tests.nas.samplers.worlds import Decoders, Layers

UP, DOWN = StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE


def test_the_distance_to_the_best_counts_by_its_logarithm():
    assert ErrorScale(1.0).error(0.9, UP) == pytest.approx(np.log(0.1))
    assert ErrorScale(0.0).error(2.5, DOWN) == pytest.approx(np.log(2.5))
    assert ErrorScale(1.0).deviation(0.9, 0.01) == pytest.approx(0.1)


@pytest.mark.parametrize(("best", "value", "direction"), [(1.0, 87.0, UP), (1.0, 0.5, DOWN)])
def test_a_value_beyond_the_best_is_refused_rather_than_taken_for_a_bad_one(best, value, direction):
    with pytest.raises(ValueError, match=f"the value {value:g}, which is better than best=1"):
        ErrorScale(best).error(value, direction)


def test_without_a_best_the_value_counts_and_lower_is_better():
    assert ErrorScale(None).error(3.0, UP) == -3.0
    assert ErrorScale(None).error(3.0, DOWN) == 3.0
    assert ErrorScale(None).deviation(3.0, 0.5) == 0.5


def test_a_perfect_network_has_a_finite_error():
    assert np.isfinite(ErrorScale(1.0).error(1.0, UP))
    assert np.isfinite(ErrorScale(1.0).deviation(1.0, 0.01))


def usual():
    space, rng = Layers(6, values=4), np.random.default_rng(0)
    codes = space.canonical(rng.integers(space.sizes, size=(2000, 7), dtype=np.int16))
    return space, codes, space.known(codes)


def test_features_are_around_zero_and_of_spread_one():
    space, codes, known = usual()
    points = PointScale(space, codes, known).points(codes, known)
    assert points.features.mean(axis=0) == pytest.approx(np.zeros(points.features.shape[1]))
    assert points.features.std(axis=0) == pytest.approx(np.ones(points.features.shape[1]))


def test_values_are_in_the_order_of_what_they_add_to_the_cost():
    space, codes, known = usual()
    scale = PointScale(space, codes, known)
    row = space.canonical(np.zeros((1, 7), np.int16))[0]
    rows = np.repeat(row[None], 4, axis=0)
    rows[:, 1] = range(4)
    effects = scale.points(rows, space.known(rows)).features[:, -6]  # of layer0
    assert (np.diff(effects) > 0).all() or (np.diff(effects) < 0).all()


def test_costs_that_may_be_zero_stay_as_they_are():
    space, codes, known = usual()
    zero = type(known)(known.costs - known.costs.min(), known.features, known.violations)
    assert PointScale(space, codes, zero).costs(zero).min() == 0.0


def test_what_changes_the_cost_most_is_most_important_where_there_are_many_choices():
    space, rng = Decoders(), np.random.default_rng(0)
    codes = space.canonical(
        rng.integers(space.sizes, size=(2000, len(space.sizes)), dtype=np.int16)
    )
    importance = PointScale(space, codes, space.known(codes)).importance
    assert importance.sum() == pytest.approx(1.0)
    assert importance.argmax() == 1  # the width
    assert importance[1] > 10 * np.delete(importance, 1).max()


def test_the_few_choices_of_a_space_that_can_be_listed_are_of_one_importance():
    space, codes, known = usual()
    assert PointScale(space, codes, known).importance == pytest.approx(np.full(7, 1 / 7))
