"""The comparison as rows: for a screen, for a CSV file, for programs."""

from collections.abc import Sequence

from nas.bench.baselines.comparison import Compared, counts, middle
from nas.bench.baselines.measuring import BaselineBench
from nas.front_row import QualityName
from nas.front_table import front_documents
from nas.open_study import OpenStudy
from nas.report.wording import ms_text, quality_text, quality_title

_GAINS: dict[QualityName, str] = {"accuracy": "gain_points", "bits_per_byte": "gain_percent"}


def document(opened: OpenStudy, bench: BaselineBench) -> dict[str, object]:
    """Everything in one mapping; gains as in `Compared`, `middle` is None where none was run."""
    quality, compared = opened.settings.objective, bench.compared
    return {
        "study": opened.name,
        "space": opened.settings.space,
        "data": opened.settings.data,
        "device": bench.device,
        "device_profile": bench.device_profile,
        "precision": opened.settings.precision,
        "quality": quality,
        "baselines": records(compared, quality),
        "middle": records([middle(compared)], quality)[0] if compared else None,
        "counts": counts(compared),
        "left_out": list(bench.left_out),
        "failures": [{"name": name, "error": why} for name, why in bench.failures.items()],
        "front": front_documents(bench.front),
    }


def records(compared: Sequence[Compared], quality: QualityName) -> list[dict[str, object]]:
    """A mapping a baseline, all of the same fields."""
    return [_record(one, quality) for one in compared]


def cells(compared: Sequence[Compared], quality: QualityName) -> list[dict[str, object]]:
    """What fits on a screen, a mapping a baseline."""
    return [_cells(one, quality) for one in compared]


def middle_line(compared: Sequence[Compared], quality: QualityName) -> str:
    """What the front has beside the middle baseline, in a sentence."""
    one = middle(compared)
    return (
        f"middle baseline: {one.baseline.member.name}, {ms_text(one.baseline.latency_ms)} ms; "
        f"{_gain_words(one.gain, quality)}; {_latency_words(one.latency_gain, quality)}"
    )


def _gain_words(gain: float | None, quality: QualityName) -> str:
    if gain is None:
        return "nothing on the front is as fast"
    unit = "points" if quality == "accuracy" else "%"
    better = "better" if gain >= 0 else "worse"
    return f"at that latency the front is {abs(gain):.2f} {unit} {better}"


def _latency_words(gain: float | None, quality: QualityName) -> str:
    if gain is None:
        return "nothing on the front is as good"
    words, less = quality.replace("_", " "), "less" if gain >= 0 else "more"
    return f"at that {words} it takes {abs(gain):.1f} % {less} time"


def _record(one: Compared, quality: QualityName) -> dict[str, object]:
    baseline, measured = one.baseline, one.baseline.measured
    member = baseline.member
    return {
        "name": member.name,
        "id": member.architecture.id,
        quality: baseline.quality,
        "standard_error": baseline.standard_error,
        "measured_ms": measured.latency_ms,
        "measured_low_ms": measured.low_ms,
        "measured_high_ms": measured.high_ms,
        "measured_memory_mib": measured.memory_mib,
        "measured_prefill_ms": measured.prefill_ms,
        "timing": measured.quality,
        "verdict": one.verdict,
        "front_id": one.rival and one.rival.architecture.id,
        f"front_{quality}": one.rival and one.rival.quality,
        "front_standard_error": one.rival and one.rival.standard_error,
        "front_ms": one.rival and one.rival.shown_ms,
        _GAINS[quality]: one.gain,
        "faster_id": one.faster and one.faster.architecture.id,
        "faster_ms": one.faster and one.faster.shown_ms,
        "latency_gain_percent": one.latency_gain,
        "arch": member.architecture.to_json(),
    }


def _cells(one: Compared, quality: QualityName) -> dict[str, object]:
    measured, rival = one.baseline.measured, one.rival
    low, high = ms_text(measured.low_ms), ms_text(measured.high_ms)
    title = quality_title(quality).removesuffix(" (lower is better)")
    return {
        "baseline": one.baseline.member.name,
        "arch": one.baseline.member.architecture.id,
        title: _number(one.baseline.quality, quality, one.baseline.standard_error),
        "measured ms": f"{ms_text(measured.latency_ms)} ({low} to {high})",
        "MiB": measured.memory_mib,
        "front": None if rival is None else _number(rival.quality, quality),
        "points" if quality == "accuracy" else "gain %": _rounded(one.gain, 2),
        "saved %": _rounded(one.latency_gain, 1),
        "verdict": one.verdict,
    }


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _number(value: float, quality: QualityName, standard_error: float | None = None) -> str:
    text = quality_text(value, quality, standard_error)
    return text.removesuffix(" %").removesuffix(" bits per byte")
