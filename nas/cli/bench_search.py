"""`nas bench search`: how few evaluations a sampler needs, where the exact front is known."""

import contextlib
import csv
import io
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from nas.cli.options import Json
from nas.cli.output import print_json, print_table, progress_bar
from nas.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from nas.bench.search import SearchRun, SearchTable


def search(
    table: Annotated[
        Path,
        typer.Option(
            "--table",
            metavar="FILE.toml",
            help="Describes a table of networks with their accuracies: its columns of params, "
            "accuracy and costs, and identity and features where there are such.",
        ),
    ],
    sampler: Annotated[
        str, typer.Option("--sampler", help="pareto, nsga2, tpe, gp or random.")
    ] = "pareto",
    trials: Annotated[int, typer.Option("--trials", min=1, help="Evaluations a seed.")] = 200,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Searches: seeds from 0 on.")] = 10,
    trace: Annotated[
        Path | None,
        typer.Option(
            "--trace",
            metavar="FILE.csv",
            help="Write each evaluation of --sampler there: seed, evaluation, row (from 0), "
            "accuracy and costs.",
        ),
    ] = None,
    compare: Annotated[
        bool,
        typer.Option("--compare", help="Also Optuna's nsga2, tpe, gp and random, beside it."),
    ] = False,
    json: Json = False,
) -> None:
    """Evaluations until 95, 98 and 99 % of the exact front's hypervolume, on a table of others.

    Errors and costs count by their logarithms, up to the 75 % quantile of each.
    """
    from nas.bench.search import COMPARED, check_whole, read_search_table, search_table
    from nas.samplers import check_sampler

    check_sampler(sampler)
    found = read_search_table(table)
    names = dict.fromkeys([sampler, *(COMPARED if compare else ())])
    for name in names:  # before any search: it may take long
        check_whole(found, name)
    tasks = [(name, seed) for name in names for seed in range(seeds)]
    runs: list[SearchRun] = []
    with _opened(trace) as file, progress_bar("search") as report:
        writer = csv.writer(file)
        writer.writerow(["seed", "evaluation", "row", "accuracy", *found.cost_names])
        for name, seed in tasks:

            def told(n: int, words: str = f"{name}, seed {seed}") -> None:
                report((len(runs) + n / trials) / len(tasks), None, words)

            runs.append(search_table(found, name, trials, seed, told))
            if name == sampler:
                writer.writerows(_trace(runs[-1], found))
    summaries = [(name, [run for run in runs if run.sampler == name]) for name in names]
    if json:
        documents = [_document(name, of) for name, of in summaries]
        print_json({"table": found.name, "trials": trials, "samplers": documents})
        return
    columns = ["sampler", "seed", "95 %", "98 %", "99 %", "share", "seconds"]
    rows = [row for name, of in summaries for row in _rows(name, of)]
    print_table(f"{found.name}: evaluations until", columns, rows)


@contextlib.contextmanager
def _opened(trace: Path | None) -> "Iterator[TextIO]":
    """The trace's file, or nowhere."""
    if trace is None:
        yield io.StringIO()
        return
    try:
        with trace.open("w", newline="") as file:
            yield file
    except OSError as exc:
        raise BadInput(f"{trace} cannot be written: {exc.strerror}") from exc


def _trace(run: "SearchRun", table: "SearchTable") -> "Iterator[list[object]]":
    for number, (row, accuracy) in enumerate(zip(run.rows, run.accuracies, strict=True), start=1):
        yield [run.seed, number, row, accuracy, *table.costs[row].tolist()]


def _document(sampler: str, runs: "Sequence[SearchRun]") -> dict[str, object]:
    from nas.bench.search import LEVELS, median_reached

    def named(reached: "Sequence[float | None]") -> dict[str, float | None]:
        return {f"{level:.0%}": n for level, n in zip(LEVELS, reached, strict=True)}

    return {
        "sampler": sampler,
        "median": named(median_reached(runs)),
        "seeds": [
            {
                "seed": run.seed,
                **named(run.reached),
                "share": run.share,
                "evaluations": len(run.rows),
                "seconds": run.seconds,
            }
            for run in runs
        ],
    }


def _rows(sampler: str, runs: "Sequence[SearchRun]") -> list[list[object]]:
    from nas.bench.search import median_reached

    rows: list[list[object]] = [
        [sampler, run.seed, *run.reached, run.share, run.seconds] for run in runs
    ]
    middles = [median(of) for of in ([run.share for run in runs], [run.seconds for run in runs])]
    return [*rows, [sampler, "median", *median_reached(runs), *middles]]
