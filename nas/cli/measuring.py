"""`nas predict`, `nas measure`: asking the LUT, and the truth."""

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
    SkipBad,
    SpaceRef,
    Storage,
    Wait,
)
from nas.cli.output import print_json, say

if TYPE_CHECKING:
    pass

Source = Annotated[str, typer.Argument(metavar="FILE|-", help="Architectures, one JSON a line.")]


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


COMMANDS = (predict, measure)
