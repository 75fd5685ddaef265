import pytest

from nas.bench.baselines import cells, compare_with_front, middle_line, records
from tests.nas.bench.baselines.made_up_baselines import baseline, measured_row

FRONT = (measured_row(0, 1.0, 0.90), measured_row(1, 2.0, 0.94))


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (
            baseline(2.5, 0.89),
            "at that latency the front is 5.00 points better; "
            "at that accuracy it takes 60.0 % less time",
        ),
        (baseline(0.5, 0.95), "nothing on the front is as fast; nothing on the front is as good"),
        (
            baseline(1.6, 0.92),
            "at that latency the front is 2.00 points worse; "
            "at that accuracy it takes 25.0 % more time",
        ),
    ],
    ids=["dominated", "beyond the front", "ahead"],
)
def test_the_middle_baseline_is_told_in_a_sentence(one, words):
    assert middle_line(compare_with_front([one], FRONT), "accuracy").endswith(words)


def test_all_rows_have_the_same_fields_whether_the_front_has_something_there_or_not():
    compared = compare_with_front([baseline(0.5, 0.9), baseline(3.0, 0.9)], FRONT)
    for rows in (records(compared, "accuracy"), cells(compared, "accuracy")):
        assert list(rows[0]) == list(rows[1])
    first, second = records(compared, "accuracy")
    assert (first["gain_points"], first["front_id"]) == (None, None)
    assert second["gain_points"] == pytest.approx(4.0)
    assert cells(compared, "accuracy")[1]["accuracy (%)"] == "90.00 ± 0.40"
