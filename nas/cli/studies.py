"""`nas search` and what one does with a study: front, verify, report, dashboard, export."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nas.cli.options import (
    DEFAULT_DEVICES,
    DEFAULT_STORAGE,
    DEFAULT_WAIT,
    DataRef,
    DeviceName,
    Devices,
    Json,
    Only,
    Precision,
    Seed,
    SpaceRef,
    Storage,
    StudyPrecision,
    Wait,
)
from nas.cli.output import print_json, print_table, progress_bar, say, show

if TYPE_CHECKING:
    from nas.front import Front
    from nas.open_study import OpenStudy

Study = Annotated[str, typer.Argument(metavar="STUDY", help="Name of the study.")]
SAMPLERS = "pareto, nsga2, tpe, gp or random"


def search(
    space: SpaceRef,
    device: DeviceName,
    data: Annotated[
        str,
        typer.Option(
            "--data",
            help="digits, mnist5k, idx:DIR, images:DIR, npz:FILE, text:FILE or kjv.",
        ),
    ],
    study: Annotated[str, typer.Option("--study", help="Name; an existing study goes on.")],
    trials: Annotated[
        int, typer.Option("--trials", min=1, help="Networks that the study is to hold in the end.")
    ] = 60,
    sampler: Annotated[str, typer.Option("--sampler", help=f"{SAMPLERS}.")] = "pareto",
    seed: Seed = 0,
    max_latency_ms: Annotated[
        float | None, typer.Option("--max-latency-ms", min=0, help="Budget.")
    ] = None,
    max_memory_mib: Annotated[
        float | None, typer.Option("--max-memory-mib", min=0, help="Budget.")
    ] = None,
    until_converged: Annotated[
        bool,
        typer.Option(
            "--until-converged",
            help="End before --trials where next to nothing is expected to be gained any more.",
        ),
    ] = False,
    precision: Precision = "fp32",
    only: Only = None,
    accuracy: Annotated[
        str,
        typer.Option(
            "--accuracy",
            metavar="METHOD",
            help="supernet: all networks share the weights of one, trained first; train:EPOCHS: "
            "each is trained alone; FILE.py:FUNCTION: your own, called with a network and its "
            "architecture.",
        ),
    ] = "supernet",
    train_minutes: Annotated[
        float | None, typer.Option("--train-minutes", help="At most, for the supernet.")
    ] = None,
    accuracy_minutes: Annotated[
        float | None,
        typer.Option("--accuracy-minutes", help="At most, for a network by FILE.py:FUNCTION: 30."),
    ] = None,
    zero_cost: Annotated[
        int | None,
        typer.Option(
            "--zero-cost",
            metavar="N",
            help="Untrained networks that are scored first, for the sampler to start from: 100, or "
            "0 with a supernet.",
        ),
    ] = None,
    profile_minutes: Annotated[
        float | None, typer.Option("--profile-minutes", help="At most, for what the LUT lacks.")
    ] = None,
    wait: Wait = DEFAULT_WAIT,
    storage: Storage = DEFAULT_STORAGE,
    devices: Devices = DEFAULT_DEVICES,
    json: Json = False,
) -> None:
    """Search a space for the front on a device; a second call goes on where the first stopped."""
    from nas.launch import run_search
    from nas.open_study import open_study
    from nas.report.study_report import attach_report
    from nas.search_request import SearchRequest
    from nas.study import read_remaining_gain
    from nas.surroundings import Surroundings

    quiet_optuna()
    request = SearchRequest(
        space=space,
        data=data,
        device=device,
        study=study,
        only=tuple(only or ()),
        trials=trials,
        sampler=sampler,
        seed=seed,
        precision=precision,
        max_latency_ms=max_latency_ms,
        max_memory_mib=max_memory_mib,
        accuracy=accuracy,
        accuracy_minutes=accuracy_minutes,
        zero_cost=zero_cost,
        train_minutes=train_minutes,
        profile_minutes=profile_minutes,
        until_converged=until_converged,
    )
    around = Surroundings(storage=storage, devices=devices, bar=progress_bar, wait_s=60 * wait)
    try:
        found = run_search(request, around)
    except KeyboardInterrupt:
        say(f"stopped; study {study!r} keeps what was evaluated, the same command goes on")
        raise typer.Exit(1) from None
    opened = open_study(study, storage)
    attach_report(opened, storage)
    _print_front(opened, found, json)
    gain = read_remaining_gain(opened.study)
    if gain is not None:
        say(f"another network is expected to add {gain:.2%} to the front's hypervolume at most")
    _tell_precision(precision)
    say(f"next: nas verify {shlex.quote(study)}   measures this front on {device}")


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
    _print_front(opened, opened.front(), json)
    _tell_precision(opened.settings.precision)


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
    _print_front(opened, outcome.front, json)
    _tell_violations(opened, outcome.front)
    _tell_precision(opened.settings.precision)
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
    from nas.open_study import open_study
    from nas.workspace import open_space

    if study is None:
        found = open_space(space, only=only or (), data=data)
        source = source_at_random(found, arch, precision)
        say("no --study given: the weights are random, good for timing only")
    else:
        source = source_of_study(open_study(study, storage), arch, precision)
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


def quiet_optuna() -> None:
    """Optuna tells every trial on stderr; the progress bar tells it better."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)


def _print_front(opened: "OpenStudy", found: "Front", json: bool) -> None:
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
    """Of the front, as measured; latency with the high end of its interval."""
    from nas.front import has_budget, violation

    if has_budget(opened.settings):
        measured = [violation(row, opened.settings) for row in found.rows if row.verified]
        say(f"{sum(over > 0 for over in measured)} violations of {len(measured)}")


def _tell_precision(precision: str) -> None:
    """A front in a lower precision stands on two legs of different kind."""
    if precision != "fp32":
        say(
            f"latency and memory are those of {precision} networks, accuracy that of fp32 weights; "
            "nas export tells how well the two agree"
        )


COMMANDS = (search, front, verify, report, dashboard, export)
