"""`nas profile`, `nas predict`, `nas measure`: filling a LUT, asking it, and the truth."""

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
    Precisions,
    Seed,
    SkipBad,
    SpaceRef,
    Storage,
    Wait,
)
from nas.cli.output import print_json, progress_bar, say, show

if TYPE_CHECKING:
    from latency_lut import DeviceProfile
    from nas.measuring.measurement import Rig

Source = Annotated[str, typer.Argument(metavar="FILE|-", help="Architectures, one JSON a line.")]


def profile(
    space: SpaceRef,
    device: DeviceName,
    precision: Precisions = "fp32",
    minutes: Annotated[
        float | None, typer.Option("--minutes", min=0.01, help="End after so many minutes.")
    ] = None,
    contexts: Annotated[
        int, typer.Option("--contexts", min=1, help="Networks in which to see each segment.")
    ] = 2,
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="NAME",
            help="Start from the LUT of this other device: run a few carriers only, take the rest "
            "over, and tell how far off held-out carriers are predicted.",
        ),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option(
            "--samples",
            min=2,
            help="With --from: carriers that the device is to run in all; 30 if left out.",
        ),
    ] = None,
    only: Only = None,
    data: DataRef = None,
    seed: Seed = 0,
    wait: Wait = DEFAULT_WAIT,
    storage: Storage = DEFAULT_STORAGE,
    devices: Devices = DEFAULT_DEVICES,
    json: Json = False,
) -> None:
    """Fill the device's LUT for a space; a second call goes on where the first stopped."""
    from nas.campaign.transferring import SAMPLES, choose_source, find_sources
    from nas.errors import BadInput
    from nas.measuring.access import rigs_in_each
    from nas.measuring.ceilings import note_ceilings
    from nas.workspace import open_space

    if samples is not None and source is None:
        raise BadInput("--samples goes with --from NAME; a whole campaign ends by itself")
    found = open_space(space, only=only or (), data=data)
    sources = find_sources(source, devices, storage, found, precision) if source else ()
    for rig in rigs_in_each(device, devices, storage, found, precision, wait_s=60 * wait):
        start = choose_source(rig, sources) if sources else None
        note_ceilings(rig)
        if start is not None:
            outcome, words = _transfer(rig, start, samples or SAMPLES, minutes, seed)
        else:
            outcome, words = _campaign(rig, minutes, contexts, seed)
        if json:
            print_json(outcome)
            continue
        for line in words:
            show(line)


def _campaign(
    rig: "Rig", minutes: float | None, contexts: int, seed: int
) -> tuple[dict[str, object], list[str]]:
    """A whole campaign: its document, and its lines for people."""
    from latency_lut import ALONE
    from nas.campaign.filling import fill

    filled = fill(rig, bar=progress_bar, minutes=minutes, contexts_wanted=contexts, seed=seed)
    campaign, alone = filled.campaign, filled.alone
    lut = rig.store.lut(rig.profile.id, rig.precision)
    groups = {p.name: lut.group(rig.space.name, p.key) for p in rig.space.phases}
    repeats = {name: of.repeat.median if of.repeat else None for name, of in groups.items()}
    outcome = {
        **_what(rig),
        "carriers": campaign.carriers,
        "runs": campaign.runs,
        "repeat_error": repeats,
        "known": campaign.known,
        "total": campaign.total,
        "coverage": campaign.coverage,
        "blocks_alone": alone.timed,
        "told_by": {name: of.told_by for name, of in groups.items()},
        "ended": filled.ended,
        "elapsed_s": filled.elapsed_s,
        "failures": [*campaign.failures, *alone.failures],
        "given_up": list(campaign.given_up),
    }
    words = (
        f"{rig.device.name}: {campaign.known} of {campaign.total} segment keys of "
        f"{rig.space.name} in {rig.precision} known ({campaign.coverage:.1%}) after "
        f"{campaign.carriers} carriers ({campaign.runs} runs){_and_alone(alone.timed)} "
        f"in {filled.elapsed_s:.0f} s; ended: {filled.ended}"
    )
    repeated = [
        f"{name}: carriers run twice differ by {error:.1%}"
        for name, error in repeats.items()
        if error is not None
    ]
    by_blocks = [
        f"{name}: blocks timed alone tell its segments better than the profiler"
        for name, of in groups.items()
        if of.told_by == ALONE
    ]
    refused = [f"{rig.device.name} cannot run {key}" for key in campaign.given_up]
    return outcome, [words, *repeated, *by_blocks, *refused]


