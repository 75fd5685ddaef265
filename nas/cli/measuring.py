"""`nas profile`, `nas predict`, `nas measure`: filling a LUT, asking it, and the truth."""

from typing import Annotated

import typer

from nas.cli.options import (
    DEFAULT_DEVICES,
    DEFAULT_STORAGE,
    DataRef,
    DeviceName,
    Devices,
    Json,
    Only,
    Precision,
    Seed,
    SkipBad,
    SpaceRef,
    Storage,
)
from nas.cli.output import print_json, progress_bar, say, show

Source = Annotated[str, typer.Argument(metavar="FILE|-", help="Architectures, one JSON a line.")]


def profile(
    space: SpaceRef,
    device: DeviceName,
    precision: Precision = "fp32",
    minutes: Annotated[
        float | None, typer.Option("--minutes", min=0.01, help="End after so many minutes.")
    ] = None,
    contexts: Annotated[
        int, typer.Option("--contexts", min=1, help="Networks in which to see each segment.")
    ] = 2,
    only: Only = None,
    data: DataRef = None,
    seed: Seed = 0,
    storage: Storage = DEFAULT_STORAGE,
    devices: Devices = DEFAULT_DEVICES,
    json: Json = False,
) -> None:
    """Fill the device's LUT for a space; a second call goes on where the first stopped."""
    from nas.access import rigs
    from nas.profiling import campaign_words
    from nas.profiling import profile as run_campaign
    from nas.workspace import open_space

    found = open_space(space, only=only or (), data=data)
    for rig in rigs(device, devices, storage, found, precision):
        with progress_bar("profile") as report:
            campaign = run_campaign(
                rig,
                minutes=minutes,
                contexts_wanted=contexts,
                seed=seed,
                on_progress=lambda c: report(c.done, c.remaining_s, campaign_words(c)),
            )
        outcome = {
            "device": rig.device.name,
            "device_profile": rig.profile.id,
            "space": found.name,
            "carriers": campaign.carriers,
            "known": campaign.known,
            "total": campaign.total,
            "coverage": campaign.coverage,
            "ended": campaign.ended,
            "elapsed_s": campaign.elapsed_s,
            "failures": list(campaign.failures),
            "given_up": list(campaign.given_up),
        }
        if json:
            print_json(outcome)
        else:
            show(
                f"{rig.device.name}: {campaign.known} of {campaign.total} segment keys of "
                f"{found.name} known ({campaign.coverage:.1%}) after {campaign.carriers} carriers "
                f"in {campaign.elapsed_s:.0f} s; ended: {campaign.ended}"
            )
            for key in campaign.given_up:
                show(f"{rig.device.name} cannot run {key}")


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
    from nas.access import open_predictor
    from nas.architecture_lines import read_architectures
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
    storage: Storage = DEFAULT_STORAGE,
    devices: Devices = DEFAULT_DEVICES,
    json: Json = False,
) -> None:
    """Measure whole networks on the device: a line in, a JSON line out, in the same order."""
    from device_agents import JobFailed
    from nas.access import rigs
    from nas.architecture_lines import read_architectures
    from nas.prediction_lines import measurement_line
    from nas.verification import measure_well
    from nas.workspace import open_space

    found = open_space(space, only=only or (), data=data)
    lines = read_architectures(source, found, skip_bad=skip_bad)
    failed = 0
    for rig in rigs(device, devices, storage, found, precision):
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
