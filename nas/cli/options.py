"""Options that several commands share, each defined once."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout and nothing else there.")]
Storage = Annotated[
    str,
    typer.Option(
        "--storage",
        envvar="NAS_STORAGE",
        help="Database of studies and LUTs: sqlite:///FILE or postgresql://…",
    ),
]
DEFAULT_STORAGE = "sqlite:///results/nas.db"
Devices = Annotated[Path, typer.Option("--devices", help="Inventory of devices.")]
DEFAULT_DEVICES = Path("devices.toml")
SpaceRef = Annotated[
    str,
    typer.Option("--space", help="mobile, language, hybrid, or path/to/file.py:name."),
]
Only = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        metavar="CHOICE=VALUE[,VALUE…]",
        help="Search only this part of the space; may be given several times.",
    ),
]
TrainingData = Annotated[
    str,
    typer.Option(
        "--data", help="digits, mnist5k, idx:DIR, images:DIR, npz:FILE, text:FILE or kjv."
    ),
]
DataRef = Annotated[
    str | None,
    typer.Option(
        "--data",
        help="Take input shape and classes from this data set instead of the space's own: digits, "
        "mnist5k, idx:DIR, images:DIR, npz:FILE, text:FILE, kjv.",
    ),
]
DeviceName = Annotated[str, typer.Option("--device", help="Name in the inventory, or local.")]
DeviceNames = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="NAME[,NAME...]",
        help="Names in the inventory, group:NAME, or local. Devices of one profile share the work.",
    ),
]
_PRECISIONS = "fp32; int8: 8-bit weights, for images 8-bit activations too; int4: 4-bit weights"
Precision = Annotated[
    str,
    typer.Option(
        "--precision",
        help=f"Number format of the networks. {_PRECISIONS}. Which a space has: nas spaces show.",
    ),
]
Precisions = Annotated[
    str,
    typer.Option(
        "--precision",
        metavar="P[,P…]",
        help=f"Number formats, one campaign each. {_PRECISIONS}. Which a space has: nas spaces "
        "show.",
    ),
]
StudyPrecision = Annotated[
    str | None,
    typer.Option(
        "--precision", help=f"Number format; the study's, or fp32, if left out. {_PRECISIONS}."
    ),
]
Wait = Annotated[
    float,
    typer.Option(
        "--wait",
        metavar="MINUTES",
        min=0,
        help="At most, for another host that is measuring on the device.",
    ),
]
DEFAULT_WAIT = 10.0
SkipBad = Annotated[
    bool, typer.Option("--skip-bad", help="Answer the good lines although some are malformed.")
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of all random choices.")]


def storage_words(storage: str) -> str:
    """` --storage URL` for a command that is shown, passwords hidden; nothing for the default."""
    if storage == DEFAULT_STORAGE:
        return ""
    from latency_lut import shown_url

    return f" --storage {shlex.quote(shown_url(storage))}"
