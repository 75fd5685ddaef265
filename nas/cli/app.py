"""The command tree, and how every failure ends: one or two lines and an exit code."""

import os
import sys
import traceback
from typing import Any

import typer

from device_agents import BadInventory, DeviceError, DeviceUnusable
from nas.cli import bench, demo, devices, lut, measuring, profiling, searching, spaces, studies
from nas.cli.output import say
from nas.errors import NasError
from nas.interrupts import keep_interrupts

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
for module in (demo, profiling, measuring, searching, studies):
    for command in module.COMMANDS:
        app.command()(command)


_UsageError = typer.BadParameter.__bases__[0]  # Typer has no public name for it
_INTERRUPTED = 130  # what Typer gives for Ctrl-C


def main() -> None:
    """Entry point of the command `nas`."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # onnxruntime would report home
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads slow a busy machine
    keep_interrupts()
    debug = "--debug" in sys.argv
    sys.argv = [argument for argument in sys.argv if argument != "--debug"]
    try:
        code = app(prog_name="nas", standalone_mode=False)
    except typer.Abort:
        say("nas: no answer was given; nothing was changed")
        sys.exit(1)
    except Exception as exc:  # noqa: BLE001  the last one who can turn it into a line
        if debug:
            traceback.print_exc()
        sys.exit(_tell(exc))
    if code == _INTERRUPTED:
        say("nas: stopped; what was done so far is kept, the same command goes on")
        sys.exit(1)
    sys.exit(code or 0)


def _tell(error: Exception) -> int:
    """Says in a line or two what went wrong, and gives the exit code."""
    if isinstance(error, _UsageError):
        return _tell_usage(error)
    if isinstance(error, OSError) and error.filename and error.strerror:
        say(f"nas: {error.filename}: {error.strerror.lower()}; name another file or folder")
        return 2
    code = exit_code(error)
    if code is None:
        say(f"nas: unexpected {type(error).__name__}: {error} (--debug)")
        return 1
    say(f"nas: {error}")
    return code


def _tell_usage(error: Any) -> int:
    """As `_tell`; a group without a command has shown its help already and has no message."""
    code, message = int(error.exit_code), error.format_message().rstrip(".")
    if message:
        command = error.ctx.command_path if error.ctx else "nas"
        say(f"nas: {message}. See: {command} --help")
    return code


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
    optuna_errors = sys.modules.get("optuna.exceptions")
    if optuna_errors and isinstance(error, optuna_errors.StorageInternalError):
        return 1
    lut_package = sys.modules.get("latency_lut")
    if lut_package and isinstance(error, lut_package.LutError):
        return 2 if isinstance(error, lut_package.StoreError) else 1
    return None
