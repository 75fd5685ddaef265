"""Devices share work: what one loses another does, and one that keeps failing is left out."""

import threading
from collections import Counter, deque

import pytest

from device_agents.errors import ConnectionLost, DiskUnwritable, JobFailed, RuntimeUnavailable
from device_agents.pool import Pool


class Numbers:
    """Work that notes who did what; `at_fault` names devices that it takes no more from."""

    def __init__(self, count, at_fault=()):
        self.waiting = deque(range(count))
        self.at_fault = at_fault
        self.by_device = Counter()
        self.numbers = []

    def next(self, device_name):
        return self.waiting.popleft() if self.waiting else None

    def done(self, job, result, device_name):
        if device_name in self.at_fault:
            self.waiting.append(job)
            raise JobFailed(f"{device_name}: it died", device=device_name, kind="crash")
        assert result == f"{job} prepared and run"
        self.numbers.append(job)
        self.by_device[device_name] += 1


class Board:
    """A device with a script of what becomes of its runs; after that, all is well.

    `barrier`: a run waits until so many others run beside it, so that none does all the work.
    """

    def __init__(self, name, *script, overlaps=True, barrier=None, comes_back=True):
        self.name, self.overlaps = name, overlaps
        self.script, self.comes_back = deque(script), comes_back
        self.barrier = barrier
        self.prepared, self.aside, self.returns = [], [], 0
        self.stopped, self.hurried = threading.Event(), threading.Event()

    def prepare(self, job):
        self.prepared.append(job)
        return f"{job} prepared"

    def run(self, prepared):
        if self.barrier is not None:
            self.barrier.wait(10)
            self.barrier = None
        event = self.script.popleft() if self.script else None
        if event is not None:
            raise event
        return f"{prepared} and run"

    def come_back(self, exc):
        self.returns += 1
        if not self.comes_back:
            raise lost(self.name)

    def hurry(self):
        self.hurried.set()

    def put_aside(self, exc):
        self.aside.append(str(exc))

    def stop(self):
        self.stopped.set()


def lost(name):
    return ConnectionLost(f"{name}: the connection was lost. Try again", device=name)


@pytest.mark.parametrize("overlaps", [True, False])
def test_every_job_is_done_once_whoever_does_it(overlaps):
    work, together = Numbers(40), threading.Barrier(3)
    boards = [Board(f"board{i}", overlaps=overlaps, barrier=together) for i in range(3)]
    assert Pool(boards, work).run() == {}
    assert sorted(work.numbers) == list(range(40))
    assert set(work.by_device) == {"board0", "board1", "board2"}


def test_what_a_lost_device_had_another_does_and_it_goes_on_when_it_is_back():
    work, together = Numbers(20), threading.Barrier(2)
    torn = Board("torn", lost("torn"), lost("torn"), barrier=together)
    assert Pool([torn, Board("whole", barrier=together)], work).run() == {}
    assert sorted(work.numbers) == list(range(20))
    assert torn.returns in (1, 2)  # once, if the other one was done before the second


def test_a_device_alone_does_its_lost_job_again():
    work, board = Numbers(3), Board("board", lost("board"), None, lost("board"))
    assert Pool([board], work).run() == {}
    assert sorted(work.numbers) == [0, 1, 2]
    assert board.returns == 2


def test_a_device_lost_three_times_in_a_row_is_put_aside_and_the_rest_goes_on(caplog):
    work = Numbers(30)
    torn, whole = Board("torn", *(lost("torn") for _ in range(30))), Board("whole")
    whole.run = slowly(whole.run, until=lambda: torn.aside)
    aside = Pool([torn, whole], work).run()
    assert list(aside) == ["torn"]
    assert torn.aside == ["torn: the connection was lost. Try again"]
    assert torn.returns == 2
    assert sorted(work.numbers) == list(range(30))
    assert "torn: the connection was lost. It is put aside; 1 other of its kind goes on" in [
        record.message for record in caplog.records
    ]


def slowly(run, until):
    """A run that waits until something has happened elsewhere."""

    def wait_and_run(prepared):
        while not until():
            threading.Event().wait(0.01)
        return run(prepared)

    return wait_and_run


def test_a_device_that_does_not_come_back_is_put_aside():
    work = Numbers(4)
    gone = Board("gone", lost("gone"), comes_back=False, barrier=(b := threading.Barrier(2)))
    assert list(Pool([gone, Board("there", barrier=b)], work).run()) == ["gone"]
    assert sorted(work.numbers) == [0, 1, 2, 3]


def test_what_does_not_pass_by_itself_is_not_tried_again():
    bare = RuntimeUnavailable("bare: no onnxruntime. Install it", device="bare")
    board = Board("bare", bare)
    with pytest.raises(RuntimeUnavailable):
        Pool([board], Numbers(4)).run()
    assert board.returns == 0


def test_a_disk_that_was_full_for_a_while_is_no_reason_to_put_a_device_aside():
    work = Numbers(4)
    full = DiskUnwritable("full: no space left. Free some", device="full")
    assert Pool([Board("full", full, full)], work).run() == {}
    assert sorted(work.numbers) == [0, 1, 2, 3]


def test_when_all_is_done_a_lost_device_is_waited_for_no_longer():
    class Away(Board):
        def come_back(self, exc):
            assert self.hurried.wait(10)
            raise exc

    work = Numbers(6)
    away = Away("away", lost("away"), barrier=(b := threading.Barrier(2)))
    assert Pool([away, Board("there", barrier=b)], work).run() == {}  # nor is it put aside
    assert sorted(work.numbers) == list(range(6))


def test_when_no_device_is_left_the_last_reason_is_told():
    boards = [Board(name, *(lost(name) for _ in range(3))) for name in "ab"]
    with pytest.raises(ConnectionLost):
        Pool(boards, Numbers(4)).run()
    assert all(board.aside for board in boards)


def test_a_device_whose_results_are_not_believed_is_put_aside():
    work, together = Numbers(6, at_fault=["bad"]), threading.Barrier(2)
    boards = [Board("bad", barrier=together), Board("good", barrier=together)]
    assert list(Pool(boards, work).run()) == ["bad"]
    assert sorted(work.numbers) == list(range(6))


@pytest.mark.parametrize("where", ["prepare", "run"])
def test_an_error_that_is_no_devices_stops_them_all(where):
    boards = [Board("a"), Board("b")]

    def fail(_):
        raise ValueError("the LUT's disk is full")

    setattr(boards[0], where, fail)
    boards[1].run = slowly(boards[1].run, until=boards[1].stopped.is_set)
    with pytest.raises(ValueError, match="the LUT's disk is full"):
        Pool(boards, Numbers(10)).run()
    assert all(board.stopped.is_set() for board in boards)


def test_the_next_job_is_prepared_while_one_runs_where_that_disturbs_nothing():
    seen = []
    for overlaps in (True, False):
        board, work = Board("board", overlaps=overlaps), Numbers(2)
        run = board.run
        if overlaps:
            board.run = slowly(run, until=lambda board=board: len(board.prepared) == 2)
        else:
            board.run = lambda prepared, run=run, board=board: (
                seen.append(len(board.prepared)),
                run(prepared),
            )[1]
        Pool([board], work).run()
    assert seen == [1, 2]


def test_work_that_comes_from_a_result_is_waited_for():
    class Growing(Numbers):
        def done(self, job, result, device_name):
            super().done(job, result, device_name)
            if job < 5:
                self.waiting.append(job + 10)

    work = Growing(3)
    Pool([Board("a"), Board("b")], work).run()
    assert sorted(work.numbers) == [0, 1, 2, 10, 11, 12]
