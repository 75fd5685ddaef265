"""Whatever happens to a board, its LUT is the same in the end, and the user is told.

`--fault-seeds N` strikes each fault at N random moments, on five boards at once, and
`--fault-table FILE.json` keeps what came of it, in place of older rows of the same faults, with a
table for people beside it (`FILE.md`). Without them, a few faults strike once.
"""

import queue
import statistics
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict

import pytest

from tests.agreement import agree
from tests.faults.case import Fault, run_case
from tests.faults.faults import FAULTS
from tests.faults.table import Table, off

pytestmark = pytest.mark.lab

FEW = ("the agent is killed", "its disk fills up for 8 s", "it answers half a line")
NUM_BOARDS = 5


@pytest.fixture(scope="module")
def seeds(request):
    """At how many moments each fault strikes; 0: a few strike once."""
    return request.config.getoption("--fault-seeds")


@pytest.fixture(scope="module")
def boards(lab, seeds):
    """Boards that are free to be broken."""
    free = queue.SimpleQueue()
    for board in lab.boards(min(NUM_BOARDS, max(seeds, 1)), on_all_cores=seeds > 1):
        board.give("onnxruntime")
        free.put(board)
    return free


@pytest.fixture(scope="module")
def undisturbed(boards, seeds, tmp_path_factory):
    """By space: the seconds of an undisturbed run beside as many others, and its segment keys."""
    known = {}

    def run(fault, folder):
        calm = Fault(space=fault.space, lost=fault.lost)
        with taken(boards) as board:
            calm_run = {"name": "calm", "undisturbed_s": 0.0, "expected": frozenset()}
            return run_case(calm, board, folder, 0, **calm_run)

    def look(fault):
        if fault.space not in known:
            folders = [tmp_path_factory.mktemp("undisturbed") for _ in range(max(seeds, 1))]
            with ThreadPoolExecutor(NUM_BOARDS) as pool:
                runs = list(pool.map(lambda folder: run(fault, folder), folders))
            keys = {frozenset(outcome.added) for outcome in runs}
            assert len(keys) == 1
            known[fault.space] = statistics.median(o.seconds for o in runs), keys.pop()
        return known[fault.space]

    return look


@contextmanager
def taken(boards):
    """A board that nobody else breaks meanwhile."""
    board = boards.get()
    try:
        yield board
    finally:
        boards.put(board)


@pytest.fixture(scope="module")
def table(request):
    """What came of all so far; kept in a file, after each fault, if one is asked for."""
    return Table(request.config.getoption("--fault-table"), FAULTS)


@pytest.mark.parametrize("name", FAULTS)
def test_a_lut_is_the_same_after(name, boards, seeds, undisturbed, table, tmp_path):
    if not seeds and name not in FEW:
        pytest.skip("--fault-seeds 1 strikes all faults; it takes half an hour")
    fault = FAULTS[name]
    seconds, keys = undisturbed(fault)

    def strike(seed):
        calm = {"name": name, "undisturbed_s": seconds, "expected": keys}
        try:
            with taken(boards) as board:
                return run_case(fault, board, tmp_path / str(seed), seed, **calm)
        except AssertionError as exc:
            return str(exc)

    with ThreadPoolExecutor(NUM_BOARDS) as pool:
        outcomes = list(pool.map(strike, range(max(seeds, 1))))
    ended = [outcome for outcome in outcomes if not isinstance(outcome, str)]
    failed = [outcome for outcome in outcomes if isinstance(outcome, str)]
    row = {"cases": [asdict(outcome) for outcome in ended], "failed": failed}
    table.add(name, {"undisturbed_s": round(seconds, 1), **row})
    assert failed == []
    for outcome in ended:
        assert outcome.missing == outcome.added == ()
        assert outcome.duplicates == 0


def test_no_timing_is_called_good_that_a_fault_has_reached(table):
    """Those that a fault struck agree with others of their network as well as others do."""
    assert agree(off(table.rows), "struck", "others")
