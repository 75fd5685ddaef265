"""The search: an Optuna study that asks the LUT what a network costs and the supernet how good."""

import logging
import math
import time
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, cast

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial, TrialState

from latency_lut import Prediction
from nas.errors import AccuracyFailed, StudyError, TrainingDiverged
from nas.estimators import QualityEstimator
from nas.interrupts import deferred_interrupt
from nas.samplers import ParetoSampler, UnknownCosts
from nas.study import read_settings, set_remaining_gain
from nas.units import MIB, MS
from search_spaces import Architecture, Space, Value

logger = logging.getLogger(__name__)

_FAILED = "accuracy_failed"
REPLACEMENT = "replacement"
"""Marks trials of networks that are to replace those which broke their budget."""
MEASURED = "measured"
"""Marks trials that only tell how a network evaluated before was measured."""

# Both our choice: so many proposals in a row that are expected to add less than so much.
_CONVERGED_IN_ROW, _CONVERGED_GAIN = 10, 1e-3
_FRUITLESS = 300  # our choice: so many proposals in a row without a new network end a search
_FAILURES = 5  # our choice: so many networks without an accuracy since the last that had one
_LOOK_S = 1.0  # our choice: how often a worker that has nothing left to do looks at the others


class CostPredictor(Protocol):
    """Says what a network costs on the device."""

    def predict(self, architecture: Architecture) -> Prediction:
        """Latency with its interval, memory and what is missing."""
        ...


@dataclass(frozen=True, kw_only=True)
class SearchProgress:
    """After each trial: networks evaluated of those wanted, and proposals that were none."""

    evaluated: int
    wanted: int
    repeated: int
    incomplete: int
    """Proposals with a segment that the LUT does not know."""
    failed: int
    """Networks whose accuracy could not be found."""
    remaining_gain: float | None
    """Of the front's hypervolume, what a network is expected to add; None: not known."""


