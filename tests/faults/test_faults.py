"""Whatever happens to a board, its LUT is the same in the end, and the user is told.

`--fault-seeds N` strikes each fault at N random moments, on five boards at once, and
`--fault-table FILE` keeps what came of it, in place of older rows of the same faults. Without
them, a few faults strike once.
"""

import json
import queue
import statistics
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict

import pytest

from tests.faults.case import Fault, run_case, write_table
from tests.faults.faults import FAULTS

pytestmark = pytest.mark.lab

FEW = ("the agent is killed", "its disk fills up for 8 s", "it answers half a line")
NUM_BOARDS = 5
MOST_OFF = 1.5  # our choice: a stopped clock or half a machine costs more


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
    return Table(request.config.getoption("--fault-table"))


class Table:
    """Rows by fault; those that a file has are kept unless they are made anew."""

    def __init__(self, path):
        self.path, self.rows = path, {}
        self._kept = {}
        if path and path.exists():
            self._kept = json.loads(path.read_text())["faults"]

    def add(self, name, row):
        self.rows[name] = row
        if self.path:
            found = self._kept | self.rows
            faults = {name: found[name] for name in FAULTS if name in found}
            write_table(
                self.path, {"faults": faults, "good_records_off_median": off_median(faults)}
            )


def off_median(rows):
    """How far records marked good are from the median of their network's, as ratios from 1 up.

    Of latencies in units of the canary, as the LUT takes them; of records during whose measurement
    a fault struck, and of all others. The machine is shared, so that the others are off too.
    """
    good = [record for row in rows.values() for case in row["cases"] for record in case["good"]]
    by_network = defaultdict(list)
    for network, canaries, _ in good:
        by_network[network].append(canaries)
    medians = {network: statistics.median(alike) for network, alike in by_network.items()}
    off = {"struck": [], "others": []}
    for network, canaries, struck in good:
        ratio = canaries / medians[network]
        off["struck" if struck else "others"].append(max(ratio, 1 / ratio))
    return {
        name: {"records": len(ratios), "median": statistics.median(ratios), "worst": max(ratios)}
        for name, ratios in off.items()
        if ratios
    }


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
    off = off_median(table.rows)
    if {"struck", "others"} <= off.keys():
        assert off["struck"]["median"] <= MOST_OFF * off["others"]["median"]
        assert off["struck"]["worst"] <= MOST_OFF * off["others"]["worst"]
