"""`nas lut`: what a device's LUT holds."""

import shlex
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    SpaceRef,
    Storage,
)
from nas.cli.output import print_json, print_table, show

if TYPE_CHECKING:
    from latency_lut import Ceilings, DominatedChoice
    from nas.lut_rows import Row

app = typer.Typer(help="Latency LUTs: show, coverage, export, import.", no_args_is_help=True)

ParquetFile = Annotated[Path, typer.Argument(metavar="FILE.parquet")]


@app.command("show")
def show_lut(
    space: SpaceRef,
    device: DeviceName,
    precision: Precision = "fp32",
    dominated: Annotated[
        bool,
        typer.Option("--dominated", help="Show the choices that are pointless on this device."),
    ] = False,
    only: Only = None,
    data: DataRef = None,
    storage: Storage = DEFAULT_STORAGE,
    devices: Devices = DEFAULT_DEVICES,
    json: Json = False,
) -> None:
    """Show what each segment of a space costs on a device, dearest first, and what it achieves."""
    from latency_lut import domination, open_store
    from nas.lut_rows import dominated_rows, segment_rows
    from nas.measuring.access import check_precision, open_lut
    from nas.workspace import open_space

    found = open_space(space, only=only or (), data=data)
    check_precision(found, precision)
    with open_lut(device, devices, storage, precision) as lut, open_store(storage) as store:
        ceilings = store.ceilings(lut.profile.id)
    if dominated:
        choices = domination(found, lut).choices
        if json:
            print_json(dominated_rows(choices))
        else:
            _show_dominated(choices, f"{space} on {device}")
        return
    rows = segment_rows(found, lut, ceilings)
    if json:
        print_json(rows)
    elif rows:
        _show_segments(rows, f"{space} on {device}", ceilings)
    else:
        fill = shlex.join(["nas", "profile", "--space", space, "--device", device])
        show(f"no segment of {space} known; fill: {fill}")


def _show_segments(rows: Sequence["Row"], where: str, ceilings: "Ceilings | None") -> None:
    from nas.lut_rows import SEGMENT_COLUMNS, ceiling_words, common_ending, segment_cells

    ending = common_ending(rows).replace("@", ", ")
    title = f"{where}{ending}; {ceiling_words(ceilings)}"
    print_table(title, SEGMENT_COLUMNS, segment_cells(rows))


def _show_dominated(choices: Sequence["DominatedChoice"], where: str) -> None:
    from nas.lut_rows import DOMINATED_COLUMNS, dominated_cells

    if choices:
        print_table(f"dominated in {where}", DOMINATED_COLUMNS, dominated_cells(choices))
    else:
        show(f"no choice of {where} is dominated, as far as good entries tell")


@app.command()
def coverage(
    space: SpaceRef,
    device: DeviceName,
    precision: Precision = "fp32",
    only: Only = None,
    data: DataRef = None,
    storage: Storage = DEFAULT_STORAGE,
    devices: Devices = DEFAULT_DEVICES,
    json: Json = False,
) -> None:
    """Tell which share of a space's segments a device's LUT knows."""
    from latency_lut import coverage as coverage_of
    from nas.measuring.access import check_precision, open_lut
    from nas.workspace import open_space

    found = open_space(space, only=only or (), data=data)
    check_precision(found, precision)
    with open_lut(device, devices, storage, precision) as lut:
        covered = coverage_of(found, lut, precision)
    if json:
        where = {"space": found.name, "device": device}
        print_json({**where, **asdict(covered), "missing": list(covered.missing)})
        return
    show(f"{covered.known} of {covered.total} segment keys of {found.name} are known")
    if covered.transferred:
        show(f"  {covered.transferred} of them from another device's LUT, never measured")
    for key in covered.missing[:10]:
        show(f"  missing: {key}")
    if len(covered.missing) > 10:
        show(f"  and {len(covered.missing) - 10} more (--json lists all)")


@app.command("export")
def export_lut(
    device: DeviceName,
    path: ParquetFile,
    storage: Storage = DEFAULT_STORAGE,
    devices: Devices = DEFAULT_DEVICES,
    json: Json = False,
) -> None:
    """Write everything measured on a device, raw samples included, to one file."""
    from device_agents import Inventory
    from latency_lut import open_store
    from nas.measuring.access import newest_profile

    known = Inventory.load(devices).get(device)
    with open_store(storage) as store:
        profile = newest_profile(store, known)
        store.export_parquet(profile.id, path)
    if json:
        print_json({"device": device, "device_profile": profile.id, "file": str(path)})
    else:
        show(f"wrote {path} (device profile {profile.id})")


@app.command("import")
def import_lut(
    device: DeviceName,
    path: ParquetFile,
    storage: Storage = DEFAULT_STORAGE,
    devices: Devices = DEFAULT_DEVICES,
    json: Json = False,
) -> None:
    """Read a file that `nas lut export` wrote; what is already there is passed over."""
    from device_agents import Inventory
    from latency_lut import open_store

    Inventory.load(devices).get(device)
    with open_store(storage) as store:
        profile = store.import_parquet(path, device_name=device)
    if json:
        print_json({"device": device, "device_profile": profile.id, "file": str(path)})
    else:
        show(f"read {path} into device {device} (device profile {profile.id})")
