"""Made-up baselines, and a measured front to compare them with."""

from nas.bench.baselines import Baseline, Member
from nas.front import Measured
from search_spaces import Architecture
from tests.nas.front_rows import made_up_row


def measured_row(trial, latency_ms, quality, **changes):
    return made_up_row(
        trial,
        quality=quality,
        verified=True,
        measured_ms=latency_ms,
        measured_low_ms=latency_ms * 0.99,
        measured_high_ms=latency_ms * 1.01,
        **{"standard_error": 0.003, **changes},
    )


def baseline(latency_ms, quality, *, family="uniform", size="28 px x0.5", standard_error=0.004):
    architecture = Architecture("mobile", {"latency": latency_ms, "family": family, "size": size})
    return Baseline(
        member=Member(family=family, size=size, architecture=architecture),
        quality=quality,
        standard_error=standard_error,
        measured=Measured(
            latency_ms=latency_ms,
            low_ms=latency_ms * 0.98,
            high_ms=latency_ms * 1.02,
            p90_ms=latency_ms * 1.03,
            memory_mib=20.0,
            runs=100,
            quality="good",
        ),
    )
