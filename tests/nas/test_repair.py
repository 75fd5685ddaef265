import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from device_agents import ConnectionLost
from latency_lut import Predictor
from nas.campaign.profiling import profile
from nas.errors import NothingMeetsBudget
from nas.front import measured_violations, read_front
from nas.front_table import require_feasible
from nas.repair import Repairs, read_repairs, repair
from nas.search import MEASURED, REPLACEMENT, Search
from nas.study import read_settings
from nas.study_sampler import study_sampler
from nas.verification import verify
from search_spaces import Block, Choice, ImageTask, Phase, Place, Space, TensorSpec, seeded_module
from tests.nas.arithmetic_rig import ArithmeticSession, arithmetic_rig
from tests.nas.studies import CountingEstimator, new_study

GONE = ConnectionLost("board1: the connection was lost", device="board1")
BUDGET_MS = 0.045  # of networks that take 0.016 to 0.072 ms


@dataclass(frozen=True, kw_only=True)
class Hidden(Block):
    """Two linear layers, with so many numbers between: 2 µs and 80 ns for each."""

    family: ClassVar[str] = "hidden"

    width: int

    def build(self) -> nn.Module:
        layers = (nn.Linear(4, self.width, bias=False), nn.Linear(self.width, 4, bias=False))
        return nn.Sequential(*layers)

    def specs(self) -> Mapping[str, TensorSpec]:
        return {"x": TensorSpec((1, 4), torch.float32)}


def hidden_space():
    """256 networks; those of other layers take other times."""
    names = [f"width{n}" for n in range(4)]
    widths = {name: (20 + n, 50 + 7 * n, 100 + 11 * n, 190) for n, name in enumerate(names)}
    return Space(
        name="hidden",
        task=ImageTask(),
        choices=tuple(Choice(name, widths[name]) for name in names),
        places=tuple(
            Place(f"place{n}", (name,), lambda values, name=name: Hidden(width=int(values[name])))
            for n, name in enumerate(names)
        ),
        phases=(Phase("infer"),),
    )


class SmoothEstimator(CountingEstimator):
    """Wider layers are better, less and less, and early ones more."""

    def evaluate(self, architecture):
        worth = [0.4, 0.3, 0.2, 0.1] @ np.sqrt(self.space.encode(architecture))
        return replace(super().evaluate(architecture), value=1 - 0.5 * math.exp(-worth))


@pytest.fixture
def session():
    return ArithmeticSession()


@pytest.fixture
def rig(tmp_path, session):
    """Its LUT knows the space of hidden layers, and that its canary never changes."""
    with arithmetic_rig(tmp_path, hidden_space(), session) as opened:
        profile(opened)
        session.canary_slowness = 1.0
        session.jobs.clear()
        yield opened


def searched(rig, networks=16, **changes):
    """A study that has evaluated some of the space, and its estimator."""
    study = new_study(**{"sampler": "pareto", "max_latency_ms": BUDGET_MS, **changes})
    predictor = Predictor(rig.space, rig.store.lut(rig.profile.id))
    study.sampler = study_sampler(read_settings(study), predictor, 0)
    estimator = SmoothEstimator(rig.space)
    Search(study, rig.space, predictor, estimator).run(networks)
    return study, estimator


def repaired(rig, study, estimator, tries_each=10):
    outcome = verify(study, rig, modules_of(rig))
    return repair(study, rig, estimator, modules_of(rig), outcome, tries_each=tries_each).front


def modules_of(rig):
    return lambda a: {s.place: seeded_module(s.block) for s in rig.space.segments(a)}


def slower(session, is_slow):
    """From now on networks take half as long again whose nodes, in ns, are so."""

    def event(nodes):
        session.slowness = 1.5 if is_slow([node.duration_ns for node in nodes]) else 1.0
        return "good"

    session.event = event


def nodes_ns(rig, architecture):
    widths = [segment.block.width for segment in rig.space.segments(architecture)]
    return [1000 + 40 * width for width in widths for _ in range(2)]


def slowest(rig, study):
    return read_front(study, rig.space).rows[-1]


def replacements(study):
    return {t.number for t in study.trials if REPLACEMENT in t.user_attrs}


def test_a_network_that_breaks_its_budget_is_replaced_by_one_that_keeps_it(rig, session):
    study, estimator = searched(rig)
    broken = slowest(rig, study)
    slower(session, lambda nodes: nodes == nodes_ns(rig, broken.architecture))
    front = repaired(rig, study, estimator)
    repairs = read_repairs(study, front)
    print(repairs, broken.latency_ms, [(r.trial, r.quality, r.latency_ms, r.measured_ms) for r in front.rows], [(d.row.trial,d.reason) for d in front.dropped])
    assert broken.trial in {item.row.trial for item in front.dropped}
    assert repairs.replaced == repairs.broken >= 1
    assert {row.trial for row in front.rows} & replacements(study)
    assert all(row.verified and row.measured_high_ms <= BUDGET_MS for row in front.rows)
