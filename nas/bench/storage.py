"""How many trials a second a storage takes when a network's evaluation takes no time."""

import contextlib
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial

from latency_lut import driver_url
from nas.study import open_storage

_VALUES = (0, 1, 2, 3)  # our choice: what a choice of our spaces has, more or less
_ARCHITECTURE = "x" * 2000  # as long as a network of 45 choices, in JSON


@dataclass(frozen=True, kw_only=True)
class StorageRate:
    """What one storage took."""

    name: str
    trials: int
    seconds: float

    @property
    def trials_per_s(self) -> float:
        """All of them, the first and slowest one included."""
        return self.trials / self.seconds


def compare_storages(
    url: str | None, trials: int, choices: int, on_trial: Callable[[float, str], None]
) -> list[StorageRate]:
    """Ours, then Optuna's own: on a database, as a journal and in memory.

    Args:
        url: of the database; None: new SQLite files in this folder, removed afterwards.
        trials: for each.
        choices: of the space, all of them drawn at random.
        on_trial: is told the share done in [0, 1] and which storage is at work.
    """
    rates: list[StorageRate] = []
    with tempfile.TemporaryDirectory(prefix="bench-storage-", dir=Path.cwd()) as name:
        folder = Path(name)
        ours = url or f"sqlite:///{folder}/nas.db"
        theirs = driver_url(url or f"sqlite:///{folder}/optuna.db")
        kind = theirs.partition(":")[0].partition("+")[0]
        journal = str(folder / "journal.log")
        contenders: list[tuple[str, Callable[[], BaseStorage], bool]] = [
            (f"ours, {kind}", lambda: open_storage(ours), False),
            (f"ours, {kind}, as a search uses it", lambda: open_storage(ours), True),
            (f"Optuna's, {kind}", lambda: RDBStorage(theirs), False),
            ("Optuna's, journal", lambda: JournalStorage(JournalFileBackend(journal)), False),
            ("Optuna's, memory", InMemoryStorage, False),
        ]
        for label, opened, looks in contenders:

            def told(done: int, label: str = label) -> None:
                on_trial((len(rates) + done / trials) / len(contenders), label)

            with _study(opened()) as study:
                seconds = _seconds(study, trials, choices, looks, told)
            rates.append(StorageRate(name=label, trials=trials, seconds=seconds))
    return rates


@contextlib.contextmanager
def _study(storage: BaseStorage) -> Iterator[optuna.Study]:
    """A study that is gone afterwards; the database may be one that is in use."""
    study = optuna.create_study(
        study_name=f"nas bench storage {uuid.uuid4()}",
        storage=storage,
        sampler=optuna.samplers.RandomSampler(seed=0),
        directions=["maximize", "minimize", "minimize"],
    )
    try:
        yield study
    finally:
        optuna.delete_study(study_name=study.study_name, storage=storage)
        storage.remove_session()


def _seconds(
    study: optuna.Study, trials: int, choices: int, looks: bool, told: Callable[[int], None]
) -> float:
    def objective(trial: Trial) -> tuple[float, float, float]:
        for number in range(choices):
            trial.suggest_categorical(f"choice{number}", _VALUES)
        if looks:
            _as_a_search(study, trial)
        return 0.5, 1.0, 1.0

    def after(_: optuna.Study, trial: FrozenTrial) -> None:
        told(trial.number + 1)

    start = time.perf_counter()
    study.optimize(objective, n_trials=trials, callbacks=[after])
    return time.perf_counter() - start


def _as_a_search(study: optuna.Study, trial: Trial) -> None:
    """Names the network, looks at what others do, and tells what was found (`nas/search.py`)."""
    trial.set_user_attr("architecture", _ARCHITECTURE)
    trial.set_user_attr("id", str(trial.number))
    study.get_trials(deepcopy=False)
    for name in ("low_ms", "high_ms", "params", "macs", "standard_error"):
        trial.set_user_attr(name, 1.0)
    study.get_trials(deepcopy=False)
