"""`nas bench baselines`: a study's front beside what people would have picked."""

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nas.cli.options import DEFAULT_DEVICES, DEFAULT_STORAGE, Devices, Json, Storage
from nas.cli.output import print_json, print_table, progress_bar, say, show
from nas.errors import BadInput

if TYPE_CHECKING:
    from nas.bench.baselines import BaselineBench
    from nas.open_study import OpenStudy


def baselines(
    study: Annotated[str, typer.Argument(metavar="STUDY", help="Name of a verified study.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", help="Folder to write; results/baselines-STUDY if left out."),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option("--device", help="Another one, on which the front was verified too."),
    ] = None,
    storage: Storage = DEFAULT_STORAGE,
    devices: Devices = DEFAULT_DEVICES,
    json: Json = False,
) -> None:
    """Hand-made networks of the same space, scored and measured as the verified front was.

    Uniform, MobileNetV2-like and MobileNetV3-like networks, or plain attention and dense MCSD
    decoders, at each size. Writes baselines.csv and baselines.png; a second call goes on.
    """
    from nas.bench.baselines import bench_baselines, document
    from nas.open_study import open_study
    from nas.surroundings import Surroundings

    opened = open_study(study, storage)
    around = Surroundings(storage=storage, devices=devices, bar=progress_bar)
    bench = bench_baselines(opened, around.device(device or opened.settings.device), around)
    files = _write(opened, bench, output or Path("results") / f"baselines-{study}")
    if json:
        print_json({**document(opened, bench), "files": files})
    else:
        _show(opened, bench, files)
    for name, why in bench.failures.items():
        say(f"{name} could not be measured: {why}")
    if bench.failures:
        say("the same command tries them again")
        raise typer.Exit(1)


def _write(opened: "OpenStudy", bench: "BaselineBench", folder: Path) -> dict[str, str]:
    """The table and the picture of what was measured; no files where nothing was."""
    from nas.bench.baselines import records, write_picture

    if not bench.compared:
        return {}
    settings = opened.settings
    rows = records(bench.compared, settings.objective)
    table, picture = folder / "baselines.csv", folder / "baselines.png"
    title = f"{settings.space} on {bench.device}, {settings.precision}: {settings.data}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with table.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
        write_picture(title, bench.front.rows, bench.compared, picture)
    except OSError as exc:
        raise BadInput(f"{folder} cannot be written: {exc.strerror}") from exc
    return {"csv": str(table), "png": str(picture)}


def _show(opened: "OpenStudy", bench: "BaselineBench", files: dict[str, str]) -> None:
    from nas.bench.baselines import cells, counts, middle_line

    if not bench.compared:
        return
    quality, compared = opened.settings.objective, bench.compared
    rows = cells(compared, quality)
    title = f"what people would have picked beside the front of {opened.name}"
    print_table(title, list(rows[0]), [list(row.values()) for row in rows])
    told = ", ".join(f"{number} {verdict}" for verdict, number in counts(compared).items())
    show(f"of {len(compared)} baselines: {told}")
    show(middle_line(compared, quality))
    budget_ms = opened.settings.max_latency_ms
    beyond = sum(budget_ms is not None and one.baseline.latency_ms > budget_ms for one in compared)
    if beyond:
        show(
            f"{beyond} take longer than the budget of {budget_ms:g} ms, where nothing was searched"
        )
    if bench.left_out:
        few, more = bench.left_out[:3], len(bench.left_out) > 3
        show(
            f"left out, as the searched part of the space does not hold them: "
            f"{len(bench.left_out)}, {'; '.join(few)}{'; …' if more else ''}"
        )
    for path in files.values():
        show(path)
