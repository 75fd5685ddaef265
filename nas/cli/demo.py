"""`nas demo`."""

from pathlib import Path
from typing import Annotated

import typer

from nas.cli.options import DEFAULT_DEVICES, DEFAULT_STORAGE, Devices, Json, Storage, storage_words
from nas.cli.output import print_json, print_table, progress_bar, quiet_optuna, say, show


def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder to write.")] = Path("results/demo"),
    storage: Storage = DEFAULT_STORAGE,
    devices: Devices = DEFAULT_DEVICES,
    json: Json = False,
) -> None:
    """Profile this machine, train, search, verify and report: a front within minutes."""
    from nas.demo import run_demo
    from nas.front_table import front_cells, front_documents
    from nas.surroundings import Surroundings

    quiet_optuna()
    say("demo: profile this machine, train a supernet on mnist5k, search, verify, report")
    outcome = run_demo(out, Surroundings(storage=storage, devices=devices, bar=progress_bar))
    if json:
        print_json(front_documents(outcome.front))
        return
    cells = front_cells(outcome.front)
    print_table("front of demo", list(cells[0]), [list(row.values()) for row in cells])
    show(f"picture    {outcome.report.png}")
    show(f"report     {outcome.report.html}")
    show(f"table      {outcome.report.csv}")
    show(f"network    {outcome.exported.path}  (the most accurate one)")
    show(f"dashboard  nas dashboard{storage_words(storage)}   then open http://127.0.0.1:8080/")


COMMANDS = (demo,)
