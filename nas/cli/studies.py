"""What one does with a study: front, verify, report, dashboard, export."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nas.cli.options import (
    DEFAULT_DEVICES,
    DEFAULT_STORAGE,
    DEFAULT_WAIT,
    DataRef,
    Devices,
    Json,
    Only,
    SpaceRef,
    Storage,
    StudyPrecision,
    Wait,
)
from nas.cli.output import print_json, print_table, progress_bar, quiet_optuna, say, show

if TYPE_CHECKING:
    from nas.front import Front
    from nas.open_study import OpenStudy

Study = Annotated[str, typer.Argument(metavar="STUDY", help="Name of the study.")]


def front(
    study: Study,
    csv: Annotated[Path | None, typer.Option("--csv", help="Also write it as CSV.")] = None,
    storage: Storage = DEFAULT_STORAGE,
    devices: Devices = DEFAULT_DEVICES,
    json: Json = False,
) -> None:
    """Print the front of a study: measured where it was measured, predicted elsewhere."""
    from nas.open_study import open_study
    from nas.report.study_report import study_report, write_csv

    opened = open_study(study, storage)
    if csv:
        write_csv(study_report(opened, storage), csv)
    print_front(opened, opened.front(), json)
    tell_precision(opened.settings.precision)


def verify(
    study: Study,
    device: Annotated[
        str | None,
        typer.Option("--device", help="Another than the study's; its own front stays as it is."),
    ] = None,
    repair: Annotated[
        int,
        typer.Option(
            "--repair",
            min=0,
            help="Networks to try at most in place of each that breaks the budget; 0: only drop.",
        ),
    ] = 10,
    wait: Wait = DEFAULT_WAIT,
    storage: Storage = DEFAULT_STORAGE,
    devices: Devices = DEFAULT_DEVICES,
    json: Json = False,
) -> None:
    """Measure every network of a front on the device; replace what breaks the budget."""
    from nas.open_study import open_study, verify_study
    from nas.report.study_report import attach_report
    from nas.surroundings import Surroundings

    quiet_optuna()
    opened = open_study(study, storage)
    around = Surroundings(storage=storage, devices=devices, bar=progress_bar, wait_s=60 * wait)
    name = device or opened.settings.device
    outcome = verify_study(opened, around.device(name), around, tries_each=repair)
    for dropped in outcome.front.dropped:
        say(f"dropped {dropped.row.architecture.id}: {dropped.reason}")
    if name == opened.settings.device:
        _tell_repairs(opened, outcome.front)
        attach_report(opened, storage)
    else:
        say(f"predictions are those for {opened.settings.device}, measurements those of {name}")
    if outcome.failures:
        say(f"{len(outcome.failures)} could not be measured; the same command tries them again")
    print_front(opened, outcome.front, json)
    _tell_violations(opened, outcome.front)
    tell_precision(opened.settings.precision)
    if outcome.failures:
        raise typer.Exit(1)


def report(
    study: Study,
    output: Annotated[Path | None, typer.Option("--output", help="Folder to write.")] = None,
    storage: Storage = DEFAULT_STORAGE,
    devices: Devices = DEFAULT_DEVICES,
    json: Json = False,
) -> None:
    """Write front.csv, front.png and report.html, and attach the front to the dashboard."""
    from nas.open_study import open_study
    from nas.report.study_report import write_study_report

    files = write_study_report(open_study(study, storage), storage, output)
    if json:
        print_json({"csv": str(files.csv), "png": str(files.png), "html": str(files.html)})
    else:
        for path in (files.csv, files.png, files.html):
            show(str(path))


def dashboard(
    port: Annotated[
        int, typer.Option("--port", min=1, max=65535, help="On which to listen.")
    ] = 8080,
    host: Annotated[
        str,
        typer.Option(
            "--host",
            help="On which to listen. 0.0.0.0 opens it, without a password, to everybody who "
            "reaches this machine.",
        ),
    ] = "127.0.0.1",
    storage: Storage = DEFAULT_STORAGE,
    devices: Devices = DEFAULT_DEVICES,
    json: Json = False,
) -> None:
    """Serve Optuna's dashboard on the storage, read-only, until Ctrl-C."""
    from nas.dashboard.server import is_this_machine, serve

    url = f"http://{host}:{port}/"
    if json:
        print_json({"url": url})
    say(f"dashboard: {url}   (Ctrl-C ends it)")
    if not is_this_machine(host):
        say(
            "it is open, without a password and unencrypted, to everybody who reaches this "
            "machine: they can read every study in the storage, and change none"
        )
    serve(storage, port=port, host=host)