class Search:
    """Runs trials of one study until it holds the wanted number of evaluated networks."""

    def __init__(
        self,
        study: optuna.Study,
        space: Space,
        predictor: CostPredictor,
        estimator: QualityEstimator,
        *,
        on_progress: Callable[[SearchProgress], None] = lambda _: None,
        replacing: bool = False,
    ) -> None:
        """Of a study of `space`; `replacing` marks what it evaluates, for `nas.repair`."""
        self._study = study
        self._settings = read_settings(study)
        self._space = space
        self._predictor = predictor
        self._estimator = estimator
        self._on_progress = on_progress
        self._replacing = replacing
        self._done: dict[str, FrozenTrial] = {}
        self._wanted = self._repeated = self._incomplete = self._failed = 0
        self._missing = ""  # a segment key that the LUT did not know
        self._fruitless: Counter[str] = Counter()  # since the last network that was evaluated
        self._until_converged, self._little = False, 0  # gain expected, so often in a row
        self._interrupted: Callable[[], bool] = lambda: False
        self._in_hand, self._broke = 0, False  # the last trial, and whether it ended by an error

    def run(self, wanted: int, *, until_converged: bool = False) -> None:
        """Evaluates networks until the study holds `wanted`, counting those of earlier calls.

        Any number of workers may do so at once. A network is evaluated once: a sampler that
        proposes it again is told the same values. And no network is begun beyond those wanted:
        while others work on the last ones, this waits, and takes over where one of them dies. Ends
        early when the space is exhausted, and, with `until_converged`, when the sampler expects
        ten networks in a row to add less than a thousandth to the front's hypervolume.

        Raises:
            StudyError: most of hundreds of proposals have segments that the LUT does not know, or
                the accuracies of several networks in a row could not be found.
            KeyboardInterrupt: Ctrl-C; the network in flight was finished, unless it came twice.
        """
        self._look_around()
        wanted = min(wanted, self._space.count())
        self._wanted, self._until_converged = wanted, until_converged
        if len(self._done) >= wanted:
            return
        self._begin_with(self._space.smallest(), self._space.largest())
        with deferred_interrupt("the network in flight") as interrupted:
            self._interrupted = interrupted
            self._optimize()
        gain = self._remaining_gain()
        if gain is not None:
            set_remaining_gain(self._study, gain)
        if interrupted():
            raise KeyboardInterrupt

    def _begin_with(self, *architectures: Architecture) -> None:
        """Unless some were evaluated; anew where an earlier call had to pass these over."""
        if self._done:
            return
        pruned = self._study.get_trials(deepcopy=False, states=(TrialState.PRUNED,))
        passed = {t.user_attrs["id"] for t in pruned if t.user_attrs.keys() & {_FAILED, "missing"}}
        for architecture in architectures:
            parameters = self._parameters(architecture)
            self._study.enqueue_trial(parameters, skip_if_exists=architecture.id not in passed)

    def _optimize(self) -> None:
        """Trial after trial, also where another took this worker for dead.

        A computer that slept for a minute has sent no heartbeat meanwhile: its network has failed
        for the others and waits to be taken again. Optuna ends then, in ways of its own.
        """
        while True:
            try:
                return self._study.optimize(self._objective, callbacks=[self._after_trial])
            except UnknownCosts as exc:
                raise StudyError(
                    f"{exc}: the LUT knows too few segments. "
                    f"Fill it with: {self._settings.profile_command}"
                ) from exc
            except (AssertionError, ValueError, UpdateFinishedTrialError):
                if not self._was_taken_for_dead():
                    raise
            logger.warning("this worker was silent for so long that its network was given away")

    def _was_taken_for_dead(self) -> bool:
        """Whether the trial in hand failed although nothing here says so."""
        trials = self._study.get_trials(deepcopy=False)
        return trials[self._in_hand].state == TrialState.FAIL and not self._broke

    def _objective(self, trial: Trial) -> tuple[float, float, float]:
        self._in_hand, self._broke = trial.number, False
        try:
            return self._values(trial)
        except optuna.TrialPruned:
            raise
        except UpdateFinishedTrialError as exc:
            raise optuna.TrialPruned from exc
        except BaseException:
            self._broke = True
            raise

    def _values(self, trial: Trial) -> tuple[float, float, float]:
        parameters = {
            name: cast(Value, trial.suggest_categorical(name, distribution.choices))
            for name, distribution in self._space.distributions().items()
        }
        architecture = self._space.architecture(parameters)
        trial.set_user_attr("architecture", architecture.to_json())
        trial.set_user_attr("id", architecture.id)
        if self._replacing:
            trial.set_user_attr(REPLACEMENT, True)
        running = self._look_around(trial.number)
        twin = self._done.get(architecture.id)
        if twin is not None:
            return self._repeat(trial, twin)
        if architecture.id in running:
            trial.set_user_attr("duplicate_of", running[architecture.id])
            raise optuna.TrialPruned
        if self._suffice(running):
            trial.set_user_attr("retry", True)  # in a search for more networks
            raise optuna.TrialPruned
        prediction = self._predictor.predict(architecture)
        if prediction.missing:
            trial.set_user_attr("missing", list(prediction.missing))
            raise optuna.TrialPruned
        return self._evaluate(trial, architecture, prediction)

    def _look_around(self, own: int | None = None) -> dict[str, int]:
        """Learns what any worker has evaluated; which other trials have a network in hand.

        Also those that wait: they are what a dead worker had in hand, and somebody takes them.

        With our storage, a trial that tells its network and then looks does both in one step: of
        two, exactly one finds the other there before it.
        """
        states = (TrialState.COMPLETE, TrialState.RUNNING, TrialState.WAITING)
        running: dict[str, int] = {}
        for trial in self._study.get_trials(deepcopy=False, states=states):
            architecture_id = trial.user_attrs.get("id")
            repeats = "duplicate_of" in trial.user_attrs and MEASURED not in trial.user_attrs
            if architecture_id is None or repeats:
                continue
            if trial.number == own:
                continue
            if trial.state == TrialState.COMPLETE:
                self._done[architecture_id] = trial
            else:
                running.setdefault(architecture_id, trial.number)
        return running

    def _suffice(self, running: dict[str, int]) -> bool:
        """With those at work there are as many networks as are wanted."""
        return len(self._done.keys() | running.keys()) >= self._wanted

    def _evaluate(
        self, trial: Trial, architecture: Architecture, prediction: Prediction
    ) -> tuple[float, float, float]:
        try:
            quality = self._estimator.evaluate(architecture)
            if not math.isfinite(quality.value):
                raise AccuracyFailed(f"its {quality.name} is {quality.value}")
        except (AccuracyFailed, TrainingDiverged) as exc:
            logger.warning("%s is passed over: %s", architecture.id, exc)
            trial.set_user_attr(_FAILED, str(exc))
            raise optuna.TrialPruned from exc
        first, *others = prediction.phases
        attributes = {
            "low_ms": first.low_ns * MS,
            "high_ms": first.high_ns * MS,
            "params": prediction.params,
            "macs": prediction.macs,
            "standard_error": quality.standard_error,
            **{f"{phase.name}_ms": phase.latency_ns * MS for phase in others},
        }
        for name, value in attributes.items():
            trial.set_user_attr(name, value)
        memory_mib = prediction.memory_bytes * MIB
        self._constrain(trial, first.high_ns * MS, memory_mib)
        return quality.value, first.latency_ns * MS, memory_mib

    def _constrain(self, trial: Trial, high_ms: float, memory_mib: float) -> None:
        """Positive where over the budget; relative, so that budgets weigh alike."""
        if self._settings.max_latency_ms is not None:
            trial.set_constraint("latency", high_ms / self._settings.max_latency_ms - 1)
        if self._settings.max_memory_mib is not None:
            trial.set_constraint("memory", memory_mib / self._settings.max_memory_mib - 1)

    def _repeat(self, trial: Trial, twin: FrozenTrial) -> tuple[float, float, float]:
        trial.set_user_attr("duplicate_of", twin.number)
        trial.set_user_attr("standard_error", twin.user_attrs.get("standard_error"))
        for name, value in twin.constraints.items():
            trial.set_constraint(name, value)
        quality, latency_ms, memory_mib = twin.values
        return quality, latency_ms, memory_mib

    def _after_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        if "duplicate_of" in trial.user_attrs:
            self._repeated += 1
            self._fruitless["repeated"] += 1
        elif _FAILED in trial.user_attrs:
            self._failed += 1
            self._fruitless["failed"] += 1
        elif "missing" in trial.user_attrs:
            self._incomplete += 1
            self._fruitless["incomplete"] += 1
            self._missing = trial.user_attrs["missing"][0]
        elif trial.state == TrialState.COMPLETE:
            self._done[trial.user_attrs["id"]] = trial
            self._fruitless.clear()
        self._tell_progress()
        if self._has_converged():
            study.stop()
        elif self._fruitless["failed"] >= _FAILURES:
            raise StudyError(
                f"the accuracies of {_FAILURES} networks in a row could not be found; the last: "
                f"{trial.user_attrs[_FAILED]}. Mend it, and the same command goes on"
            )
        elif self._fruitless.total() >= _FRUITLESS:
            self._give_up(study)
        else:
            self._wait_for_others(study)

    def _wait_for_others(self, study: optuna.Study) -> None:
        """While they work on the last networks wanted; stops when those are done, or on Ctrl-C.

        What a dead worker had in hand is nobody's for a moment, until it waits to be taken again:
        so who has waited looks twice before another network is begun in its place.
        """
        lacking = True
        while len(self._done) < self._wanted and not self._interrupted():
            lacked, lacking = lacking, not self._suffice(self._look_around())
            if (lacked and lacking) or self._is_any_waiting():
                return
            time.sleep(_LOOK_S)
            _requeue_stale_trials(study)
            self._tell_progress()
        study.stop()

    def _is_any_waiting(self) -> bool:
        """For a worker; the next trial is such a one."""
        return bool(self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,)))

    def _tell_progress(self) -> None:
        self._on_progress(
            SearchProgress(
                evaluated=len(self._done),
                wanted=self._wanted,
                repeated=self._repeated,
                incomplete=self._incomplete,
                failed=self._failed,
                remaining_gain=self._remaining_gain(),
            )
        )

    def _remaining_gain(self) -> float | None:
        sampler = self._study.sampler
        return sampler.remaining_gain if isinstance(sampler, ParetoSampler) else None

    def _has_converged(self) -> bool:
        gain = self._remaining_gain()
        self._little = self._little + 1 if gain is not None and gain < _CONVERGED_GAIN else 0
        return self._until_converged and self._little >= _CONVERGED_IN_ROW

    def _give_up(self, study: optuna.Study) -> None:
        incomplete = self._fruitless["incomplete"]
        if incomplete > self._fruitless["repeated"]:
            raise StudyError(
                f"{incomplete} of {_FRUITLESS} proposals in a row have segments that the LUT does "
                f"not know, the last one {self._missing}. "
                f"Fill it with: {self._settings.profile_command}"
            )
        logger.warning("the sampler proposes nothing new any more; the search ends here")
        study.stop()

    def _parameters(self, architecture: Architecture) -> dict[str, object]:
        """Every choice of the space: those without effect at their first value."""
        return {c.name: architecture.choices.get(c.name, c.values[0]) for c in self._space.choices}


def _requeue_stale_trials(study: optuna.Study) -> None:
    """As Optuna does before each trial; who waits begins none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        optuna.storages.fail_stale_trials(study)
