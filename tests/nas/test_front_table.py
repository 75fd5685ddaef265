import dataclasses

import pytest

from nas.errors import NothingMeetsBudget
from nas.front import Front
from nas.front_row import Dropped
from nas.front_table import front_cells, front_documents, require_feasible
from nas.study import read_settings
from tests.nas.front_rows import made_up_row, measured
from tests.nas.studies import new_study

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


def require(front, **budgets):
    settings = read_settings(new_study(**budgets))
    require_feasible("s", front, settings, made_up_row(7).architecture)


def refusal(front, **budgets):
    with pytest.raises(NothingMeetsBudget) as caught:
        require(front, **budgets)
    assert caught.value.exit_code == 3
    return str(caught.value)


def test_a_front_with_a_network_is_feasible():
    require(front_of(made_up_row(1)), max_latency_ms=5.0)


def test_without_a_front_the_least_violating_network_and_what_must_give_are_shown():
    rows = (made_up_row(1), made_up_row(7, latency_ms=9.0, high_ms=9.5))
    first, second = refusal(front_of(evaluated=rows), max_latency_ms=4.0).splitlines()
    one = rows[0].architecture.id
    assert first == (
        f"none of 2 networks of study 's' meets the budget. Nearest: {one}, up to 4.2 ms, 20 MiB "
        "predicted, accuracy 0.9000, 5 % over --max-latency-ms 4; --max-latency-ms 4.21 would let "
        f"{one} in, under another --study name; the smallest network of the space takes up to "
        "9.5 ms, 20 MiB predicted"
    )
    assert second == rows[0].architecture.to_json()


def test_of_two_budgets_each_is_told_that_alone_would_do():
    rows = (made_up_row(1), measured(made_up_row(2, latency_ms=1.0), 1.0))
    told = refusal(front_of(evaluated=rows), max_latency_ms=4.0, max_memory_mib=21.0)
    assert f"--max-latency-ms 4.21 would let {rows[0].architecture.id} in or" in told
    assert f"or --max-memory-mib 22 would let {rows[1].architecture.id} in, under" in told


def test_where_neither_budget_alone_would_do_both_are_told():
    rows = (made_up_row(1), made_up_row(2, high_ms=5.0))
    told = refusal(front_of(evaluated=rows), max_latency_ms=4.0, max_memory_mib=10.0)
    assert "5 % over --max-latency-ms 4, 100 % over --max-memory-mib 10" in told
    assert (
        f"; --max-latency-ms 4.21 with --max-memory-mib 20 would let {rows[0].architecture.id}"
        in told
    )


def test_a_network_that_cannot_be_run_would_not_be_let_in_by_any_budget():
    row, other = made_up_row(1), made_up_row(2, high_ms=5.0)
    dropped = (Dropped(row, "board1: crash: it died"),)
    alone = dataclasses.replace(front_of(evaluated=(row,)), dropped=dropped)
    told = refusal(alone, max_latency_ms=4.2).splitlines()[0]
    assert told.endswith("accuracy 0.9000; board1: crash: it died")
    both = dataclasses.replace(front_of(evaluated=(row, other)), dropped=dropped)
    told = refusal(both, max_latency_ms=4.2)
    assert f"Nearest: {other.architecture.id}, " in told
    assert "--max-latency-ms 5 would let" in told


def test_a_study_without_a_trial_says_so():
    assert "has evaluated no network yet" in refusal(front_of())
