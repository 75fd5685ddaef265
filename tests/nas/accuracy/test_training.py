import itertools
import math
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from nas.accuracy.compute import cpu_threads, fitting_threads
from nas.accuracy.estimator import Estimator
from nas.accuracy.supernet import Supernet
from nas.accuracy.training import TrainingPlan, TrainingProgress, default_plan, train
from nas.data import ImageData, TextData, load_data
from nas.errors import BadInput, CheckpointError, TrainingDiverged
from search_spaces import Segment, Space, language, mobile

# Trains until step 4 and says so; arguments: checkpoint, threads, folders to import from.
KILLED = """
import sys, time
from pathlib import Path

sys.path[:0] = sys.argv[3:]
from nas.data import load_data
from nas.accuracy.supernet import Supernet
from nas.accuracy.training import train
from test_training import PLAN, small_space

def on_step(progress):
    if progress.step == 4:
        print("step 4", flush=True)
        time.sleep(600)

path, threads = Path(sys.argv[1]), int(sys.argv[2])
data = load_data("digits")
supernet = Supernet(small_space(data))
train(supernet, data, PLAN, checkpoint=path, threads=threads, on_step=on_step, save_every_s=0)
"""

PLAN = TrainingPlan(steps=6, batch=16, lr=4e-3, shift_px=1, seed=3)


@pytest.fixture(scope="module")
def digits() -> ImageData:
    data = load_data("digits")
    assert isinstance(data, ImageData)
    return data


def small_space(data: ImageData) -> Space:
    only = {f"stage{stage}.depth": [1] for stage in range(1, 6)}
    only |= {f"stage{stage}.block1.expansion": [3] for stage in range(1, 6)}
    return mobile(data.task).restricted({"width": [0.5], **only})


def same_weights(first: Supernet, second: Supernet) -> bool:
    return all(torch.equal(w, second.weights[name]) for name, w in first.weights.items())


def test_training_on_digits_teaches_the_smallest_and_the_largest(digits: ImageData) -> None:
    supernet = Supernet(small_space(digits))
    plan = TrainingPlan(steps=80, batch=8, lr=6e-3, largest_every=3)

    result = train(supernet, digits, plan)

    estimator = Estimator(supernet, digits)
    assert result.steps == 80
    assert estimator.evaluate(supernet.space.smallest()).value > 0.5
    assert estimator.evaluate(supernet.space.largest()).value > 0.5


