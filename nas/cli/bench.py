"""`nas bench`: how fast and how good the parts are, measured, never asserted."""

from pathlib import Path
from typing import Annotated

import typer

from nas.cli.bench_baselines import baselines
from nas.cli.bench_fleet import fleet
from nas.cli.bench_ranking import ranking
from nas.cli.bench_search import search
from nas.cli.bench_storage import storage as bench_storage
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
from nas.cli.output import print_json, print_table, progress_bar, say, show
from nas.errors import BadInput

app = typer.Typer(help="Benchmarks of our own parts.", no_args_is_help=True)
app.command()(baselines)
app.command()(search)
app.command()(ranking)
app.command()(fleet)
app.command("storage")(bench_storage)

_FLOOR = 0.04  # a repeat error above it says more of the machine than of any prediction


@app.command()
def lut(
    space: Annotated[
        str | None, typer.Option("--space", help="mobile, language, hybrid, or FILE.py:NAME.")
    ] = None,
    device: Annotated[
        str | None, typer.Option("--device", help="Name in the inventory, or local.")
    ] = None,
    networks: Annotated[
        int, typer.Option("--networks", min=3, help="Unseen networks to measure whole.")
    ] = 40,
    measured: Annotated[
        Path | None,
        typer.Option(
            "--measured",
            metavar="FILE.json",
            help="Measure none, take those of an earlier --json: what a change of the LUT gained.",
        ),
    ] = None,
    speed: Annotated[
        bool, typer.Option("--speed", help="Only time loading and predicting; needs no device.")
    ] = False,
    table: Annotated[
        Path | None,
        typer.Option(
            "--table",
            help="Instead of a device: networks and their latency as others measured them, a "
            ".parquet or .csv file, or the .toml that describes it.",
        ),
    ] = None,
    train_rows: Annotated[
        int, typer.Option("--train-rows", min=20, help="With --table: rows to fit.")
    ] = 900,
    seeds: Annotated[
        int, typer.Option("--seeds", min=1, help="With --table: random splits of the rows.")
    ] = 5,
    params: Annotated[
        list[str] | None,
        typer.Option("--params", metavar="COLUMN", help="With --table: its choices, if not told."),
    ] = None,
    latency: Annotated[
        list[str] | None,
        typer.Option("--latency", metavar="COLUMN", help="With --table: its latencies, likewise."),
    ] = None,
    precision: Precision = "fp32",
    only: Only = None,
    data: DataRef = None,
    seed: Seed = 1,
    storage: Storage = DEFAULT_STORAGE,
    devices: Devices = DEFAULT_DEVICES,
    json: Json = False,
) -> None:
    """Predicted against measured on unseen networks, beside other ways and the repeat error."""
    if table is not None:
        _on_table(table, train_rows, seeds, params or (), latency or (), json=json)
        return
    if space is None or device is None:
        raise typer.BadParameter("give --space and --device, or --table")
    from nas.bench import compare, measure_unseen, read_unseen, time_prediction
    from nas.measuring.access import check_precision, open_lut_reader, rigs
    from nas.workspace import open_space

    found = open_space(space, only=only or (), data=data)
    check_precision(found, precision)
    if speed:
        with open_lut_reader(device, devices, storage, precision) as load:
            timed = time_prediction(found, load, seed)
        if json:
            print_json([timed])
        else:
            print_table(f"{space} on {device}", list(timed), [list(timed.values())])
        return
    for rig in rigs(device, devices, storage, found, precision):
        predictor = rig.predictor()
        with progress_bar("bench") as report:
            unseen = (
                read_unseen(rig, measured)
                if measured
                else measure_unseen(
                    rig, networks, seed, on_step=lambda done, words: report(done, None, words)
                )
            )
        result = compare(rig, predictor, unseen)
        rows = [{"device": rig.device.name, **row} for row in result.rows]
        if json:
            of = {"device_profile": rig.profile.id, "space": space, "precision": precision}
            print_json({**of, "rows": rows, "networks": result.networks})
            continue
        columns = [name for name in rows[0] if name != "device"]
        title = f"{space} {precision} on {rig.device.name}, {len(result.networks)} unseen networks"
        print_table(title, columns, [[row[name] for name in columns] for row in rows])
        for line in _floor_lines(rows):
            show(line)


@app.command()
def drift(
    device: DeviceName,
    space: SpaceRef,
    storage: Storage = DEFAULT_STORAGE,
    devices: Devices = DEFAULT_DEVICES,
    json: Json = False,
) -> None:
    """What the canary gains, on stored measurements of networks that were measured repeatedly."""
    from device_agents import Inventory
    from latency_lut import open_store
    from nas.bench import repeat_errors
    from nas.measuring.access import newest_profile

    known = Inventory.load(devices).get(device)
    with open_store(storage) as store:
        profile = newest_profile(store, known)
        rows = repeat_errors(store.networks(profile.id, space), store.canary(profile.id))
    if not rows:
        raise BadInput(f"nothing of the space {space!r} was measured on {device!r}")
    if json:
        print_json(rows)
    else:
        print_table(f"{space} on {device}", list(rows[0]), [list(row.values()) for row in rows])


def _on_table(
    file: Path,
    train_rows: int,
    seeds: int,
    params: list[str] | tuple[()],
    latency: list[str] | tuple[()],
    *,
    json: bool,
) -> None:
    from nas.bench.tables import compare_on_table, read_latency_table

    found = read_latency_table(file, params, latency)
    told = lambda column, split: say(f"{column}: split {split}")  # noqa: E731
    rows = compare_on_table(found, train_rows, seeds, on_fit=told)
    if json:
        print_json(rows)
    else:
        print_table(found.name, list(rows[0]), [list(row.values()) for row in rows])


def _floor_lines(rows: list[dict[str, object]]) -> list[str]:
    """Where the machine itself repeats badly, what that means for the columns of shares."""
    again = [row for row in rows if row["by"] == "measured again"]
    lines = []
    for row in again:
        floor = row["MAPE"]
        if isinstance(floor, float) and floor > _FLOOR:
            lines.append(
                f"{row['quantity']}: this machine repeats itself to {100 * floor:.1f} % only; "
                "judge by how little above that the mean error is"
            )
    return lines
