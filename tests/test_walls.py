"""The walls between the four packages, read from the imports themselves."""

import ast
import importlib
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
# Arrows point down only.
MAY_IMPORT = {
    "device_agents": set(),
    "search_spaces": set(),
    "latency_lut": {"search_spaces"},
    "nas": {"device_agents", "latency_lut", "search_spaces"},
}
# What a package must do without.
FOREIGN = {
    "device_agents": {"torch", "sqlalchemy", "alembic", "sqlite3", "optuna", "onnx"},
    "search_spaces": {"paramiko", "sqlalchemy", "alembic", "sqlite3", "optuna"},
}
ALLOWED_ALL_THE_SAME = {("search_spaces", "optuna.distributions")}


class Import(NamedTuple):
    file: Path
    line: int
    module: str

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line} imports {self.module}"

    @property
    def package(self) -> str:
        return self.module.partition(".")[0]


def imports_of(package: str) -> Iterator[Import]:
    """Every import, also those inside functions; relative ones by their full name."""
    for file in sorted((ROOT / package).rglob("*.py")):
        folder = ".".join(file.relative_to(ROOT).parent.parts)
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                yield from (Import(file, node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                name = "." * node.level + (node.module or "")
                module = importlib.util.resolve_name(name, folder) if node.level else name
                yield Import(file, node.lineno, module)


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_arrows_point_down_only(package: str):
    ours = [i for i in imports_of(package) if i.package in MAY_IMPORT and i.package != package]

    assert [str(i) for i in ours if i.package not in MAY_IMPORT[package]] == []


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_other_packages_are_imported_by_their_front_door(package: str):
    ours = [i for i in imports_of(package) if i.package in MAY_IMPORT and i.package != package]

    assert [str(i) for i in ours if i.module != i.package] == []


@pytest.mark.parametrize("package", FOREIGN)
def test_a_package_does_without_what_is_not_its_business(package: str):
    foreign = [i for i in imports_of(package) if i.package in FOREIGN[package]]

    assert [str(i) for i in foreign if (package, i.module) not in ALLOWED_ALL_THE_SAME] == []


def test_devices_are_put_to_work_for_the_lut_in_one_module_only():
    """Others may name a device or an error beside the LUT, but run no job."""
    working = {"Job", "Session", "open_session"}
    names: dict[Path, set[str]] = {}
    for file in (ROOT / "nas").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "device_agents":
                names.setdefault(file, set()).update(alias.name for alias in node.names)
    with_lut = {i.file for i in imports_of("nas") if i.package == "latency_lut"}

    meeting = [file.name for file in with_lut if names.get(file, set()) & working]
    assert meeting == ["measurement.py"]


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_front_door_holds_only_imports_and_sorted_names(package: str):
    tree = ast.parse((ROOT / package / "__init__.py").read_text())
    names = importlib.import_module(package).__all__

    assert list(names) == sorted(names, key=_kind_then_name)
    assert len(set(names)) == len(names)
    for node in tree.body:
        is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        is_names = [t.id for t in targets if isinstance(t, ast.Name)] == ["__all__"]
        assert isinstance(node, ast.Import | ast.ImportFrom) or is_docstring or is_names


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_front_door_offers_what_it_names_and_imports_nothing_else(package: str):
    tree = ast.parse((ROOT / package / "__init__.py").read_text())
    imported = {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }

    assert imported == set(importlib.import_module(package).__all__)


def test_the_command_line_starts_without_torch():
    if importlib.util.find_spec("nas.cli") is None:
        pytest.skip("nas/cli does not exist yet")
    code = "import sys, nas.cli; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "False"


def _kind_then_name(name: str) -> tuple[int, str]:
    """CONSTANTS, then Classes, then functions: the order of ruff's RUF022."""
    if name.isupper():
        return 0, name
    return (1 if name[0].isupper() else 2), name
