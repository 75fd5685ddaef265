"""A study's report put together from what study, LUT and device know."""

import shlex
from pathlib import Path

import pandas as pd

from latency_lut import Lut, coverage, open_store
from nas.dashboard.server import annotate
from nas.front_row import FrontRow, Report, SegmentShare
from nas.launch import OpenStudy
from nas.report.files import ReportFiles, front_frame, write_report
from nas.study import StudySettings
from nas.units import MS
from search_spaces import segment_key

_REPORTS = Path("results")


def study_report(opened: OpenStudy, storage_url: str) -> Report:
    """All that is told about a study, as of now.

    Raises:
        BadInput: the LUT that the study was searched with is not in the storage.
    """
    settings, space, front = opened.settings, opened.workspace.space, opened.front()
    with open_store(storage_url) as store:
        profiles = store.profiles(settings.device)
        lut = store.lut(profiles[-1].id, settings.precision) if profiles else None
    covered = coverage(space, lut, settings.precision) if lut else None
    trials = opened.study.get_trials(deepcopy=False)
    created = min((t.datetime_start for t in trials if t.datetime_start), default=None)
    return Report(
        study=opened.study.study_name,
        space=settings.space,
        data=settings.data,
        device=settings.device,
        precision=settings.precision,
        sampler=settings.sampler,
        created=created.strftime("%Y-%m-%d %H:%M") if created else "",
        quality_name=settings.objective,
        front=front.rows,
        evaluated=front.evaluated,
        dropped=front.dropped,
        max_latency_ms=settings.max_latency_ms,
        max_memory_mib=settings.max_memory_mib,
        segments={row.architecture.id: _shares(row, opened, lut) for row in front.rows if lut},
        coverage_known=covered.known if covered else 0,
        coverage_total=covered.total if covered else 0,
        device_facts=profiles[-1].facts if profiles else {},
        commands=_commands(opened.study.study_name, settings, len(front.evaluated)),
        quality_floor=opened.workspace.guessing,
    )


def write_study_report(opened: OpenStudy, storage_url: str, folder: Path | None) -> ReportFiles:
    """Writes the report's files and attaches note and plots to the study."""
    report = study_report(opened, storage_url)
    files = write_report(report, folder or _REPORTS / report.study)
    annotate(opened.study, report)
    return files


def write_csv(report: Report, path: Path) -> None:
    """The front as CSV."""
    frame: pd.DataFrame = front_frame(report)
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_csv(path, index=False)


def _shares(row: FrontRow, opened: OpenStudy, lut: Lut) -> tuple[SegmentShare, ...]:
    """Where the time goes; empty if the LUT no longer knows every segment."""
    space = opened.workspace.space
    keyed = [
        (s.place, segment_key(s.block, space.phases[0], opened.settings.precision))
        for s in space.segments(row.architecture)
    ]
    if any(key not in lut.entries for _, key in keyed):
        return ()
    sum_ns = sum(lut.entries[key].latency_ns for _, key in keyed)
    scale = row.latency_ms / (sum_ns * MS)  # what the whole network does to its segments
    return tuple(
        SegmentShare(p, key, round(lut.entries[key].latency_ns * scale)) for p, key in keyed
    )


def _commands(study: str, settings: StudySettings, trials: int) -> tuple[str, ...]:
    options: dict[str, object] = {
        "--space": settings.space,
        "--device": settings.device,
        "--data": settings.data,
        "--study": study,
        "--trials": trials,
        "--sampler": settings.sampler,
        "--max-latency-ms": settings.max_latency_ms,
        "--max-memory-mib": settings.max_memory_mib,
    }
    given = [(name, str(value)) for name, value in options.items() if value is not None]
    given += [("--only", text) for text in settings.only]
    search = ["nas", "search", *(word for pair in given for word in pair)]
    return tuple(
        shlex.join(words) for words in (search, ["nas", "verify", study], ["nas", "report", study])
    )
