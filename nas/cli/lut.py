"""`nas lut`: what a device's LUT holds."""

from pathlib import Path
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
    SpaceRef,
    Storage,
)
from nas.cli.output import print_json, print_table, show

app = typer.Typer(help="Latency LUTs: show, coverage, export, import.", no_args_is_help=True)

ParquetFile = Annotated[Path, typer.Argument(metavar="FILE.parquet")]


@app.command("show")
def show_lut(
    space: SpaceRef,
    device: DeviceName,
    precision: Precision = "fp32",
    only: Only = None,
    data: DataRef = None,
    storage: Storage = DEFAULT_STORAGE,
    devices: Devices = DEFAULT_DEVICES,
    json: Json = False,
) -> None:
    """Show what each segment of a space costs on a device, dearest first."""
    from nas.access import open_lut
    from nas.ledger import space_keys
    from nas.units import MS
    from nas.workspace import open_space

    keys = space_keys(open_space(space, only=only or (), data=data))
    with open_lut(device, devices, storage, precision) as lut:
        entries = [entry for key, entry in lut.entries.items() if key in keys]
    rows = [
        {
            "segment": e.key,
            "latency_ms": e.latency_ns * MS,
            "low_ms": e.low_ns * MS,
            "high_ms": e.high_ns * MS,
            "carriers": e.carriers,
            "quality": e.quality,
        }
        for e in sorted(entries, key=lambda entry: -entry.latency_ns)
    ]
    if json:
        print_json(rows)
    elif rows:
        print_table(f"{space} on {device}", list(rows[0]), [list(r.values()) for r in rows])
    else:
        show(f"no segment of {space} known; fill: nas profile --space {space} --device {device}")


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
    from nas.access import open_lut
    from nas.workspace import open_space

    found = open_space(space, only=only or (), data=data)
    with open_lut(device, devices, storage, precision) as lut:
        covered = coverage_of(found, lut, precision)
    if json:
        document = {"space": found.name, "device": device, "known": covered.known}
        print_json({**document, "total": covered.total, "missing": list(covered.missing)})
        return
    show(f"{covered.known} of {covered.total} segment keys of {found.name} are known")
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
    from nas.access import newest_profile

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
