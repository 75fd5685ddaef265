import numpy as np

from nas.pareto import non_dominated


def test_a_point_that_another_beats_is_not_on_the_front():
    points = np.array([[1.0, 4.0], [2.0, 2.0], [3.0, 3.0], [4.0, 1.0]])
    assert non_dominated(points).tolist() == [True, True, False, True]


def test_of_equal_points_only_the_first_is_on_the_front():
    assert non_dominated(np.array([[1.0, 1.0], [1.0, 1.0]])).tolist() == [True, False]


def test_a_point_with_nan_is_never_on_the_front():
    assert non_dominated(np.array([[np.nan, 0.0], [5.0, 5.0]])).tolist() == [False, True]


def test_an_empty_set_has_an_empty_front():
    assert non_dominated(np.empty((0, 3))).tolist() == []


def test_the_front_equals_the_definition_on_random_points():
    points = np.random.default_rng(0).integers(0, 6, size=(60, 3)).astype(float)
    expected = []
    for i, p in enumerate(points):
        beaten = any((q <= p).all() and (q < p).any() for q in points)
        twin = any((q == p).all() for q in points[:i])
        expected.append(not beaten and not twin)
    assert non_dominated(points).tolist() == expected
