"""Several processes that search one study, as on several machines; one that all of them copy.

    python tests/worker_processes.py URL WORKERS NETWORKS SECONDS FOLDER

Each evaluates on a device that is arithmetic, sleeps up to SECONDS in place of the supernet, and
writes the networks that it evaluated into FOLDER/PID.
"""

import os
import random
import sys
import time
import traceback
from pathlib import Path

import optuna

import nas.study
from latency_lut import PhasePrediction, Prediction
from nas.accuracy.estimator import Quality
from nas.samplers import built_in
from nas.search import Search
from nas.study import StudySettings, create_study, open_storage
from nas.workspace import open_space
from search_spaces import Architecture, Space

HEARTBEAT_S = 5  # dead after 20: eight workers on a busy core may be silent for long


class Costs:
    """A microsecond for each letter."""

    def predict(self, architecture: Architecture) -> Prediction:
        ns = 1000.0 * len(architecture.to_json())
        return Prediction(
            phases=(PhasePrediction(name="infer", latency_ns=ns, low_ns=ns, high_ns=ns),),
            memory_bytes=2**20,
            memory_low_bytes=None,
            memory_high_bytes=None,
            memory_kind="resident_over_empty_session",
            params=1,
            active_params=1,
            macs=1,
            weight_bytes=4,
        )


class Sleeper:
    """Takes its time, and writes down what it has evaluated."""

    def __init__(self, seconds: float, folder: Path) -> None:
        self.seconds, self.file = seconds, folder / str(os.getpid())

    def evaluate(self, architecture: Architecture) -> Quality:
        self.file.touch()
        time.sleep(random.choice((0.2, 0.6, 1.0)) * self.seconds)  # often at the same moment
        with self.file.open("a") as file:
            file.write(f"{architecture.id}\n")
        return Quality(
            name="accuracy",
            value=random.random(),
            standard_error=0.01,
            samples=100,
        )


def new_study(url: str, space: Space) -> optuna.Study:
    settings = StudySettings(
        space="mobile",
        task=space.task,
        data="digits",
        device="board1",
        precision="fp32",
        objective="accuracy",
        supernet="supernet.npz",
        sampler="random",
    )
    return create_study(open_storage(url), "s", settings, "profile-1", built_in("random", None))


def work(url: str, space: Space, networks: int, seconds: float, folder: Path) -> int:
    """Exit code."""
    try:
        search = Search(new_study(url, space), space, Costs(), Sleeper(seconds, folder))
        search.run(networks)
    except BaseException:  # noqa: BLE001 - it is told
        traceback.print_exc()
        return 1
    return 0


def tell(numbers: list[int]) -> None:
    sys.stdout.write(" ".join(map(str, numbers)) + "\n")
    sys.stdout.flush()


def main() -> None:
    url, workers, networks, seconds, folder = sys.argv[1:]
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    nas.study._HEARTBEAT_S = HEARTBEAT_S
    space = open_space("mobile", only=(), data=None)
    new_study(url, space)._storage._backend.engine.dispose()  # not to be shared by processes
    pids = []
    for _ in range(int(workers)):
        pid = os.fork()
        if pid == 0:
            # At once: of libraries' threads, for which an exit waits, a copy has none.
            os._exit(work(url, space, int(networks), float(seconds), Path(folder)))
        pids.append(pid)
    tell(pids)
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
    tell(codes)


if __name__ == "__main__":
    main()
