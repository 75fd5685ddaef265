import subprocess
import time
from pathlib import Path

import pytest

from nas.accuracy.own_function import OwnFunction
from nas.errors import AccuracyFailed, BadInput
from search_spaces import ImageTask, TextTask, UserFileError, language, mobile

OWN = """
import os, subprocess, sys, time
import numpy as np

def width(network, architecture):
    print("training")
    return architecture.choices["width"] / 2

def weights(network, architecture):
    return np.float32(1 / sum(w.numel() for w in network.parameters())), 0.01

def nothing(network, architecture):
    return None

def nan(network, architecture):
    return float("nan")

def percent(network, architecture):
    return 93.0

def three(network, architecture):
    return 0.1, 0.2, 0.3

def raises(network, architecture):
    raise RuntimeError("no such file: cifar")

def dies(network, architecture):
    os._exit(9)

def hangs(network, architecture):
    helper = subprocess.Popen(["sleep", "600"])
    open("helper.pid", "w").write(str(helper.pid))
    time.sleep(600)

number = 3
"""


@pytest.fixture
def ask(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(OWN)
    space = mobile(ImageTask(channels=1, classes=10, resolution_px=20))

    def evaluate(name, limit_s=120.0):
        own = OwnFunction(f"own.py:{name}", "mobile", space, limit_s=limit_s)
        return own.evaluate(space.smallest())

    return evaluate


def test_a_function_sees_the_architecture_and_may_print(ask):
    quality = ask("width")
    assert (quality.value, quality.standard_error) == (0.25, None)
    assert (quality.name, quality.direction) == ("accuracy", "maximize")


def test_a_function_sees_the_network_and_may_tell_its_standard_error(ask):
    quality = ask("weights")
    assert 0 < quality.value < 1e-4
    assert quality.standard_error == 0.01


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("nothing", "gave None; a number, or two, are expected"),
        ("nan", "gave nan; a number in [0, 1] is expected"),
        ("percent", "gave 93; a number in [0, 1] is expected"),
        ("three", "gave [0.1, 0.2, 0.3]; a number, or two, are expected"),
        ("raises", "failed: RuntimeError: no such file: cifar (line 25)"),
        ("dies", "ended its process with 9 and no answer"),
    ],
)
def test_what_is_no_accuracy_is_told_in_a_line(ask, name, told):
    with pytest.raises(AccuracyFailed) as caught:
        ask(name)
    assert str(caught.value) == f"own.py:{name} {told}"


def test_a_function_that_hangs_is_ended_with_all_that_it_started(ask):
    with pytest.raises(AccuracyFailed, match="own.py:hangs gave no answer within 20 s"):
        ask("hangs", limit_s=20.0)
    assert is_over(int(Path("helper.pid").read_text()))


def is_over(pid):
    """A killed process stays in the table until whoever adopted it has looked."""
    for _ in range(100):
        state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True).stdout
        if not state.strip() or state.startswith(b"Z"):
            return True
        time.sleep(0.1)
    return False


def test_bits_per_byte_may_be_above_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(OWN)
    space = language(TextTask(context=32))
    quality = OwnFunction("own.py:percent", "language", space, limit_s=120).evaluate(
        space.smallest()
    )
    assert (quality.name, quality.direction, quality.value) == ("bits_per_byte", "minimize", 93.0)


def test_a_wrong_name_is_told_before_any_work(ask):
    with pytest.raises(UserFileError, match=r"own.py has no 'widht'; did you mean 'width'\?"):
        ask("widht")
    with pytest.raises(BadInput, match="--accuracy own.py:number: not a function"):
        ask("number")
