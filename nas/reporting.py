"""A study's report put together from what study, LUT and device know."""

from pathlib import Path

import pandas as pd

from latency_lut import Predictor, coverage, open_store
from nas.dashboard import annotate
from nas.front_row import FrontRow, Report, SegmentShare
from nas.launch import OpenStudy
from nas.report import ReportFiles, front_frame, write_report
from nas.study import StudySettings
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
    predictor = Predictor(space, lut, settings.precision) if lut else None
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
        segments={
            row.architecture.id: _shares(row, opened, predictor) for row in front.rows if predictor
        },
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


def _shares(row: FrontRow, opened: OpenStudy, predictor: Predictor) -> tuple[SegmentShare, ...]:
    space = opened.workspace.space
    found = []
    for segment in space.segments(row.architecture):
        key = segment_key(segment.block, space.phases[0], opened.settings.precision)
        found.append(SegmentShare(segment.place, key, predictor.lut.entries[key].latency_ns))
    return tuple(found)


def _commands(study: str, settings: StudySettings, trials: int) -> tuple[str, ...]:
    search = [
        f"nas search --space {settings.space} --device {settings.device} --data {settings.data}",
        f"--study {study} --trials {trials} --sampler {settings.sampler}",
        *(f"--only {text}" for text in settings.only),
    ]
    if settings.max_latency_ms is not None:
        search.append(f"--max-latency-ms {settings.max_latency_ms:g}")
    if settings.max_memory_mib is not None:
        search.append(f"--max-memory-mib {settings.max_memory_mib:g}")
    return (" ".join(search), f"nas verify {study}", f"nas report {study}")
