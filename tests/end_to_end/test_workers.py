"""Worker processes that share a study: none is in another's way, and none does too much.

`NAS_TEST_WORKERS_S=300 python -m pytest tests/end_to_end/test_workers.py` lets them work that long.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from contextlib import closing, contextmanager

import optuna
import pytest
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from latency_lut import driver_url
from nas.workspace import open_space
from tests.end_to_end.desk import ROOT
from tests.postgresql_server import postgresql_server
from tests.worker_processes import new_study

LASTS_S = float(os.environ.get("NAS_TEST_WORKERS_S", "10"))
NETWORK_S = 0.5  # at most; 0.3 on average
DASHBOARD_CACHE_S = 11  # it shows what it read again: for two seconds, or ten with 500 trials


@contextmanager
def workers(url, count, networks, folder):
    """The process that started them; ended with them."""
    folder.mkdir()
    command = [sys.executable, ROOT / "tests" / "worker_processes.py", url, str(count)]
    process = subprocess.Popen(
        [*command, str(networks), str(NETWORK_S), folder],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def evaluated_in(folder):
    return [line for file in folder.iterdir() for line in file.read_text().split()]


def check_study(url, networks, evaluated):
    """Each trial once, each network once, and as many of them as were wanted."""
    trials = optuna.load_study(study_name="s", storage=RDBStorage(driver_url(url))).trials
    complete = [
        trial
        for trial in trials
        if trial.state == TrialState.COMPLETE and "duplicate_of" not in trial.user_attrs
    ]
    assert [trial.number for trial in trials] == list(range(len(trials)))
    assert len(complete) == networks
    assert Counter(trial.user_attrs["id"] for trial in complete) == Counter(evaluated)
    assert max(Counter(evaluated).values()) == 1
    assert {len(trial.params) for trial in complete} == {67}
    assert not [t for t in trials if t.state in (TrialState.RUNNING, TrialState.WAITING)]
    return trials


def answers(address):
    try:
        return poll(address) is not None
    except urllib.error.URLError:
        return False


@contextmanager
def dashboard(url):
    """Address of `nas dashboard` as a process of its own."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "nas", "dashboard", "--storage", url, "--port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    address = f"http://127.0.0.1:{port}"
    try:
        while not answers(address):
            assert process.poll() is None, process.communicate()
            time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        said = process.communicate()[1]
    assert "Traceback" not in said
    assert "locked" not in said


def poll(address):
    """The trials that a browser is shown, as it asks for them."""
    with urllib.request.urlopen(f"{address}/api/studies/1?after=0", timeout=60) as answer:
        return json.load(answer)["trials"]


def test_three_workers_and_an_open_dashboard_share_the_default_storage(tmp_path):
    url = f"sqlite:///{tmp_path}/nas.db"
    networks = int(3 * LASTS_S / (0.6 * NETWORK_S))
    new_study(url, open_space("mobile", only=(), data=None))
    shown = []
    with (
        dashboard(url) as address,
        workers(url, 3, networks, tmp_path / "evaluated") as process,
    ):
        while process.poll() is None:
            shown.append(len(poll(address)))
            time.sleep(0.5)
        time.sleep(DASHBOARD_CACHE_S)
        shown.append(len(poll(address)))
        codes, said = process.communicate()
    assert codes.splitlines()[1:] == ["0 0 0"], said
    assert "locked" not in said
    assert "Traceback" not in said
    trials = check_study(url, networks, evaluated_in(tmp_path / "evaluated"))
    assert shown == sorted(shown)
    assert shown[-1] == len(trials)
    assert len(set(shown)) > 5  # it was open while they worked


@pytest.fixture(scope="module")
def postgresql():
    with postgresql_server() as url:
        yield url


def test_of_eight_workers_on_a_server_one_is_killed_and_the_budget_is_kept(postgresql, tmp_path):
    networks = int(8 * LASTS_S / (0.6 * NETWORK_S))
    folder = tmp_path / "evaluated"
    with workers(postgresql, 8, networks, folder) as process:
        victim, *others = map(int, process.stdout.readline().split())
        while not (folder / str(victim)).exists():  # it is at work
            time.sleep(0.01)
        os.kill(victim, signal.SIGKILL)
        codes, said = process.communicate(timeout=60 + 20 * LASTS_S)
    assert codes.split() == [str(-signal.SIGKILL), *["0"] * len(others)], said
    assert "Traceback" not in said
    (folder / str(victim)).unlink()  # what it may have evaluated still, it could tell nobody
    trials = check_study(postgresql, networks, evaluated_in(folder))
    (failed,) = (trial for trial in trials if trial.state == TrialState.FAIL)
    (retry,) = (t for t in trials if t.system_attrs.get("failed_trial") == failed.number)
    assert retry.state == TrialState.COMPLETE
    assert retry.params == failed.params
