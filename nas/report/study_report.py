"""A study's report put together from what study, LUT and device know."""

import shlex
from pathlib import Path

import pandas as pd

from latency_lut import Lut, coverage, open_store
from nas.dashboard.server import annotate
from nas.front_row import FrontRow, Report, SegmentShare
from nas.open_study import OpenStudy
from nas.report.files import ReportFiles, front_frame, write_report
from nas.search_request import check_study_name
from nas.study import read_commands
from nas.units import MS
from nas.workspace import guessing
from search_spaces import segment_key

_REPORTS = Path("results")


def study_report(opened: OpenStudy, storage_url: str) -> Report:
    """All that is told about a study, as of now."""
    settings, space, front = opened.settings, opened.space, opened.front()
    with open_store(storage_url) as store:
        lut = store.lut(opened.device_profile, settings.precision)
    covered = coverage(space, lut, settings.precision)
    trials = opened.study.get_trials(deepcopy=False)
    created = min((t.datetime_start for t in trials if t.datetime_start), default=None)
    return Report(
        study=opened.study.study_name,
        space=settings.space,
        data=settings.data,
        device=settings.device,
        precision=settings.precision,
        sampler=settings.sampler,
        accuracy=settings.accuracy,
        created=created.strftime("%Y-%m-%d %H:%M") if created else "",
        quality_name=settings.objective,
        front=front.rows,
        evaluated=front.evaluated,
        dropped=front.dropped,
        max_latency_ms=settings.max_latency_ms,
        max_memory_mib=settings.max_memory_mib,
        segments={row.architecture.id: _shares(row, opened, lut) for row in front.rows},
        coverage_known=covered.known,
        coverage_total=covered.total,
        coverage_transferred=covered.transferred,
        device_facts=lut.profile.facts,
        commands=(*read_commands(opened.study), shlex.join(["nas", "report", opened.name])),
        quality_floor=guessing(settings.task),
    )


def write_study_report(opened: OpenStudy, storage_url: str, folder: Path | None) -> ReportFiles:
    """Writes the report's files and attaches note and plots to the study.

    Raises:
        BadInput: no folder is given, and the study's name cannot be that of one.
    """
    if folder is None:
        check_study_name(opened.name)  # of others in the same storage it may lead anywhere
    report = attach_report(opened, storage_url)
    return write_report(report, folder or _REPORTS / report.study)


def attach_report(opened: OpenStudy, storage_url: str) -> Report:
    """Attaches note and plots of the front to the study, where the dashboard shows them."""
    report = study_report(opened, storage_url)
    annotate(opened.study, report)
    return report


def write_csv(report: Report, path: Path) -> None:
    """The front as CSV."""
    frame: pd.DataFrame = front_frame(report)
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_csv(path, index=False)


def _shares(row: FrontRow, opened: OpenStudy, lut: Lut) -> tuple[SegmentShare, ...]:
    """Where the time goes; empty if the LUT no longer knows every segment."""
    space = opened.space
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
