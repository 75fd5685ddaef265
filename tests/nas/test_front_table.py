import dataclasses

import pytest

from nas.errors import NothingMeetsBudget
from nas.front import Front
from nas.front_row import Dropped
from nas.front_table import front_cells, front_documents, require_feasible
from tests.nas.front_rows import made_up_row, measured

CONTRACT = "trial arch accuracy latency_ms low_ms high_ms memory_mib verified measured_ms".split()


def front_of(*rows, evaluated=None):
    return Front(rows=rows, evaluated=rows if evaluated is None else evaluated, dropped=())


def test_a_document_holds_the_fields_of_the_contract():
    (document,) = front_documents(front_of(made_up_row(3)))
    assert set(CONTRACT) <= document.keys()
    assert document["trial"] == 3
    assert document["verified"] is False
    assert document["measured_ms"] is None


def test_the_architecture_of_a_document_can_be_given_to_other_commands():
    row = made_up_row(3)
    (document,) = front_documents(front_of(row))
    assert document["arch"] == {
        "id": row.architecture.id,
        "space": "mobile",
        "choices": {"resolution": 28, "width": 0.5, "trial": 3},
    }


def test_a_verified_network_tells_what_was_measured_and_what_was_predicted():
    (document,) = front_documents(front_of(measured(made_up_row(3), 1.5)))
    assert (document["verified"], document["latency_ms"]) == (True, 4.0)
    assert document["measured_ms"] == pytest.approx(6.0)


def test_the_quality_of_text_is_named_bits_per_byte_and_lacks_an_accuracy():
    row = made_up_row(3, quality=2.1, quality_name="bits_per_byte", prefill_ms=40.0)
    (document,) = front_documents(front_of(row))
    assert document["bits_per_byte"] == 2.1
    assert "accuracy" not in document
    assert front_cells(front_of(row))[0]["prefill ms"] == 40.0
    assert "prefill ms" not in front_cells(front_of(made_up_row(3)))[0]


def test_a_screen_shows_prediction_with_interval_beside_the_measurement():
    (cells,) = front_cells(front_of(measured(made_up_row(3), 1.5)))
    assert cells["predicted ms"] == "4 (3.8 to 4.2)"
    assert cells["measured ms"] == pytest.approx(6.0)


def test_a_front_with_a_network_is_feasible():
    require_feasible("s", front_of(made_up_row(1)))


def test_without_a_front_the_least_violating_network_is_shown():
    rows = (made_up_row(1), dataclasses.replace(made_up_row(2), latency_ms=9.0))
    with pytest.raises(NothingMeetsBudget) as caught:
        require_feasible("s", front_of(evaluated=rows))
    first, second = str(caught.value).splitlines()
    assert first.startswith("none of 2 networks of study 's' meets the budget. Nearest: ")
    assert "up to 4.2 ms, 20 MiB, accuracy 0.9000" in first
    assert second == rows[0].architecture.to_json()
    assert caught.value.exit_code == 3


def test_why_the_nearest_network_was_dropped_is_told_where_it_was():
    row = made_up_row(1)
    front = dataclasses.replace(
        front_of(evaluated=(row,)), dropped=(Dropped(row, "board1: crash: it died"),)
    )
    with pytest.raises(NothingMeetsBudget, match=r"accuracy 0\.9000; board1: crash: it died\n"):
        require_feasible("s", front)


def test_a_study_without_a_trial_says_so():
    with pytest.raises(NothingMeetsBudget, match="has evaluated no network yet"):
        require_feasible("s", front_of())
