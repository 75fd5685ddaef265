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
from nas.campaign.crew import Crew
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
        profile(Crew([opened]))
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
    return repair(study, rig, estimator, outcome, tries_each=tries_each).front


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


def raising(error):
    def event(_):
        raise error

    return event


class Killed(CountingEstimator):
    def evaluate(self, architecture):
        raise KeyboardInterrupt


def replacements(study):
    return {t.number for t in study.trials if REPLACEMENT in t.user_attrs}


@pytest.fixture
def broken(rig, session):
    """A study whose slowest network on the front is slower than predicted, and its estimator."""
    study, estimator = searched(rig)
    row = slowest(rig, study)
    slower(session, lambda nodes: nodes == nodes_ns(rig, row.architecture))
    return study, estimator, row


@pytest.mark.parametrize("sampler", ["pareto", "tpe"])
def test_a_network_that_breaks_its_budget_is_replaced_by_one_that_keeps_it(rig, session, sampler):
    study, estimator = searched(rig, sampler=sampler)
    row = slowest(rig, study)
    slower(session, lambda nodes: nodes == nodes_ns(rig, row.architecture))
    front = repaired(rig, study, estimator)
    repairs = read_repairs(study, front)
    assert [item.row.trial for item in front.dropped] == [row.trial]
    assert (repairs.broken, repairs.replaced) == (1, 1)
    assert 1 <= repairs.tried <= 10
    assert {found.trial for found in front.rows} & replacements(study)
    assert all(found.verified and found.measured_high_ms <= BUDGET_MS for found in front.rows)


def test_a_second_repair_has_nothing_left_to_do(rig, session, broken):
    study, estimator, _ = broken
    front = repaired(rig, study, estimator)
    session.jobs.clear()
    trials, asked = len(study.trials), len(estimator.asked)
    assert repaired(rig, study, estimator) == front
    assert (session.jobs, len(study.trials), len(estimator.asked)) == ([], trials, asked)


def test_a_repair_ends_although_whatever_it_tries_breaks_the_budget_too(rig, session):
    study, estimator = searched(rig)
    slower(session, lambda nodes: sum(nodes) > 0.025e6)
    front = repaired(rig, study, estimator, tries_each=2)
    repairs = read_repairs(study, front)
    assert repairs.broken >= 2
    assert repairs.replaced < repairs.broken
    assert repairs.tried == 2 * repairs.broken
    assert all(row.verified and row.measured_high_ms <= BUDGET_MS for row in front.rows)


def test_a_repair_killed_before_it_measured_goes_on_with_the_tries_that_are_left(
    rig, session, broken
):
    study, estimator, _ = broken
    verify(study, rig, modules_of(rig))
    usual, session.event = session.event, raising(GONE)
    with pytest.raises(ConnectionLost):
        repaired(rig, study, estimator)
    begun = read_repairs(study, read_front(study, rig.space))
    assert (begun.replaced, begun.tried > 0) == (0, True)
    session.event = usual
    asked = len(estimator.asked)
    repairs = read_repairs(study, repaired(rig, study, estimator))
    assert repairs.replaced == 1
    assert repairs.tried - begun.tried == len(estimator.asked) - asked
    assert len(set(estimator.asked)) == len(estimator.asked)


def test_a_repair_killed_in_its_search_goes_on_with_it(rig, broken):
    study, estimator, _ = broken
    with pytest.raises(KeyboardInterrupt):
        repaired(rig, study, Killed(rig.space))
    assert read_repairs(study, read_front(study, rig.space)).tried == 0
    assert read_repairs(study, repaired(rig, study, estimator)).replaced == 1


def test_without_tries_the_front_is_measured_only(rig, broken):
    study, estimator, row = broken
    asked = len(estimator.asked)
    front = repaired(rig, study, estimator, tries_each=0)
    assert len(estimator.asked) == asked
    assert [item.row.trial for item in front.dropped] == [row.trial]
    assert read_repairs(study, front) == Repairs(broken=1, tried=0, replaced=0)


def test_without_a_budget_nothing_is_replaced(rig, session):
    study, estimator = searched(rig, max_latency_ms=None)
    slower(session, lambda nodes: True)
    asked = len(estimator.asked)
    front = repaired(rig, study, estimator)
    assert (front.dropped, len(estimator.asked)) == ((), asked)


def test_the_lut_learns_from_what_was_verified(rig, broken):
    study, _, row = broken
    verify(study, rig, modules_of(rig))
    (phase,) = Predictor(rig.space, rig.store.lut(rig.profile.id)).predict(row.architecture).phases
    assert phase.latency_ns * 1e-6 > row.latency_ms


def test_what_was_not_measured_is_predicted_anew_and_what_was_keeps_its_prediction(rig, broken):
    study, estimator, row = broken
    before = {found.trial: found for found in read_front(study, rig.space).evaluated}
    repaired(rig, study, estimator, tries_each=0)
    lut = rig.store.lut(rig.profile.id)
    for found in read_front(study, rig.space).evaluated:
        (phase,) = Predictor(rig.space, lut).predict(found.architecture).phases
        was = before[found.trial].latency_ms
        assert found.latency_ms == (was if found.verified else phase.latency_ns * 1e-6)


def test_every_sampler_is_told_once_that_the_network_breaks_its_budget(rig, broken):
    study, estimator, row = broken
    for _ in range(2):
        repaired(rig, study, estimator, tries_each=0)
    (told,) = [trial for trial in study.trials if MEASURED in trial.user_attrs]
    assert told.params == study.trials[row.trial].params
    assert told.constraints == {"latency": pytest.approx(1.5 * row.latency_ms / BUDGET_MS - 1)}
    found = measured_violations(study, rig.space)
    assert found[row.architecture] == told.constraints["latency"]
    assert {over for network, over in found.items() if network != row.architecture} == {0.0}


def test_where_all_that_was_measured_breaks_the_budget_it_is_told_what_must_give(rig, session):
    study, estimator = searched(rig, max_latency_ms=0.020)
    slower(session, lambda nodes: True)
    front = repaired(rig, study, estimator)
    assert front.rows == ()
    repairs = read_repairs(study, front)
    assert repairs.hopeless
    assert repairs.tried <= repairs.broken  # and not ten times as many
    with pytest.raises(NothingMeetsBudget) as caught:
        require_feasible("s", front, read_settings(study), rig.space.smallest())
    told, nearest = str(caught.value).splitlines()
    assert "up to 0.02232 ms" in told
    assert "11.6 % over --max-latency-ms 0.02; --max-latency-ms 0.0224 would let " in told
    assert told.endswith("the smallest network of the space is the nearest")
    assert rig.space.parse(nearest) == rig.space.smallest()
