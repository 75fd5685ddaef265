"""A study found again: its space, its front, its supernet, and its front measured on a device."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

import optuna

from device_agents import Device
from latency_lut import open_store
from nas.accuracy.method import read_method
from nas.errors import BadInput
from nas.estimators import QualityEstimator, reopen_estimator
from nas.front import Front, has_budget, read_front
from nas.measuring.access import require_profile
from nas.measuring.measurement import open_rig
from nas.repair import repair
from nas.study import (
    StudySettings,
    add_command,
    load_study,
    open_storage,
    read_accuracy_minutes,
    read_device_profile,
    read_settings,
    require_supernet,
)
from nas.surroundings import Surroundings
from nas.verification import Verification, VerificationProgress, verify
from nas.workspace import Workspace, open_workspace, parse_only, restrict
from search_spaces import Space, load_space


@dataclass(frozen=True, kw_only=True)
class OpenStudy:
    """A study of ours, with the space that it searches; its data are read when they are needed."""

    study: optuna.Study
    settings: StudySettings
    space: Space
    device_profile: str

    @property
    def name(self) -> str:
        """Of the study."""
        return self.study.study_name

    def front(self) -> Front:
        """As of now."""
        return read_front(self.study, self.space)

    def workspace(self) -> Workspace:
        """With the data; raises DataError if they are gone."""
        return open_workspace(self.settings.space, self.settings.data, only=self.settings.only)

    def estimator(self) -> QualityEstimator:
        """As the search had it; raises BadInput if a supernet's file or the data are gone."""
        workspace, limit = self.workspace(), read_accuracy_minutes(self.study)
        method = self.settings.accuracy
        estimator = reopen_estimator(workspace, method, self.name, limit_minutes=limit)
        if read_method(method).is_supernet:
            require_supernet(self.study, workspace.supernet_file)
        return estimator


def open_study(name: str, storage_url: str) -> OpenStudy:
    """The study of that name.

    Raises:
        UnknownStudy: there is none; the nearest name is told.
        BadInput: it was not made by `nas search`.
    """
    study = load_study(open_storage(storage_url), name)
    settings = read_settings(study)
    space = load_space(settings.space, settings.task)
    return OpenStudy(
        study=study,
        settings=settings,
        space=restrict(space, parse_only(space, settings.only)),
        device_profile=read_device_profile(study),
    )


def require_same(
    opened: OpenStudy, *, space: str, only: Sequence[str] | None, data: str | None
) -> None:
    """Raises BadInput where the command line names something else than the study has."""
    settings = opened.settings
    pairs = {
        "--space": (space, settings.space),
        "--data": (data, settings.data),
        "--only": (" ".join(only or ()), " ".join(settings.only)),
    }
    for option, (asked, own) in pairs.items():
        if asked and asked != own:
            raise BadInput(
                f"study {opened.name!r} was made with {option} {own or 'left out'}, not {asked}; "
                "give the same"
            )


def verify_study(
    opened: OpenStudy, device: Device, around: Surroundings, *, tries_each: int = 0
) -> Verification:
    """Measures the study's front on its device, or on another one.

    Args:
        opened: the study.
        device: to measure on.
        around: with the storage.
        tries_each: on the study's own device, networks to try for each that breaks its budget.

    Raises:
        BadInput: the study's own device is no longer what it was.
        DeviceUnusable: the device cannot be reached; what was measured is kept.
    """
    study, estimator = opened.study, opened.estimator()
    own = device.name == opened.settings.device
    with (
        open_store(around.storage) as store,
        open_rig(
            device, opened.space, store, opened.settings.precision, wait_s=around.wait_s
        ) as rig,
        around.bar("verify") as report,
    ):

        def measuring(progress: VerificationProgress) -> None:
            report(_share(progress), None, f"{progress.measured} measured, {progress.left} left")

        if own:
            require_profile(store, opened.device_profile, rig.profile, opened.name)
            add_command(study, _verify_command(opened, tries_each))
        outcome = verify(study, rig, estimator.modules, on_progress=measuring)
        if not own:
            return outcome
        return repair(
            study,
            rig,
            estimator,
            outcome,
            tries_each=tries_each,
            on_search=lambda p: report(
                p.evaluated / p.wanted, None, f"replacing: {p.evaluated} of {p.wanted} networks"
            ),
            on_progress=measuring,
        )


def _verify_command(opened: OpenStudy, tries_each: int) -> str:
    words = ["nas", "verify", opened.name]
    repairs = tries_each > 0 and has_budget(opened.settings)
    return shlex.join([*words, "--repair", str(tries_each)] if repairs else words)


def _share(progress: VerificationProgress) -> float:
    return progress.measured / max(progress.measured + progress.left, 1)
