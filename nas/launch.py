"""A whole search from one request: LUT filled, supernet trained, study run, front verified."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import optuna

from device_agents import Device, Inventory
from latency_lut import Lut, Predictor, coverage, open_store
from nas.access import check_precision, newest_profile
from nas.accuracy.checkpoint import load_supernet
from nas.accuracy.compute import fitting_threads
from nas.accuracy.estimator import Estimator
from nas.accuracy.supernet import Supernet
from nas.accuracy.training import default_plan, train
from nas.errors import BadInput
from nas.front import Front, read_front
from nas.measurement import PRECISION, open_rig
from nas.profiling import Campaign, campaign_words, profile
from nas.samplers import make_sampler
from nas.search import Search, SearchProgress
from nas.study import (
    StudySettings,
    check_settings,
    create_study,
    load_study,
    open_storage,
    read_settings,
)
from nas.verification import Verification, VerificationProgress, verify
from nas.workspace import Workspace, open_workspace

logger = logging.getLogger(__name__)

Bar = Callable[[str], AbstractContextManager[Callable[[float, float | None, str], None]]]
"""Opens a progress bar of a name; it is told share done, seconds left (None: unknown), words."""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """Where a command finds things and shows its progress."""

    storage: str
    devices: Path
    bar: Bar

    def device(self, name: str) -> Device:
        """The device of that name; raises UnknownDevice with the nearest name."""
        return Inventory.load(self.devices).get(name)


@dataclass(frozen=True, kw_only=True)
class SearchRequest:
    """What `nas search` was asked for."""

    space: str
    data: str
    device: str
    study: str
    only: tuple[str, ...] = ()
    trials: int = 60
    sampler: str = "nsga2"
    seed: int = 0
    precision: str = PRECISION
    max_latency_ms: float | None = None
    max_memory_mib: float | None = None
    train_minutes: float | None = None
    profile_minutes: float | None = None


def run_search(request: SearchRequest, around: Surroundings) -> Front:
    """Everything up to a front by prediction; what was done before is not done again.

    Raises:
        NasError, SpaceError, LutError, DeviceError: see each step.
    """
    check_precision(request.precision)
    _check_budgets(request)
    sampler = make_sampler(request.sampler, request.seed)
    device = around.device(request.device)
    workspace = open_workspace(request.space, request.data, only=request.only)
    storage = open_storage(around.storage)
    settings = _settings(request, workspace)
    check_settings(storage, request.study, settings)  # before the work, which may take hours
    fill_lut(workspace, device, around, minutes=request.profile_minutes, seed=request.seed)
    study = create_study(storage, request.study, settings, sampler)
    # A search that goes on must not propose again what it proposed from the same seed before.
    study.sampler = make_sampler(request.sampler, request.seed + len(study.get_trials(False)))
    estimator = train_supernet(workspace, around, minutes=request.train_minutes, seed=request.seed)
    with open_store(around.storage) as store:
        lut = store.lut(newest_profile(store, device).id, request.precision)
        predictor = Predictor(workspace.space, lut, request.precision)
    with around.bar("search") as report:
        search = Search(
            study,
            workspace.space,
            predictor,
            estimator,
            on_progress=lambda p: report(p.evaluated / p.wanted, None, _search_words(p)),
        )
        search.run(request.trials)
    return read_front(study, workspace.space)


def fill_lut(
    workspace: Workspace,
    device: Device,
    around: Surroundings,
    *,
    minutes: float | None,
    seed: int,
) -> Campaign | None:
    """Profiles what the device's LUT lacks for the space; None when it lacks nothing."""
    with open_store(around.storage) as store:
        known = store.profiles(device.name)
        if known and _complete(workspace, store.lut(known[-1].id, PRECISION)):
            return None
        with open_rig(device, workspace.space, store) as rig, around.bar("profile") as report:
            return profile(
                rig,
                minutes=minutes,
                seed=seed,
                on_progress=lambda c: report(c.done, c.remaining_s, campaign_words(c)),
            )


