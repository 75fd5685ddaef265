"""The demo: from nothing to a verified front on this machine, within minutes."""

from dataclasses import dataclass
from pathlib import Path

from nas.export.exporting import Exported, export_architecture
from nas.front import Front
from nas.launch import run_search
from nas.open_study import open_study, verify_study
from nas.report.files import ReportFiles
from nas.report.study_report import write_study_report
from nas.search_request import SearchRequest
from nas.surroundings import Surroundings

STUDY = "demo"
# A part of `mobile` that two cores profile, train and search within eight minutes.
ONLY = (
    "resolution=20",
    "width=0.5",
    "stage*.depth=1,2",
    "stage*.kernel=3,5",
    "stage*.expansion=3,6",
)
TRIALS = 60
PROFILE_MINUTES = 2.0
TRAIN_MINUTES = 4.0


@dataclass(frozen=True, kw_only=True)
class DemoOutcome:
    """What the demo leaves behind."""

    front: Front
    report: ReportFiles
    exported: Exported


def run_demo(folder: Path, around: Surroundings) -> DemoOutcome:
    """Profiles, trains, searches, verifies, reports and exports the most accurate network.

    A second call goes on where the first stopped.

    Raises:
        NasError, DeviceError: see `nas.launch`.
    """
    request = SearchRequest(
        space="mobile",
        data="mnist5k",
        device="local",
        study=STUDY,
        only=ONLY,
        trials=TRIALS,
        train_minutes=TRAIN_MINUTES,
        profile_minutes=PROFILE_MINUTES,
    )
    run_search(request, around)
    opened = open_study(STUDY, around.storage)
    front = verify_study(opened, around.device("local"), around).front
    best = max(front.rows, key=lambda row: row.quality).architecture
    exported = export_architecture(
        opened.space,
        best,
        folder / "most_accurate.onnx",
        opened.estimator().modules(best),
        opened.workspace().input_notes,
    )
    report = write_study_report(opened, around.storage, folder)
    return DemoOutcome(front=front, report=report, exported=exported)
