"""`nas spaces`: what can be searched."""

from typing import Annotated

import typer

from nas.cli.options import (
    DEFAULT_DEVICES,
    DEFAULT_STORAGE,
    DataRef,
    Devices,
    Json,
    Only,
    Seed,
    Storage,
)
from nas.cli.output import print_json, print_table, show
from nas.errors import BadInput

app = typer.Typer(help="Search spaces: list, show, sample.", no_args_is_help=True)

_HELP = "mobile, language, hybrid or path/to/file.py:name."
Reference = Annotated[str | None, typer.Argument(metavar="SPACE", help=_HELP)]
SpaceOption = Annotated[
    str | None, typer.Option("--space", help="Instead of SPACE, as in the other commands.")
]


@app.command("list")
def list_spaces(
    storage: Storage = DEFAULT_STORAGE,
    devices: Devices = DEFAULT_DEVICES,
    json: Json = False,
) -> None:
    """List the built-in spaces."""
    from search_spaces import BUILT_IN, load_space

    spaces = [load_space(name) for name in BUILT_IN]
    rows = [
        {"space": s.name, "choices": len(s.choices), "architectures": float(s.count())}
        for s in spaces
    ]
    if json:
        print_json(rows)
    else:
        print_table("spaces", list(rows[0]), [list(row.values()) for row in rows])


@app.command("show")
def show_space(
    space: Reference = None,
    space_option: SpaceOption = None,
    only: Only = None,
    data: DataRef = None,
    storage: Storage = DEFAULT_STORAGE,
    devices: Devices = DEFAULT_DEVICES,
    json: Json = False,
) -> None:
    """Show a space's choices and how many architectures and segments it has."""
    from nas.campaign.ledger import space_keys
    from nas.workspace import open_space
    from search_spaces import FP32, PRECISIONS

    found = open_space(_chosen(space, space_option), only=only or (), data=data)
    choices = [
        {"choice": c.name, "values": list(c.values), "parent": c.parent, "when": list(c.when)}
        for c in found.choices
    ]
    keys = len(space_keys(found, FP32))
    if json:
        print_json(
            {
                "space": found.name,
                "architectures": str(found.count()),
                "segment_keys": keys,
                "precisions": list(found.precisions),
                "choices": choices,
            }
        )
        return
    rows = [(c["choice"], c["values"], _condition(c["parent"], c["when"])) for c in choices]
    print_table(found.name, ("choice", "values, small to large", "has an effect when"), rows)
    show(f"{float(found.count()):.3g} architectures, {keys} segment keys, task {found.task}")
    for precision in found.precisions:
        show(f"{precision}: {PRECISIONS[precision]}")


@app.command()
def sample(
    space: Reference = None,
    space_option: SpaceOption = None,
    n: Annotated[int, typer.Option("-n", min=1, help="How many architectures.")] = 10,
    seed: Seed = 0,
    only: Only = None,
    data: DataRef = None,
    storage: Storage = DEFAULT_STORAGE,
    devices: Devices = DEFAULT_DEVICES,
    json: Json = False,
) -> None:
    """Sample architectures, one JSON line each (with --json as well)."""
    import numpy as np

    from nas.workspace import open_space

    found = open_space(_chosen(space, space_option), only=only or (), data=data)
    rng = np.random.default_rng(seed)
    for _ in range(n):
        show(found.sample(rng).to_json())


def _chosen(space: str | None, option: str | None) -> str:
    if (space is None) == (option is None):
        raise BadInput("name one space, for example: nas spaces sample mobile")
    return str(space or option)


def _condition(parent: object, when: object) -> str:
    return f"{parent} in {when}" if parent else "always"