def export(
    space: SpaceRef,
    arch: Annotated[Path, typer.Option("--arch", help="File with one architecture (JSON).")],
    output: Annotated[Path, typer.Option("--output", help="ONNX file to write.")],
    study: Annotated[
        str | None, typer.Option("--study", help="Take the weights of this study's supernet.")
    ] = None,
    precision: StudyPrecision = None,
    only: Only = None,
    data: DataRef = None,
    storage: Storage = DEFAULT_STORAGE,
    devices: Devices = DEFAULT_DEVICES,
    json: Json = False,
) -> None:
    """Write an architecture as ONNX with its inherited weights, checked against PyTorch."""
    from nas.export.export_source import source_at_random, source_of_study
    from nas.open_study import open_study, require_same
    from nas.workspace import open_space

    if study is None:
        found = open_space(space, only=only or (), data=data)
        source = source_at_random(found, arch, precision)
        say("no --study given: the weights are random, good for timing only")
    else:
        opened = open_study(study, storage)
        require_same(opened, space=space, only=only, data=data)
        source = source_of_study(opened, arch, precision)
    exported = source.write(output)
    agreement = exported.agreement
    document = {
        "id": source.architecture.id,
        "file": str(exported.path),
        "size_bytes": exported.size_bytes,
        "weights": source.weights,
        "precision": source.quantization.precision,
        "largest_difference": exported.largest_difference,
        "top1_agreement": agreement and agreement.top1,
        "logits_error": agreement and agreement.logits_error,
    }
    if json:
        print_json(document)
        return
    close = f"within {exported.largest_difference:.1e} of PyTorch"
    if agreement:
        close = (
            f"{document['precision']}: on {agreement.answers} answers {agreement.top1:.1%} as "
            f"PyTorch's fp32, logits off by {agreement.logits_error:.1%} of their size"
        )
    weights = f"weights: {source.weights}"
    show(f"wrote {exported.path} ({exported.size_bytes} bytes, {weights}, {close})")


def print_front(opened: "OpenStudy", found: "Front", json: bool) -> None:
    """As a table or as JSON; raises NothingMeetsBudget where the budgets leave none."""
    from nas.front_table import front_cells, front_documents, require_feasible

    cells = front_cells(found)
    if json:
        print_json(front_documents(found))
    elif cells:
        print_table(
            f"front of {opened.name}", list(cells[0]), [list(row.values()) for row in cells]
        )
    require_feasible(opened.name, found, opened.settings, opened.space.smallest())


def _tell_repairs(opened: "OpenStudy", found: "Front") -> None:
    from nas.repair import read_repairs

    repairs = read_repairs(opened.study, found)
    if repairs.tried:
        say(
            f"tried {repairs.tried} networks in place of {repairs.broken} that broke the budget, "
            f"by a LUT that learnt from them; on the front: {repairs.replaced}"
        )


def _tell_violations(opened: "OpenStudy", found: "Front") -> None:
    """Of what was measured, by the high end of its interval; the front holds what keeps it."""
    from nas.front import has_budget, violation

    if has_budget(opened.settings):
        measured = [violation(row, opened.settings) for row in found.rows if row.verified]
        gone = sum(row.verified and violation(row, opened.settings) > 0 for row in found.evaluated)
        left = f"; {gone} that broke the budget left the front" if gone else ""
        say(f"{sum(over > 0 for over in measured)} violations of {len(measured)}{left}")


def tell_precision(precision: str) -> None:
    """A front in a lower precision stands on two legs of different kind."""
    if precision != "fp32":
        say(
            f"latency and memory are those of {precision} networks, accuracy that of fp32 weights; "
            "nas export tells how well the two agree"
        )


COMMANDS = (front, verify, report, dashboard, export)
