"""`nas bench storage`: how many trials a second a storage takes."""

from typing import Annotated

import typer

from nas.cli.options import Json
from nas.cli.output import print_json, print_table, progress_bar, quiet_optuna


def storage(
    trials: Annotated[int, typer.Option("--trials", min=1, help="Of each storage.")] = 1000,
    choices: Annotated[int, typer.Option("--choices", min=1, help="Of the space.")] = 45,
    storage: Annotated[
        str | None,
        typer.Option(
            "--storage",
            help="Database to write to, in studies that are deleted afterwards; by default a new "
            "SQLite file in this folder.",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Trials a second when evaluating takes no time, beside Optuna's own storages."""
    from nas.bench.storage import compare_storages
    from nas.study import open_storage

    quiet_optuna()
    if storage is not None:
        open_storage(storage)  # what is none is refused before there is a bar
    with progress_bar("storage") as report:
        rates = compare_storages(
            storage, trials, choices, lambda share, words: report(share, None, words)
        )
    rows = [
        {"storage": rate.name, "trials/s": rate.trials_per_s, "seconds": rate.seconds}
        for rate in rates
    ]
    if json:
        print_json({"trials": trials, "choices": choices, "storages": rows})
        return
    cells = [list(row.values()) for row in rows]
    print_table(f"{trials} trials of {choices} choices", list(rows[0]), cells)
