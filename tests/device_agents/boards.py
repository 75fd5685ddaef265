"""The file trees of boards, as far as the agent reads them.

Each is one file of boards/, in the form that `tail -n +1 FILE FILE ...` prints on a board. What
begins with #! is a tool of the board with its recorded answers, and becomes a program.
"""

import os
import re
import shutil
from pathlib import Path

FOLDER = Path(__file__).with_name("boards")
CPUS = "sys/devices/system/cpu"


def unpack(name: str, folder: Path) -> Path:
    """The root of a board's file tree, in a folder of its own."""
    root = folder / name
    parts = re.split(r"^==> /(.+) <==\n", (FOLDER / f"{name}.txt").read_text(), flags=re.MULTILINE)
    for path, content in zip(parts[1::2], parts[2::2], strict=True):
        write(root, path, content.removesuffix("\n"))
    return root


def write(root: Path, path: str, content: str) -> None:
    """Have a file in a tree; a tool becomes a program."""
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
    if content.startswith("#!"):
        file.chmod(0o755)


def give_cores(root: Path) -> list[Path]:
    """Give the tree the cores that this process may use, each like core 0.

    Returns:
        The file of each core's governor.
    """
    cores = sorted(os.sched_getaffinity(0))
    for core in cores:
        if not (root / CPUS / f"cpu{core}").exists():
            shutil.copytree(root / CPUS / "cpu0", root / CPUS / f"cpu{core}")
    return [root / CPUS / f"cpu{core}" / "cpufreq" / "scaling_governor" for core in cores]
