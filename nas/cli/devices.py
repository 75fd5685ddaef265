"""`nas devices`: the inventory, and whether a device is fit."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from device_agents import (
    Check,
    Device,
    DeviceUnusable,
    Inventory,
    examine,
    fetch_host_key,
    open_transport,
)
from device_agents import purge as purge_folder
from device_agents import trust as trust_key
from nas.cli.options import DEFAULT_DEVICES, DEFAULT_STORAGE, Devices, Json, Storage
from nas.cli.output import print_json, print_table, say, show
from nas.errors import BadInput

app = typer.Typer(
    help="Devices: add, list, remove, doctor, trust.",
    epilog="By hand on a board, without a workstation: python3 agent.py --help",
    no_args_is_help=True,
)

Name = Annotated[str, typer.Argument(help="Name of the device.")]


@app.command()
def add(
    name: Name,
    host: Annotated[str, typer.Option("--host", help="Host name, address or ~/.ssh/config alias.")],
    port: Annotated[int | None, typer.Option("--port", help="Of SSH, if not 22.")] = None,
    user: Annotated[str | None, typer.Option("--user", help="Login name there.")] = None,
    key: Annotated[Path | None, typer.Option("--key", help="Private key file.")] = None,
    known_hosts: Annotated[
        Path | None, typer.Option("--known-hosts", help="Instead of ~/.ssh/known_hosts.")
    ] = None,
    threads: Annotated[int, typer.Option("--threads", help="Threads of a network.")] = 1,
    provider: Annotated[
        str, typer.Option("--provider", help="ONNX Runtime execution provider.")
    ] = "CPUExecutionProvider",
    group: Annotated[
        list[str] | None,
        typer.Option("--group", help="Also reached as group:NAME; may be given several times."),
    ] = None,
    devices: Devices = DEFAULT_DEVICES,
    storage: Storage = DEFAULT_STORAGE,
    json: Json = False,
) -> None:
    """Add a device to the inventory, or change one of that name."""
    device = Device(
        name=name,
        host=host,
        port=port,
        user=user,
        key_file=str(key) if key else None,
        known_hosts_file=str(known_hosts) if known_hosts else None,
        threads=threads,
        provider=provider,
        groups=tuple(dict.fromkeys(group or ())),
    )
    Inventory.load(devices).with_device(device).save(devices)
    if json:
        print_json({"added": name})
    else:
        show(f"added {name}; next: nas devices trust {name}")


@app.command("list")
def list_devices(
    devices: Devices = DEFAULT_DEVICES,
    storage: Storage = DEFAULT_STORAGE,
    json: Json = False,
) -> None:
    """List the devices of the inventory, and what each was doing when last heard of."""
    from nas.device_rows import device_rows, shown_row

    rows = device_rows(Inventory.load(devices), storage)
    if json:
        print_json(rows)
    else:
        shown = [shown_row(row) for row in rows]
        print_table("devices", list(shown[0]), [list(row.values()) for row in shown])


@app.command()
def remove(
    name: Name,
    purge: Annotated[
        bool, typer.Option("--purge", help="Also delete the agent's folder on the device.")
    ] = False,
    devices: Devices = DEFAULT_DEVICES,
    storage: Storage = DEFAULT_STORAGE,
    json: Json = False,
) -> None:
    """Remove a device from the inventory."""
    inventory = Inventory.load(devices)
    device = inventory.get(name)
    if purge:
        transport = open_transport(device)
        purge_folder(transport, device)
        transport.close()
    if name != "local":
        inventory.without(name).save(devices)
    elif not purge:
        raise BadInput("local always exists; --purge deletes its agent's folder")
    if json:
        print_json({"removed": name, "purged": purge})
    else:
        show(f"removed {name}" + (", its folder there deleted" if purge else ""))


@app.command()
def doctor(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME[,NAME...]]",
            help="Names, or group:NAME; all of the inventory if left out.",
        ),
    ] = None,
    devices: Devices = DEFAULT_DEVICES,
    storage: Storage = DEFAULT_STORAGE,
    json: Json = False,
) -> None:
    """Check devices step by step, each with its cure; exit code 4 if one cannot be used.

    A check ends within 30 s, the test inference within 60 s, setting up
    onnxruntime within 240 s, all of a device within 300 s.
    """
    inventory = Inventory.load(devices)
    chosen = inventory.select(name) if name else tuple(inventory)
    found = {device.name: examine(device) for device in chosen}
    if json:
        documents = {key: [_document(check) for check in found[key]] for key in found}
        print_json(documents[name] if name in documents else documents)
    else:
        for key, checks in found.items():
            rows = [(c.name, _verdict(c.ok), c.detail, c.cure or "") for c in checks]
            print_table(f"doctor: {key}", ("check", "", "found", "cure"), rows)
    errors = [error for key, checks in found.items() if (error := _unfit(key, checks))]
    for error in errors[1:]:
        say(f"nas: {error}")
    if errors:
        raise errors[0]


def _unfit(name: str, checks: Sequence[Check]) -> DeviceUnusable | None:
    failed = next((check for check in checks if check.ok is False), None)
    if failed is None:
        return None
    cure = f"\n{failed.cure}" if failed.cure else ""
    message = f"{name} is not fit: {failed.name}: {failed.detail}{cure}"
    return DeviceUnusable(message, device=name)


@app.command()
def trust(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    devices: Devices = DEFAULT_DEVICES,
    storage: Storage = DEFAULT_STORAGE,
    json: Json = False,
) -> None:
    """Show the fingerprint of a device's host key and, if you agree, remember the key."""
    device = Inventory.load(devices).get(name)
    key = fetch_host_key(device)
    say(f"{name} shows the host key {key.fingerprint}")
    if not yes and not typer.confirm("Is this the device's own fingerprint?", err=True):
        raise BadInput(f"{name} is not trusted; nothing was changed")
    trust_key(device, key)
    if json:
        print_json({"trusted": name, "fingerprint": key.fingerprint})
    else:
        show(f"trusted {name}; next: nas devices doctor {name}")


def _document(check: Check) -> dict[str, object]:
    return {
        "check": check.name,
        "ok": check.ok,
        "detail": check.detail,
        "cure": check.cure,
    }


def _verdict(ok: bool | None) -> str:
    return {True: "ok", False: "FAILED", None: "unknown"}[ok]
