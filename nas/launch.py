"""A whole search from one request: LUT filled, supernet trained, study run, front by prediction."""

import logging

from device_agents import Device
from latency_lut import (
    DeviceProfile,
    Lut,
    Predictor,
    Store,
    coverage,
    open_store,
)
from nas.accuracy.method import read_method
from nas.campaign.crew import Crew
from nas.campaign.filling import fill
from nas.estimators import check_accuracy, open_estimator
from nas.front import Front, measured_violations, read_front
from nas.hints import zero_cost_hints
from nas.measuring.access import check_precision, require_profile
from nas.measuring.ceilings import note_ceilings
from nas.measuring.measurement import open_rig
from nas.samplers import check_sampler
from nas.search import Search, SearchProgress
from nas.search_request import SearchRequest
from nas.study import (
    StudySettings,
    add_command,
    check_settings,
    create_study,
    open_storage,
    pinned_profile,
    require_supernet,
    set_accuracy_minutes,
)
from nas.study_sampler import study_sampler
from nas.surroundings import Surroundings
from nas.workspace import Workspace, open_workspace

logger = logging.getLogger(__name__)


def run_search(request: SearchRequest, around: Surroundings) -> Front:
    """Everything up to a front by prediction; what was done before is not done again.

    Raises:
        NasError, SpaceError, LutError, DeviceError: see each step.
    """
    check_sampler(request.sampler)
    check_accuracy(request.accuracy)
    device = around.device(request.device)
    workspace = open_workspace(request.space, request.data, only=request.only)
    check_precision(workspace.space, request.precision)
    storage = open_storage(around.storage)
    settings = _settings(request, workspace)
    check_settings(storage, request.study, settings)  # before the work, which may take hours
    pinned = pinned_profile(storage, request.study)
    found = fill_lut(request, workspace, device, around, pinned)
    _tell_gaps(settings, workspace, found, around)
    with open_store(around.storage) as store:
        lut = store.lut(found.id, request.precision)
        predictor = Predictor(workspace.space, lut, request.precision)
    sampler = study_sampler(settings, predictor, request.seed)
    study = create_study(storage, request.study, settings, found.id, sampler)
    add_command(study, request.command)
    # A search that goes on must not propose again what it proposed from the same seed before.
    seed = request.seed + len(study.get_trials(False))
    measured = measured_violations(study, workspace.space)
    hints = zero_cost_hints(workspace, request.scored, around) if request.scored else None
    study.sampler = study_sampler(settings, predictor, seed, measured, hints)
    estimator = open_estimator(
        workspace,
        request.accuracy,
        around,
        train_minutes=request.train_minutes,
        limit_minutes=request.accuracy_minutes,
        seed=request.seed,
    )
    if read_method(request.accuracy).is_supernet:
        require_supernet(study, workspace.supernet_file)
    set_accuracy_minutes(study, request.accuracy_minutes)
    with around.bar("search") as report:
        search = Search(
            study,
            workspace.space,
            predictor,
            estimator,
            on_progress=lambda p: report(p.evaluated / p.wanted, None, _search_words(p)),
        )
        search.run(request.trials, until_converged=request.until_converged)
    return read_front(study, workspace.space)


def fill_lut(
    request: SearchRequest,
    workspace: Workspace,
    device: Device,
    around: Surroundings,
    pinned: str | None,
) -> DeviceProfile:
    """Profiles what the device's LUT lacks for the space; a full LUT needs no device.

    Args:
        request: with the minutes that it may take.
        workspace: with the space.
        device: to be measured on.
        around: with the storage.
        pinned: id of the device profile that a study was begun with.

    Returns:
        The device profile whose LUT is to be asked.

    Raises:
        BadInput: the device is no longer the one that the study was begun with.
        DeviceUnusable: it cannot be reached; what was measured is kept.
    """
    with open_store(around.storage) as store:
        known = _known_profile(store, device, pinned)
        if known and _complete(workspace, store.lut(known.id, request.precision)):
            return known
        with open_rig(
            device, workspace.space, store, request.precision, wait_s=around.wait_s
        ) as rig:
            if known and pinned:
                require_profile(store, pinned, rig.profile, request.study)
            note_ceilings(rig)
            fill(Crew([rig]), bar=around.bar, minutes=request.profile_minutes, seed=request.seed)
        return rig.profile


def _known_profile(store: Store, device: Device, pinned: str | None) -> DeviceProfile | None:
    """The pinned one, else the device's newest; None if nothing was measured on it."""
    found = [p for p in store.profiles(device.name) if pinned in (None, p.id)]
    return found[-1] if found else None


def _tell_gaps(
    settings: StudySettings, workspace: Workspace, found: DeviceProfile, around: Surroundings
) -> None:
    with open_store(around.storage) as store:
        lut = store.lut(found.id, settings.precision)
        covered = coverage(workspace.space, lut, lut.precision)
    if covered.missing:
        logger.warning(
            "the LUT of %s knows %d of %d segment keys; networks with others are passed over. "
            "Fill it with: %s",
            found.device_name,
            covered.known,
            covered.total,
            settings.profile_command,
        )
    elif covered.unmeasured:
        logger.warning(
            "no network of space %s was measured on %s: its LUT is of other spaces, whose networks "
            "say little of these as a whole. Measure some with: %s",
            workspace.space.name,
            found.device_name,
            settings.profile_command,
        )
    if covered.transferred:
        logger.warning(
            "%d of %d segment keys of the LUT of %s were taken from another device's and never "
            "measured. Measure them with: %s",
            covered.transferred,
            covered.total,
            found.device_name,
            settings.profile_command,
        )


def _settings(request: SearchRequest, workspace: Workspace) -> StudySettings:
    return StudySettings(
        space=request.space,
        only=request.only,
        task=workspace.space.task,
        data=request.data,
        device=request.device,
        precision=request.precision,
        objective=workspace.quality_name,
        accuracy=request.accuracy,
        supernet=str(workspace.supernet_file),
        sampler=request.sampler,
        max_latency_ms=request.max_latency_ms,
        max_memory_mib=request.max_memory_mib,
    )


def _complete(workspace: Workspace, lut: Lut) -> bool:
    return coverage(workspace.space, lut, lut.precision).complete


def _search_words(progress: SearchProgress) -> str:
    words = f"{progress.evaluated} of {progress.wanted} networks"
    words += f", {progress.repeated} proposed again" if progress.repeated else ""
    words += f", {progress.failed} failed" if progress.failed else ""
    gain = progress.remaining_gain
    return words if gain is None else f"{words}, the next adds {gain:.1%}"
