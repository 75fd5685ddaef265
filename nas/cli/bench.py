"""`nas bench`: how fast and how good the parts are, measured, never asserted."""

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
    SpaceRef,
    Storage,
)
from nas.cli.output import print_json, print_table, say

app = typer.Typer(help="Benchmarks of our own parts.", no_args_is_help=True)


@app.command()
def lut(
    space: SpaceRef,
    device: DeviceName,
    networks: Annotated[
        int, typer.Option("--networks", min=3, help="Unseen networks to measure whole.")
    ] = 20,
    speed: Annotated[
        bool, typer.Option("--speed", help="Only time loading and predicting; needs no device.")
    ] = False,
    precision: Precision = "fp32",
    only: Only = None,
    data: DataRef = None,
    seed: Seed = 1,
    storage: Storage = DEFAULT_STORAGE,
    devices: Devices = DEFAULT_DEVICES,
    json: Json = False,
) -> None:
    """Predicted against measured on unseen networks, beside the repeat error; and the speed."""
    from nas.access import open_lut, rigs
    from nas.lut_bench import compare, time_prediction
    from nas.workspace import open_space

    found = open_space(space, only=only or (), data=data)
    with open_lut(device, devices, storage, precision) as table:
        timed = time_prediction(found, table, precision, seed)
    rows = [timed] if speed else []
    for rig in () if speed else rigs(device, devices, storage, found, precision):
        compared = compare(rig, networks, seed, on_network=lambda n: say(f"network {n}"))
        rows += [{"device": rig.device.name, **row} for row in compared]
    if json:
        print_json(rows)
    else:
        print_table(f"{space} on {device}", list(rows[0]), [list(row.values()) for row in rows])