def _and_alone(blocks: int) -> str:
    return f" and {blocks} blocks alone" if blocks else ""


def _transfer(
    rig: "Rig", source: "DeviceProfile", samples: int, minutes: float | None, seed: int
) -> tuple[dict[str, object], list[str]]:
    """A few carriers and another device's LUT: its document, and its lines for people."""
    from nas.campaign.transfer_lines import transfer_fields, transfer_lines
    from nas.campaign.transferring import start_from

    with progress_bar("profile") as report:
        transfer = start_from(
            rig,
            source,
            samples=samples,
            minutes=minutes,
            seed=seed,
            on_progress=lambda s: report(s.done, None, f"{s.carriers} carriers"),
        )
    sampling = transfer.sampling
    outcome = {
        **_what(rig),
        "carriers": sampling.carriers,
        "known": transfer.known,
        "total": transfer.total,
        "coverage": transfer.known / transfer.total,
        "ended": "minutes" if sampling.left else "complete",
        "elapsed_s": sampling.elapsed_s,
        "failures": list(sampling.failures),
        "given_up": [],
        "transfer": transfer_fields(transfer),
    }
    words = (
        f"{rig.device.name}: {sampling.carriers} carriers of {rig.space.name} in {rig.precision} "
        f"in {sampling.elapsed_s:.0f} s"
    )
    return outcome, [words, *transfer_lines(transfer)]


def _what(rig: "Rig") -> dict[str, object]:
    return {
        "device": rig.device.name,
        "device_profile": rig.profile.id,
        "space": rig.space.name,
        "precision": rig.precision,
    }


def predict(
    source: Source,
    space: SpaceRef,
    device: DeviceName,
    precision: Precision = "fp32",
    skip_bad: SkipBad = False,
    only: Only = None,
    data: DataRef = None,
    storage: Storage = DEFAULT_STORAGE,
    devices: Devices = DEFAULT_DEVICES,
    json: Json = False,
) -> None:
    """Predict latency and memory from the LUT: a line in, a JSON line out, in the same order."""
    from nas.architecture_lines import read_architectures
    from nas.measuring.access import open_predictor
    from nas.prediction_lines import prediction_line
    from nas.workspace import open_space

    found = open_space(space, only=only or (), data=data)
    lines = read_architectures(source, found, skip_bad=skip_bad)
    with open_predictor(device, devices, storage, found, precision) as predictor:
        for line in lines:
            if line.architecture is None:
                print_json({"line": line.number, "error": line.error})
            else:
                prediction = predictor.predict(line.architecture)
                print_json(prediction_line(line.architecture, prediction))


def measure(
    source: Source,
    space: SpaceRef,
    device: DeviceName,
    precision: Precision = "fp32",
    skip_bad: SkipBad = False,
    only: Only = None,
    data: DataRef = None,
    wait: Wait = DEFAULT_WAIT,
    storage: Storage = DEFAULT_STORAGE,
    devices: Devices = DEFAULT_DEVICES,
    json: Json = False,
) -> None:
    """Measure whole networks on the device: a line in, a JSON line out, in the same order."""
    from device_agents import JobFailed
    from nas.architecture_lines import read_architectures
    from nas.measuring.access import rigs
    from nas.prediction_lines import measurement_line
    from nas.verification import measure_well
    from nas.workspace import open_space

    found = open_space(space, only=only or (), data=data)
    lines = read_architectures(source, found, skip_bad=skip_bad)
    failed = 0
    for rig in rigs(device, devices, storage, found, precision, wait_s=60 * wait):
        for number, line in enumerate(lines, start=1):
            if line.architecture is None:
                print_json({"line": line.number, "error": line.error})
                continue
            say(f"measuring {number} of {len(lines)} on {rig.device.name}")
            try:
                record = measure_well(rig, line.architecture, purpose="measure")
                print_json(measurement_line(line.architecture, rig, record))
            except JobFailed as exc:
                print_json({"id": line.architecture.id, "error": str(exc)})
                failed += 1
    if failed:
        say(f"{failed} could not be measured; their lines say why")
        raise typer.Exit(1)


COMMANDS = (profile, predict, measure)
