"""A Ctrl-C that comes at the worst moment still ends a command."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nas.interrupts import deferred_interrupt

_ROOT = Path(__file__).parents[2]
_INTERRUPTED_IN_A_FINALIZER = """
import os, signal, time, weakref
from nas.interrupts import keep_interrupts

class Session: pass

if {kept}:
    keep_interrupts()
session = Session()
watch = weakref.ref(session, lambda _: [os.kill(os.getpid(), signal.SIGINT), time.sleep(0.01)])
try:
    del session
    time.sleep(1)
    print("it went on")
except KeyboardInterrupt:
    print("it stopped")
"""


@pytest.fixture
def heeded():
    """Ctrl-C as a command in the foreground has it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def _said(*, kept: bool) -> str:
    script = _INTERRUPTED_IN_A_FINALIZER.format(kept=kept)
    ran = subprocess.run(
        [sys.executable, "-c", script],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=True,
        # A shell's background job ignores Ctrl-C, and what it starts would ignore it too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    return ran.stdout.strip()


def test_an_interrupt_in_a_finalizer_is_lost_to_plain_python():
    assert _said(kept=False) == "it went on"


def test_an_interrupt_in_a_finalizer_comes_again():
    assert _said(kept=True) == "it stopped"


def test_what_is_in_flight_is_finished_after_the_first_interrupt_but_not_after_the_second(
    heeded, caplog
):
    done = []
    with pytest.raises(KeyboardInterrupt), deferred_interrupt("the egg") as interrupted:
        assert not interrupted()
        signal.raise_signal(signal.SIGINT)
        done.append(interrupted())
        signal.raise_signal(signal.SIGINT)
        done.append("too far")
    assert done == [True]
    assert "the egg is finished first" in caplog.text


def test_an_interrupt_after_the_work_is_as_ever(heeded):
    with deferred_interrupt("the egg"):
        pass
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_a_background_job_that_ignores_interrupts_goes_on_ignoring_them():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with deferred_interrupt("the egg") as interrupted:
            signal.raise_signal(signal.SIGINT)
            assert not interrupted()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
