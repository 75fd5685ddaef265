"""`nas bench fleet`: how well devices are used, and how much faster many are than one."""

from typing import TYPE_CHECKING, Annotated

import typer

from nas.cli.options import (
    DEFAULT_DEVICES,
    DataRef,
    DeviceNames,
    Devices,
    Json,
    Only,
    Precision,
    Seed,
    SpaceRef,
)
from nas.cli.output import print_json, print_table, progress_bar, show

if TYPE_CHECKING:
    from nas.bench.fleet import FleetRun


def fleet(
    space: SpaceRef,
    device: DeviceNames,
    minutes: Annotated[
        float, typer.Option("--minutes", min=0.1, help="Of each of the two campaigns.")
    ] = 5.0,
    precision: Precision = "fp32",
    only: Only = None,
    data: DataRef = None,
    seed: Seed = 0,
    devices: Devices = DEFAULT_DEVICES,
    json: Json = False,
) -> None:
    """A campaign on one device, then on all: how long they work, and networks a minute.

    Each campaign has a new storage, removed afterwards, so that nothing is known at its start.
    """
    from device_agents import Inventory
    from nas.bench.fleet import compare_fleet
    from nas.measuring.access import check_precision
    from nas.workspace import open_space

    found = open_space(space, only=only or (), data=data)
    check_precision(found, precision)
    chosen = Inventory.load(devices).select(device)
    with progress_bar("fleet") as report:
        runs = compare_fleet(
            chosen,
            found,
            precision,
            minutes=minutes,
            seed=seed,
            on_step=lambda share, words: report(share, None, words),
        )
    ratio = runs[-1].networks_per_minute / runs[0].networks_per_minute if len(runs) > 1 else None
    if json:
        what = {"space": found.name, "precision": precision, "minutes": minutes}
        print_json({**what, "runs": [_document(run) for run in runs], "ratio": ratio})
        return
    for run in runs:
        rows = _device_rows(run)
        title = f"{len(rows)} at work: {run.networks_per_minute:.1f} networks a minute"
        print_table(title, list(rows[0]), [list(row.values()) for row in rows])
    if ratio is not None:
        show(f"{len(runs[-1].shares)} devices measure {ratio:.2f} times as fast as one")


def _document(run: "FleetRun") -> dict[str, object]:
    return {
        "networks": run.networks,
        "elapsed_s": run.elapsed_s,
        "networks_per_minute": run.networks_per_minute,
        "ended": run.ended,
        "devices": _device_rows(run),
    }


def _device_rows(run: "FleetRun") -> list[dict[str, object]]:
    return [
        {
            "device": share.device,
            "networks": share.networks,
            "working": share.working,
            "at_gate": share.at_gate,
            "round_trip_ms": 1000 * share.round_trip_s,
            "gap_ms": 1000 * share.gap_s,
            "longest_gap_ms": 1000 * share.longest_gap_s,
        }
        for share in run.shares
    ]