def train_supernet(
    workspace: Workspace, around: Surroundings, *, minutes: float | None, seed: int
) -> Estimator:
    """Trains the supernet of the space on the data, or goes on with, or reads, its checkpoint."""
    supernet = Supernet(workspace.space, seed)
    plan = default_plan(workspace.data, max_minutes=minutes, seed=seed)
    with around.bar("train") as report:
        train(
            supernet,
            workspace.data,
            plan,
            checkpoint=workspace.supernet_file,
            threads=fitting_threads(workspace.data),
            on_step=lambda p: report(p.done, p.left_s, f"loss {p.loss:.3f}"),
        )
    return Estimator(supernet, workspace.data, threads=fitting_threads(workspace.data))


@dataclass(frozen=True, kw_only=True)
class OpenStudy:
    """A study of ours, with the space and the data it was made for."""

    study: optuna.Study
    settings: StudySettings
    workspace: Workspace

    def front(self) -> Front:
        """As of now."""
        return read_front(self.study, self.workspace.space)

    def estimator(self) -> Estimator:
        """With the supernet as trained; raises BadInput if its file is gone."""
        if not self.workspace.supernet_file.exists():
            raise BadInput(
                f"the supernet {self.workspace.supernet_file} of study "
                f"{self.study.study_name!r} is gone; train it again with the same nas search"
            )
        workspace = self.workspace
        supernet = load_supernet(
            workspace.supernet_file, workspace.space, data=workspace.data.fingerprint
        )
        return Estimator(supernet, workspace.data, threads=fitting_threads(workspace.data))


def open_study(name: str, storage_url: str) -> OpenStudy:
    """The study of that name.

    Raises:
        UnknownStudy: there is none; the nearest name is told.
        BadInput: it was not made by `nas search`.
    """
    study = load_study(open_storage(storage_url), name)
    settings = read_settings(study)
    workspace = open_workspace(settings.space, settings.data, only=settings.only)
    return OpenStudy(study=study, settings=settings, workspace=workspace)


def verify_study(opened: OpenStudy, device: Device, around: Surroundings) -> Verification:
    """Measures the study's front on the device.

    Raises:
        DeviceUnusable: the device cannot be reached; what was measured is kept.
    """
    estimator = opened.estimator()

    with (
        open_store(around.storage) as store,
        open_rig(device, opened.workspace.space, store) as rig,
        around.bar("verify") as report,
    ):
        return verify(
            opened.study,
            rig,
            estimator.modules,
            on_progress=lambda p: report(_share(p), None, f"{p.measured} measured, {p.left} left"),
        )


def _check_budgets(request: SearchRequest) -> None:
    for name, budget in (
        ("--max-latency-ms", request.max_latency_ms),
        ("--max-memory-mib", request.max_memory_mib),
    ):
        if budget is not None and not budget > 0:
            raise BadInput(f"{name} {budget:g}: a budget must be above 0")


def _settings(request: SearchRequest, workspace: Workspace) -> StudySettings:
    return StudySettings(
        space=request.space,
        only=request.only,
        data=request.data,
        device=request.device,
        precision=request.precision,
        objective=workspace.quality_name,
        supernet=str(workspace.supernet_file),
        sampler=request.sampler,
        max_latency_ms=request.max_latency_ms,
        max_memory_mib=request.max_memory_mib,
    )


def _complete(workspace: Workspace, lut: Lut) -> bool:
    return not coverage(workspace.space, lut, PRECISION).missing


def _share(progress: VerificationProgress) -> float:
    return progress.measured / max(progress.measured + progress.left, 1)


def _search_words(progress: SearchProgress) -> str:
    words = f"{progress.evaluated} of {progress.wanted} networks"
    return words + (f", {progress.repeated} proposed again" if progress.repeated else "")
