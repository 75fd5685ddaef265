"""Ctrl-C that is neither lost nor leaves half of a trial behind.

Python raises KeyboardInterrupt wherever the main thread happens to be. In a finalizer, or in the
callback of a weak reference, of which a database session runs thousands a minute, nobody can catch
it: Python tells of it and goes on. Between two lines of Optuna it leaves the thread behind that
says that the trial still runs, and the process never ends.
"""

import _thread
import contextlib
import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

logger = logging.getLogger(__name__)

_AGAIN_AFTER_S = 0.05  # our choice: finalizers take microseconds


def keep_interrupts() -> None:
    """From now on, a Ctrl-C that came where nobody can catch it comes again a moment later."""
    others = sys.unraisablehook

    def tell(unraisable: "sys.UnraisableHookArgs") -> None:
        if not isinstance(unraisable.exc_value, KeyboardInterrupt):
            others(unraisable)
            return
        timer = threading.Timer(_AGAIN_AFTER_S, _thread.interrupt_main)
        timer.daemon = True  # a command that ends meanwhile does not wait for it
        timer.start()

    sys.unraisablehook = tell


@contextlib.contextmanager
def deferred_interrupt(in_flight: str) -> Iterator[Callable[[], bool]]:
    """A function that tells whether Ctrl-C was typed, for a loop to end by.

    A second one raises KeyboardInterrupt at once, as ever.

    Args:
        in_flight: what is finished first, in words.
    """
    typed = False

    def remember(_signal: int, _frame: FrameType | None) -> None:
        nonlocal typed
        typed = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
        logger.warning("%s is finished first; Ctrl-C again stops at once", in_flight)

    before = signal.getsignal(signal.SIGINT)
    # Only the main thread may change a handler, and only one that is ours to change.
    main = threading.current_thread() is threading.main_thread()
    if not main or before is not signal.default_int_handler:
        yield lambda: False
        return
    signal.signal(signal.SIGINT, remember)
    try:
        yield lambda: typed
    finally:
        signal.signal(signal.SIGINT, before)