def test_training_on_text_beats_the_frequencies_of_bytes(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_bytes(b"the quick brown fox jumps over the lazy dog. " * 400)
    data = load_data(f"text:{tmp_path / 't.txt'}", context=32)
    assert isinstance(data, TextData)
    space = language(data.task).restricted({"layers": [2], "width": [96]})
    supernet = Supernet(space)

    train(supernet, data, TrainingPlan(steps=40, batch=8, lr=3e-3))

    assert Estimator(supernet, data).evaluate(space.largest()).value < 2  # their entropy is 4.3


TURNS = {
    "each in its own": (
        {"smallest_every": 2, "largest_every": 3, "always_teaches": False},
        "largest smallest random, random, smallest random, largest random",
    ),
    "never": ({"smallest_every": 0, "largest_every": 0}, "random, random, random, random"),
}


@pytest.mark.parametrize(("ends", "expected"), TURNS.values(), ids=TURNS)
def test_the_smallest_and_the_largest_learn_in_their_turns_only(
    digits: ImageData, monkeypatch: pytest.MonkeyPatch, ends: dict[str, int], expected: str
) -> None:
    supernet = Supernet(small_space(digits))
    space = supernet.space
    names = {
        space.segments(space.smallest()): "smallest",
        space.segments(space.largest()): "largest",
    }
    networks: list[str] = []
    logits = supernet.logits

    def recorded(segments: tuple[Segment, ...], wires: Mapping[str, torch.Tensor]) -> torch.Tensor:
        networks.append(names.get(segments, "random"))
        return logits(segments, wires)

    monkeypatch.setattr(supernet, "logits", recorded)
    train(supernet, digits, TrainingPlan(steps=4, batch=2, lr=1e-3, **ends))  # type: ignore[arg-type]

    assert networks == expected.replace(",", "").split()


def test_the_same_seed_gives_the_same_supernet(digits: ImageData) -> None:
    first, second = Supernet(small_space(digits)), Supernet(small_space(digits))

    train(first, digits, PLAN)
    train(second, digits, PLAN)

    assert same_weights(first, second)


def test_a_training_that_was_killed_goes_on_as_if_it_had_not_been(
    digits: ImageData, tmp_path: Path
) -> None:
    whole, killed = Supernet(small_space(digits)), Supernet(small_space(digits))
    train(whole, digits, PLAN)
    path = tmp_path / "net.npz"
    folders = [str(Path(__file__).parent), str(Path.cwd())]
    command = [sys.executable, "-c", KILLED, str(path), str(torch.get_num_threads()), *folders]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None and child.stdout.readline() == "step 4\n"
        os.kill(child.pid, signal.SIGKILL)

    result = train(killed, digits, PLAN, checkpoint=path)

    assert (result.resumed_at, result.steps) == (4, 6)
    assert same_weights(whole, killed)


def test_a_finished_training_is_only_read(digits: ImageData, tmp_path: Path) -> None:
    first, second = Supernet(small_space(digits)), Supernet(small_space(digits), seed=9)
    train(first, digits, PLAN, checkpoint=tmp_path / "net.npz")
    steps: list[TrainingProgress] = []

    result = train(second, digits, PLAN, checkpoint=tmp_path / "net.npz", on_step=steps.append)

    assert (result.resumed_at, steps) == (6, [])
    assert same_weights(first, second)


def test_a_training_goes_on_by_the_plan_that_it_began_with(
    digits: ImageData, tmp_path: Path
) -> None:
    class Stop(Exception):
        pass

    def stop(progress: TrainingProgress) -> None:
        raise Stop

    path = tmp_path / "net.npz"
    with pytest.raises(Stop):
        train(
            Supernet(small_space(digits)),
            digits,
            PLAN,
            checkpoint=path,
            on_step=stop,
            save_every_s=0,
        )

    other = TrainingPlan(steps=2, batch=16, lr=1.0)
    result = train(Supernet(small_space(digits)), digits, other, checkpoint=path)

    assert result.plan == PLAN and result.steps == 6


def test_a_checkpoint_of_other_data_is_refused(digits: ImageData, tmp_path: Path) -> None:
    path = tmp_path / "net.npz"
    train(Supernet(small_space(digits)), digits, PLAN, checkpoint=path)
    changed = ImageData(
        name="changed",
        train_x=digits.train_x.flip(0),
        train_y=digits.train_y,
        held_out_x=digits.held_out_x,
        held_out_y=digits.held_out_y,
        class_names=digits.class_names,
    )

    with pytest.raises(CheckpointError, match="other data"):
        train(Supernet(small_space(digits)), changed, PLAN, checkpoint=path)


def test_a_limit_of_minutes_ends_the_training_with_the_learning_rate_down(
    digits: ImageData,
) -> None:
    ticks = itertools.count(step=6.0)
    progress: list[TrainingProgress] = []

    result = train(
        Supernet(small_space(digits)),
        digits,
        TrainingPlan(steps=1000, batch=16, lr=1e-3, max_minutes=0.5),
        on_step=progress.append,
        clock=lambda: next(ticks),
    )

    assert result.steps == 5  # of six seconds each
    assert [round(p.done, 3) for p in progress] == [0.2, 0.4, 0.6, 0.8, 1.0]
    assert [p.left_s for p in progress] == pytest.approx([24, 18, 12, 6, 0])


def test_a_diverging_training_stops_with_advice(digits: ImageData) -> None:
    supernet = Supernet(small_space(digits))
    supernet.weights["head/image_head/3.weight"].data.fill_(float("nan"))

    with pytest.raises(TrainingDiverged, match="lower learning rate"):
        train(supernet, digits, PLAN)


def test_the_number_of_threads_holds_for_the_training_only(digits: ImageData) -> None:
    plan = TrainingPlan(steps=1, batch=4, lr=1e-3)
    inside: list[int] = []

    with cpu_threads(2):
        train(
            Supernet(small_space(digits)),
            digits,
            plan,
            threads=1,
            on_step=lambda _: inside.append(torch.get_num_threads()),
        )
        after = torch.get_num_threads()

    assert (inside, after) == ([1], 2)


def test_the_default_plan_moves_images_and_draws_decoders_deep_and_narrow(
    digits: ImageData,
) -> None:
    text = load_data("kjv")

    assert default_plan(digits, small_space(digits)).shift_px == 1
    assert default_plan(text, language(text.task), max_minutes=3.0).max_minutes == 3.0
    assert default_plan(text, language(text.task)).shift_px == 0
    assert default_plan(text, language(text.task)).deep_and_narrow
    assert not default_plan(digits, small_space(digits)).deep_and_narrow


def test_more_minutes_than_usual_are_more_steps_and_fewer_are_a_limit(digits: ImageData) -> None:
    space = small_space(digits)
    usual = default_plan(digits, space)
    assert default_plan(digits, space, max_minutes=1.0).steps == usual.steps
    assert default_plan(digits, space, max_minutes=90.0).steps == 9 * usual.steps
    for minutes in (0.0, math.inf, math.nan):
        with pytest.raises(BadInput, match="minutes; it must be above 0 and finite"):
            default_plan(digits, space, max_minutes=minutes)


def test_a_space_of_large_networks_gets_larger_batches_and_all_threads(digits: ImageData) -> None:
    small, large = small_space(digits), mobile(digits.task)

    assert default_plan(digits, large).batch > default_plan(digits, small).batch
    assert fitting_threads(digits, small) == 1
    assert fitting_threads(digits, large) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"batch": 1},
        {"lr": 0.0},
        {"lr": float("nan")},
        {"max_minutes": 0.0},
        {"random_networks": -1},
        {"random_networks": 0, "largest_every": 2},
        {"smallest_every": -1},
        {"random_networks": 0, "largest_every": 0},
        {"largest_every": -1},
        {"teacher_share": 1.5},
    ],
)
def test_a_plan_that_cannot_be_followed_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(BadInput):
        TrainingPlan(**({"steps": 1, "batch": 2, "lr": 0.1} | wrong))  # type: ignore[arg-type]
