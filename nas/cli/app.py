"""The command tree, and how every failure ends: one or two lines and an exit code."""

import os
import sys
import traceback

import typer

from device_agents import BadInventory, DeviceError, DeviceUnusable
from nas.cli import bench, demo, devices, lut, measuring, spaces, studies
from nas.cli.output import say
from nas.errors import NasError

app = typer.Typer(
    name="nas",
    help="Search for the best networks for your own board, every latency measured on it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="--debug, anywhere on the line, shows the traceback of a failure.",
)
app.add_typer(devices.app, name="devices")
app.add_typer(spaces.app, name="spaces")
app.add_typer(lut.app, name="lut")
app.add_typer(bench.app, name="bench")
for module in (demo, measuring, studies):
    for command in module.COMMANDS:
        app.command()(command)


def main() -> None:
    """Entry point of the command `nas`."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # onnxruntime would report home
    debug = "--debug" in sys.argv
    sys.argv = [argument for argument in sys.argv if argument != "--debug"]
    try:
        app()
    except Exception as exc:  # noqa: BLE001  the last one who can turn it into a line
        if debug:
            traceback.print_exc()
        code = exit_code(exc)
        known = code is not None
        say(f"nas: {exc}" if known else f"nas: unexpected {type(exc).__name__}: {exc} (--debug)")
        sys.exit(code if code is not None else 1)


def exit_code(error: Exception) -> int | None:
    """The contract's exit code for an error of ours; None for one that nobody foresaw."""
    if isinstance(error, NasError):
        return error.exit_code
    if isinstance(error, DeviceUnusable):
        return 4
    if isinstance(error, DeviceError):
        return 2 if isinstance(error, BadInventory) else 1
    return _exit_code_of_loaded(error)


def _exit_code_of_loaded(error: Exception) -> int | None:
    """For errors of packages that import torch: looked up only when something imported them."""
    spaces_package = sys.modules.get("search_spaces")
    if spaces_package and isinstance(error, spaces_package.SpaceError):
        return 1 if isinstance(error, spaces_package.ExportError) else 2
    lut_package = sys.modules.get("latency_lut")
    if lut_package and isinstance(error, lut_package.LutError):
        return 2
    return None
