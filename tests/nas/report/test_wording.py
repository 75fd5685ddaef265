import pytest

from nas.report.wording import (
    count_text,
    flat_facts,
    headline,
    ms_text,
    quality_text,
    summary,
)
from tests.nas.front_rows import made_up_language_report, made_up_report, made_up_row, measured


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1234, "0.123"),
        (4.213, "4.21"),
        (12.34, "12.3"),
        (123.4, "123"),
        (1234.5, "1234"),
        (0, "0"),
    ],
)
def test_milliseconds_have_three_significant_digits(value, text):
    assert ms_text(value) == text


def test_large_counts_are_shortened():
    assert [count_text(n) for n in (980, 1_230_000, 45_600_000_000)] == ["980", "1.23 M", "45.6 G"]


def test_accuracy_is_in_percent_and_bits_per_byte_is_not():
    assert quality_text(0.9614, "accuracy", 0.004) == "96.14 ± 0.40 %"
    assert quality_text(2.1337, "bits_per_byte") == "2.134 bits per byte"


def test_the_headline_says_how_much_of_the_front_was_measured():
    row = made_up_row(0)
    proofs = {
        (row,): "One network is on the front for raspberrypi5 within 10 ms, "
        "predicted, not measured yet: 90.00 % in 4.00 ms.",
        (measured(row, 1.1),): "One network is on the front for raspberrypi5 within 10 ms, "
        "measured on it: 90.00 % in 4.40 ms.",
    }
    for front, sentence in proofs.items():
        assert headline(made_up_report(front=front)) == sentence
    assert "12 of them measured on it" in headline(made_up_report())
    assert "every one measured on it" in headline(made_up_language_report())


def test_the_headline_of_a_language_study_is_about_tokens():
    assert "ms a token" in headline(made_up_language_report())


def test_the_headline_without_a_front_tells_the_fastest_and_the_smallest():
    row = made_up_row(0, high_ms=12.0, memory_mib=30.0)
    report = made_up_report(front=(), evaluated=(row,), max_memory_mib=16.0)
    assert headline(report).endswith(
        "holds 10 ms and 16 MiB on raspberrypi5: the fastest takes up to 12.0 ms, "
        "the smallest 30.0 MiB."
    )
    assert summary(report) == "1 evaluated, none on the front"


def test_the_summary_gives_both_ends_of_the_front():
    assert summary(made_up_report()) == (
        "13 on the front, 12 measured: 82.71 to 97.13 % in 1.37 to 9.08 ms"
    )
    one = made_up_report(front=(measured(made_up_row(0), 1.0),))
    assert summary(one) == "1 on the front, all measured: 90.00 % in 4.00 ms"


def test_a_slow_network_that_is_there_for_its_memory_is_not_called_the_best():
    best = made_up_row(0, latency_ms=2.0, quality=0.95)
    small = made_up_row(1, latency_ms=9.0, quality=0.90, memory_mib=2.0)
    report = made_up_report(front=(best, small))
    assert headline(report).endswith("predicted, not measured yet: 95.00 % in 2.00 ms.")
    assert summary(report).endswith("95.00 % in 2.00 ms")


def test_nested_facts_become_rows_and_absent_ones_are_left_out():
    facts = {"cpu": {"model_name": "A76", "cores": [0, 1]}, "sensor": None, "threads": 1}
    assert flat_facts(facts) == {"cpu model name": "A76", "cpu cores": "0, 1", "threads": "1"}
