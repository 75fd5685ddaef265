"""`nas search`: all that a search may be told."""

import shlex
from typing import Annotated

import typer

from nas.cli.options import (
    DEFAULT_DEVICES,
    DEFAULT_STORAGE,
    DEFAULT_WAIT,
    DeviceName,
    Devices,
    Json,
    Only,
    Precision,
    Seed,
    SpaceRef,
    Storage,
    TrainingData,
    Wait,
)
from nas.cli.output import progress_bar, quiet_optuna, say
from nas.cli.studies import print_front, tell_precision

SAMPLERS = "pareto, nsga2, tpe, gp or random"


def search(
    space: SpaceRef,
    device: DeviceName,
    data: TrainingData,
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
            help="supernet: all networks share the weights of one, trained first; "
            "supernet:STEPS: each then trains for so many by itself; train:EPOCHS: "
            "each is trained alone; FILE.py:FUNCTION: your own, called with a network and its "
            "architecture.",
        ),
    ] = "supernet",
    train_minutes: Annotated[
        float | None, typer.Option("--train-minutes", help="At most, for the supernet: 10.")
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
    print_front(opened, found, json)
    gain = read_remaining_gain(opened.study)
    if gain is not None:
        say(f"another network is expected to add {gain:.2%} to the front's hypervolume at most")
    tell_precision(precision)
    say(f"next: nas verify {shlex.quote(study)}   measures this front on {device}")


COMMANDS = (search,)
