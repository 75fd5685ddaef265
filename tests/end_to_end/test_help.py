"""Every command explains itself, and `--json` is for programs."""

import json

import pytest
import typer

from nas.cli.app import app
from tests.end_to_end.desk import ON_LOCAL, TINY, only

COMMANDS = (
    "bench baselines",
    "bench drift",
    "bench fleet",
    "bench lut",
    "bench ranking",
    "bench search",
    "bench storage",
    "dashboard",
    "demo",
    "devices add",
    "devices doctor",
    "devices list",
    "devices remove",
    "devices trust",
    "export",
    "front",
    "lut coverage",
    "lut export",
    "lut import",
    "lut show",
    "measure",
    "predict",
    "profile",
    "report",
    "search",
    "spaces list",
    "spaces sample",
    "spaces show",
    "verify",
)
SHARED = {
    "--json": [c for c in COMMANDS if c != "dashboard"],
    "--storage": "dashboard demo front measure predict profile report search verify".split(),
    "--devices": ["devices add", "lut show", "measure", "predict", "profile", "search", "verify"],
}


def test_the_commands_are_those_of_the_contract():
    tree = typer.main.get_command(app)
    found = []
    for name, command in tree.commands.items():
        inner = getattr(command, "commands", None)
        found += [f"{name} {sub}" for sub in inner] if inner else [name]
    assert sorted(found) == list(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_says_what_it_does(desk, command):
    ran = desk.ok(*command.split(), "--help")
    usage, *rest = [line.strip() for line in ran.out.splitlines() if line.strip()]
    assert ran.err == ""
    assert usage.startswith(f"Usage: nas {command} ")
    assert rest[0][0].isupper()
    assert len(rest[0].split()) >= 3


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_of_a_command_is_explained(command):
    found = typer.main.get_command(app)
    for name in command.split():
        found = found.commands[name]
    silent = [p.name for p in found.params if p.param_type_name == "option" and not p.help]
    assert silent == []


@pytest.mark.parametrize("group", ["", "devices", "spaces", "lut", "bench"])
def test_a_group_alone_shows_its_help(desk, group):
    assert "Commands" in desk.nas(*group.split()).out


@pytest.mark.parametrize("option", SHARED)
def test_an_option_that_commands_share_is_in_the_help_of_each(desk, option):
    for command in SHARED[option]:
        assert option in desk.ok(*command.split(), "--help").out, command


@pytest.mark.parametrize(
    "command",
    [
        ("spaces", "list"),
        ("spaces", "show", "language"),
        ("devices", "list"),
        ("lut", "show", *ON_LOCAL),
        ("lut", "coverage", *ON_LOCAL),
        ("profile", *ON_LOCAL, "--contexts", "1"),
        ("front", "tiny"),
        ("bench", "lut", *ON_LOCAL, "--speed"),
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_json_is_one_document_alone_on_stdout(searched, command):
    out = searched.ok(*command, "--json").out
    assert out.count("\n") == 1
    assert isinstance(json.loads(out), dict | list)


def test_answers_to_lines_are_one_json_document_a_line_with_and_without_json(profiled):
    space = ("mobile", "-n", "3", *only(*TINY), "--data", "digits")
    sampled = profiled.ok("spaces", "sample", *space).out
    assert profiled.ok("spaces", "sample", *space, "--json").out == sampled
    predicted = profiled.ok("predict", *ON_LOCAL, "-", stdin=sampled)
    assert profiled.ok("predict", *ON_LOCAL, "--json", "-", stdin=sampled).out == predicted.out
    assert len(predicted.lines) == 3


def test_without_json_a_person_sees_a_table(searched):
    shown = searched.ok("front", "tiny").out
    assert "front of tiny" in shown
    assert "accuracy" in shown
    assert "verified" in shown
