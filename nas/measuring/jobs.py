"""What a device is asked to do with the networks of a space."""

from collections.abc import Sequence

import torch

from device_agents import Feed, Job
from device_agents import Phase as JobPhase
from search_spaces import Phase, Segment, graph_inputs

_DTYPES = {torch.float32: "float32", torch.int64: "int64"}


def job_of(
    segments: tuple[Segment, ...],
    phases: Sequence[Phase],
    *,
    nodes: bool,
    max_seconds_per_phase: float,
    energy: bool,
) -> Job:
    """To run a network, or a block alone, in all phases of its space.

    Args:
        segments: of the network.
        phases: of its space.
        nodes: also take the time of each node.
        max_seconds_per_phase: as in `Job`.
        energy: as in `Job`.
    """
    return Job(
        kind="profile" if nodes else "time",
        phases=tuple(_job_phase(segments, phase) for phase in phases),
        max_seconds_per_phase=max_seconds_per_phase,
        energy=energy,
    )


def _job_phase(segments: tuple[Segment, ...], phase: Phase) -> JobPhase:
    feeds = []
    for name, spec in graph_inputs(segments).items():
        constant = phase.constants.get(name)
        low, high = (spec.low, spec.high) if constant is None else (constant, constant)
        feeds.append(
            Feed(
                name=name,
                dtype=_DTYPES[spec.dtype],
                shape=spec.sizes(phase),
                low=float(low),
                high=float(high),
            )
        )
    return JobPhase(name=phase.name, feeds=tuple(feeds))
