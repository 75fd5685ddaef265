"""Made-up rows and reports for the tests of tables, pictures, report and dashboard."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from nas.front_row import Dropped, FrontRow, QualityName, Report, SegmentShare
from search_spaces import Architecture


def made_up_row(trial: int, **changes: object) -> FrontRow:
    row = FrontRow(
        trial=trial,
        architecture=Architecture("mobile", {"resolution": 28, "width": 0.5, "trial": trial}),
        quality=0.9,
        quality_name="accuracy",
        standard_error=0.006,
        latency_ms=4.0,
        low_ms=3.8,
        high_ms=4.2,
        memory_mib=20.0,
        params=1_230_000,
        macs=45_600_000,
    )
    return dataclasses.replace(row, **changes)  # type: ignore[arg-type]


def measured(row: FrontRow, ratio: float) -> FrontRow:
    centre = row.latency_ms * ratio
    return dataclasses.replace(
        row,
        verified=True,
        measured_ms=centre,
        measured_low_ms=centre * 0.99,
        measured_high_ms=centre * 1.01,
        measured_memory_mib=row.memory_mib * 1.1,
    )


def made_up_rows(
    number: int, *, quality_name: QualityName = "accuracy", seed: int = 0
) -> tuple[FrontRow, ...]:
    """Rows whose quality saturates with latency, as those of a search do."""
    rng = np.random.default_rng(seed)
    language = quality_name == "bits_per_byte"
    rows = []
    for trial in range(number):
        ms = float(rng.uniform(1.2, 14.0)) * (0.1 if language else 1.0)
        gain = 1 - np.exp(-ms * (4 if language else 0.4))
        luck = float(rng.exponential(0.05))
        rows.append(
            made_up_row(
                trial,
                quality=2.9 - 0.8 * gain + luck if language else 0.82 + 0.16 * gain - luck,
                quality_name=quality_name,
                latency_ms=ms,
                low_ms=ms * 0.95,
                high_ms=ms * 1.06,
                prefill_ms=ms * 40 if language else None,
                memory_mib=8 + ms,
            )
        )
    return tuple(rows)


def front_of(rows: Sequence[FrontRow], max_latency_ms: float | None = None) -> tuple[FrontRow, ...]:
    found: list[FrontRow] = []
    for row in sorted(rows, key=lambda row: row.latency_ms):
        if max_latency_ms is not None and row.high_ms > max_latency_ms:
            continue
        sign = 1 if row.quality_name == "accuracy" else -1
        if not found or sign * row.quality > sign * found[-1].quality:
            found.append(row)
    return tuple(found)


def made_up_segments(rows: Sequence[FrontRow]) -> dict[str, tuple[SegmentShare, ...]]:
    segments = {}
    for row in rows:
        language = row.quality_name == "bits_per_byte"
        places = _language_places(row.trial) if language else _image_places()
        weights = np.random.default_rng(row.trial).uniform(0.3, 1.0, len(places))
        weights *= row.latency_ms * 1e6 / weights.sum()
        segments[row.architecture.id] = tuple(
            SegmentShare(place, f"{family}(width=8)@infer/fp32", int(ns))
            for (place, family), ns in zip(places, weights, strict=True)
        )
    return segments


def made_up_report(**changes: object) -> Report:
    """A study with a front of which all but the second network were measured."""
    rows = made_up_rows(120)
    front = front_of(rows, max_latency_ms=10.0)
    ratios = np.random.default_rng(3).normal(1.01, 0.03, len(front))
    front = tuple(row if i == 1 else measured(row, float(ratios[i])) for i, row in enumerate(front))
    slow = measured(made_up_row(200, latency_ms=9.4, low_ms=9.0, high_ms=9.9), 1.09)
    report = Report(
        study="bird-feeder",
        space="mobile",
        data="mnist5k",
        device="raspberrypi5",
        precision="fp32",
        sampler="nsga2",
        accuracy="supernet",
        created="2025-03-01 12:00 UTC",
        quality_name="accuracy",
        front=front,
        evaluated=rows,
        commands=("nas search --study bird-feeder", "nas verify bird-feeder"),
        dropped=(Dropped(slow, "measured 10.2 ms, over the budget of 10 ms"),),
        max_latency_ms=10.0,
        segments=made_up_segments(front),
        coverage_known=1204,
        coverage_total=1318,
        device_facts={
            "board": "Raspberry Pi 5 Model B Rev 1.0",
            "cpu": {"model": "Cortex-A76", "cores": 4, "governor": "performance"},
            "os": "Debian GNU/Linux 12",
            "onnxruntime": "1.31.0",
            "provider": "CPUExecutionProvider",
            "threads": 1,
            "pinned_cores": [3],
        },
        quality_floor=0.1,
    )
    return dataclasses.replace(report, **changes)  # type: ignore[arg-type]


def made_up_language_report() -> Report:
    rows = made_up_rows(60, quality_name="bits_per_byte")
    front = tuple(measured(row, 1.02) for row in front_of(rows))
    return made_up_report(
        study="verses",
        space="language",
        data="kjv",
        quality_name="bits_per_byte",
        front=front,
        evaluated=rows,
        dropped=(),
        max_latency_ms=None,
        segments=made_up_segments(front),
        quality_floor=None,
    )


def _image_places() -> list[tuple[str, str]]:
    blocks = [(f"stage{s}.block{b}", "inverted_residual") for s in range(1, 6) for b in (1, 2)]
    return [("stem", "stem"), *blocks, ("head", "image_head")]


def _language_places(trial: int) -> list[tuple[str, str]]:
    mixers = ("mcsd", "attention")
    feeds = ("dense_feed_forward", "mixture_of_experts", "neuron_groups")
    layers: list[tuple[str, str]] = []
    for layer in range(1, 4 + trial % 3):
        layers.append((f"layer{layer}.mixer", mixers[(layer + trial) % 2]))
        layers.append((f"layer{layer}.feed_forward", feeds[(layer + trial) % 3]))
    return [("embedding", "embedding"), *layers, ("head", "language_head")]
