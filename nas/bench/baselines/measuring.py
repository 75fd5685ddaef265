"""The hand-made networks of a study's space, scored and measured as its front was."""

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from device_agents import Device, JobFailed
from latency_lut import open_store
from nas.bench.baselines.comparison import Baseline, Compared, compare_with_front
from nas.bench.baselines.hand_made import Member, hand_made
from nas.errors import BadInput
from nas.estimators import QualityEstimator
from nas.front import Front, Measured, read_front, read_measurements
from nas.front_table import require_feasible
from nas.measuring.access import require_profile
from nas.measuring.measurement import Rig, open_rig
from nas.open_study import OpenStudy
from nas.surroundings import Surroundings
from nas.verification import as_measured, verified_record

OnMember = Callable[[int, Member], None]
"""Told the number, from 0, of the network that comes next."""


@dataclass(frozen=True, kw_only=True)
class BaselineBench:
    """The verified front of a study beside what people would have picked."""

    device: str
    device_profile: str
    front: Front
    compared: tuple[Compared, ...]
    """Fastest first."""
    left_out: tuple[str, ...]
    """Names of those that the searched part of the space does not hold."""
    failures: Mapping[str, str]
    """Message by name, of those that the device could not run."""


def bench_baselines(opened: OpenStudy, device: Device, around: Surroundings) -> BaselineBench:
    """Measures what was not measured before, and keeps it at once: a second call goes on.

    Raises:
        BadInput: the space has no hand-made networks, the front is not wholly verified on this
            device, or the study's own device is no longer what it was.
        NothingMeetsBudget: the front is empty.
        DeviceUnusable: the device cannot be reached.
    """
    made = hand_made(opened.settings.space, opened.space)
    with (
        open_store(around.storage) as store,
        open_rig(
            device, opened.space, store, opened.settings.precision, wait_s=around.wait_s
        ) as rig,
    ):
        if device.name == opened.settings.device:
            require_profile(store, opened.device_profile, rig.profile, opened.name)
        front = _verified_front(opened, rig)
        estimator = opened.estimator()
        known = read_measurements(opened.study, rig.profile.id)
        with around.bar("baselines") as report:
            baselines, failures = measure_members(
                made.members,
                rig,
                estimator,
                known,
                on_member=lambda n, m: report(n / len(made.members), None, m.name),
            )
            report(1.0, None, f"{len(baselines)} measured")
    return BaselineBench(
        device=device.name,
        device_profile=rig.profile.id,
        front=front,
        compared=compare_with_front(baselines, front.rows),
        left_out=made.left_out,
        failures=failures,
    )


def measure_members(
    members: tuple[Member, ...],
    rig: Rig,
    estimator: QualityEstimator,
    known: Mapping[str, Measured],
    *,
    on_member: OnMember = lambda *_: None,
) -> tuple[list[Baseline], dict[str, str]]:
    """The baselines, and why the device could not run the others, by name.

    Args:
        members: of the rig's space.
        rig: on which the front was verified.
        estimator: that scored the front.
        known: by architecture id, what the study knows already.
        on_member: called before each network.
    """
    baselines, failures = [], {}
    for number, member in enumerate(members):
        on_member(number, member)
        architecture = member.architecture
        try:
            measured = known.get(architecture.id) or as_measured(
                rig, verified_record(rig, architecture, estimator.modules)
            )
        except JobFailed as exc:
            failures[member.name] = str(exc)
            continue
        quality = estimator.evaluate(architecture)
        baselines.append(
            Baseline(
                member=member,
                quality=quality.value,
                standard_error=quality.standard_error,
                measured=measured,
            )
        )
    return baselines, failures


def _verified_front(opened: OpenStudy, rig: Rig) -> Front:
    front = read_front(opened.study, opened.space, rig.profile.id)
    require_feasible(opened.name, front, opened.settings, opened.space.smallest())
    left = sum(not row.verified for row in front.rows)
    if left:
        other = "" if rig.device.name == opened.settings.device else f" --device {rig.device.name}"
        first = f"nas verify {shlex.quote(opened.name)}{other}"
        raise BadInput(
            f"{left} of {len(front.rows)} networks on the front of {opened.name!r} are not "
            f"measured on {rig.device.name!r}; first run: {first}"
        )
    return front
