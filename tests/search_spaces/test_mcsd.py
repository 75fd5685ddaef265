"""The reviewer's checklist of the MCSD mixer: its forms agree, and the past enters as it should.

Shapes: N tokens, D width, C channels.
"""

import numpy as np
import onnxruntime
import pytest
import torch

from search_spaces import Network, TextTask, export_segment, language
from search_spaces.blocks.mcsd import Clock, Mcsd, RasterMcsd

D = 32


class Mixer:
    """A clock and a mixer in one precision, called with any number of tokens."""

    def __init__(
        self, channels: int = 8, context: int = 256, dtype: torch.dtype = torch.float64
    ) -> None:
        torch.manual_seed(0)
        self.clock = Clock(context=context).build().to(dtype)
        self.mixer = Mcsd(width=D, channels=channels).build().to(dtype)
        self.empty = torch.zeros(1, 2, channels, D // channels, dtype=dtype)

    def __call__(
        self, x: torch.Tensor, t0: int = 0, state: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        state = self.empty if state is None else state
        tokens = torch.zeros(x.shape[:2], dtype=torch.int64)
        with torch.no_grad():
            history, carry = self.clock(tokens, torch.tensor(t0))
            y, state = self.mixer(x, history, carry, state)
        return y, state

    def in_parts(
        self, x: torch.Tensor, sizes: list[int], t0: int = 0, state: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        outputs = []
        for part in x.split(sizes, dim=1):
            y, state = self(part, t0, state)
            outputs.append(y)
            t0 += part.shape[1]
        return torch.cat(outputs, dim=1), state


def random_input(n: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(1, n, D, generator=torch.Generator().manual_seed(1), dtype=dtype)


def largest_difference(a: torch.Tensor, b: torch.Tensor) -> float:
    return (a - b).abs().max().item()


@pytest.mark.parametrize("channels", [4, 8])
def test_parallel_segment_and_step_form_agree(channels: int):
    mixer, x = Mixer(channels), random_input(150)
    whole, state = mixer(x)
    for sizes in ([1] * 150, [1, 1, 5, 64, 1, 17, 61], [149, 1]):
        y, last = mixer.in_parts(x, sizes)
        assert largest_difference(y, whole) < 1e-12
        assert largest_difference(last, state) < 1e-12


def test_segments_and_steps_agree_beyond_4096_tokens():
    mixer, x = Mixer(context=4096), random_input(40)
    state = torch.randn(mixer.empty.shape, dtype=torch.float64)
    whole, after = mixer(x, 9000, state)
    y, last = mixer.in_parts(x, [1] * 40, 9000, state)
    assert largest_difference(y, whole) < 1e-12
    assert largest_difference(last, after) < 1e-12


def test_single_precision_stays_exact_over_2048_tokens():
    mixer = Mixer(context=2048, dtype=torch.float32)
    x = random_input(2048, torch.float32)
    y, _ = mixer.in_parts(x, [1, 127, *[240] * 8])
    assert largest_difference(y, mixer(x)[0]) < 1e-4


@pytest.mark.parametrize("t0", [0, 1, 77])
def test_the_mixer_is_the_formula_written_out_token_by_token(t0: int):
    mixer, x = Mixer(), random_input(12)
    state = torch.randn(mixer.empty.shape, dtype=torch.float64)
    y, last = mixer(x, t0, state)
    expected, expected_last = written_out(mixer, x, t0, state)
    assert largest_difference(y, expected) < 1e-12
    assert largest_difference(last, expected_last) < 1e-12


def written_out(
    mixer: Mixer, x: torch.Tensor, t0: int, state: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """The recurrence with its running weight, one token, section and channel at a time."""
    retention = mixer.clock.log_retention.exp()
    part, weights = D // 8, dict(mixer.mixer.named_parameters())
    past, outputs = state[0].clone(), []
    for t in range(x.shape[1]):
        token = x[0, t] / torch.sqrt((x[0, t] ** 2).mean() + 1e-6)
        y = torch.zeros(2, D, dtype=torch.float64)
        for q in range(2):
            for c in range(8):
                mine = slice(c * part, (c + 1) * part)
                value = token[mine] @ weights["mixing.value"][q, c]
                newest = 1 / sum(retention[q, c] ** d for d in range(t0 + t + 1))
                past[q, c] += newest * (value - past[q, c])
                known = past[q, c] / torch.sqrt((past[q, c] ** 2).mean() + 1e-6)
                y[q, mine] = (token[mine] @ weights["mixing.current"][q, c]) * (1 + known)
        outputs.append(
            x[0, t] + y[0] @ weights["mixing.output"][0] + y[1] @ weights["mixing.output"][1]
        )
    return torch.stack(outputs)[None].detach(), past[None].detach()


def test_a_fresh_start_ignores_what_the_state_holds():
    mixer, x = Mixer(dtype=torch.float32), random_input(5, torch.float32)
    garbage = torch.full_like(mixer.empty, 1e6)
    assert torch.equal(mixer(x, 0, garbage)[0], mixer(x)[0])


def test_the_history_of_the_first_token_is_the_token_itself():
    history, carry = Clock(context=256).build()(torch.zeros(1, 1).long(), torch.tensor(0))
    assert (history == 1).all()
    assert (carry == 0).all()


@pytest.mark.parametrize("t0", [0, 3, 100_000])
def test_every_history_is_a_mean_of_the_past(t0: int):
    history, carry = Clock(context=256).build()(torch.zeros(1, 50).long(), torch.tensor(t0))
    assert (history >= 0).all()
    assert torch.allclose(history.sum(-1) + carry[..., 0], torch.ones(2, 8, 50), atol=1e-6)


def test_a_token_changes_nothing_before_it():
    mixer, x = Mixer(), random_input(60)
    edited = x.clone()
    edited[0, 40] += 1
    steps, edited_steps = (mixer.in_parts(v, [1] * 60)[0] for v in (x, edited))
    assert torch.equal(steps[:, :40], edited_steps[:, :40])
    assert largest_difference(mixer(x)[0][:, :40], mixer(edited)[0][:, :40]) < 1e-12
    assert largest_difference(steps[:, 41:], edited_steps[:, 41:]) > 1e-3


def test_the_state_of_a_network_has_the_same_size_after_any_number_of_tokens():
    space = language(TextTask(context=256))
    smallest = space.smallest()
    segments = space.segments(smallest)
    network = Network(segments).eval()
    sizes = []
    for t0 in (0, 100_000):
        with torch.no_grad():
            wires = network({"tokens": torch.zeros(1, 1).long(), "t0": torch.tensor(t0)})
        states = [value for name, value in wires.items() if name.endswith(".state")]
        assert {state.dtype for state in states} == {torch.float32}
        sizes.append(sum(state.nbytes for state in states))
    layers, width = int(smallest["layers"]), int(smallest["width"])
    assert sizes == [2 * layers * width * 4] * 2


def test_retention_is_a_constant_in_single_precision_that_no_optimiser_changes():
    clock = Clock(context=256).build()
    assert list(clock.parameters()) == []
    assert [(name, b.dtype) for name, b in clock.named_buffers()] == [
        ("log_retention", torch.float32)
    ]


def test_eight_channels_reach_2_to_256_and_32_to_4096_tokens():
    slope, decay = Clock(context=4096).build().log_retention.double().sort(descending=False).values
    assert torch.allclose(-1 / slope, 2.0 ** torch.arange(1, 9, dtype=torch.float64))
    reach = 2.0 ** torch.arange(5, 13, dtype=torch.float64)
    assert torch.allclose(-1 / torch.expm1(decay), reach, rtol=1e-3)


@pytest.mark.parametrize("context", [32, 64, 256, 1000])
def test_no_decay_reaches_beyond_the_context(context: int):
    decay = Clock(context=context).build().log_retention[1].double()
    assert (-1 / torch.expm1(decay)).max().item() == pytest.approx(context, rel=1e-3)


def test_four_channels_have_every_second_reach_of_eight():
    slope = Clock(context=4096).build().log_retention[0]
    assert sorted((1 / -slope[:4]).tolist()) == [4, 16, 64, 256]


def test_the_past_stays_in_single_precision_under_autocast():
    mixer, x = Mixer(dtype=torch.float32), random_input(9, torch.float32)
    plain, state = mixer(x)
    with torch.autocast("cpu", torch.bfloat16):
        _, half = mixer(x)
    assert half.dtype == torch.float32
    assert largest_difference(half, state) < 1e-5


@pytest.mark.parametrize(("channels", "side"), [(8, 5), (4, 7)])
def test_over_a_map_the_mixer_is_the_sequence_of_its_rows(channels: int, side: int):
    mixer = Mixer(channels, context=side * side, dtype=torch.float32)
    raster = RasterMcsd(width=D, channels=channels, side=side).build()
    raster.load_state_dict(mixer.mixer.state_dict())
    x = random_input(side * side, torch.float32)
    assert largest_difference(raster(x), mixer(x)[0]) < 1e-5


@pytest.mark.parametrize("channels", [4, 8])
def test_in_onnx_a_prefill_and_steps_give_what_pytorch_gives(channels: int):
    mixer = Mixer(channels, dtype=torch.float32)
    clock, block = Clock(context=256), Mcsd(width=D, channels=channels)
    sessions = [
        onnxruntime.InferenceSession(export_segment(b, m).SerializeToString())
        for b, m in ((clock, mixer.clock), (block, mixer.mixer))
    ]
    x = random_input(40, torch.float32)
    expected, _ = mixer(x)
    state, seen = np.full(mixer.empty.shape, 7, np.float32), 0
    for part in x.split([30, 1, 1, 6, 1, 1], dim=1):
        tokens = np.zeros(part.shape[:2], np.int64)
        history, carry = sessions[0].run(None, {"tokens": tokens, "t0": np.array(seen)})
        wires = {"x": part.numpy(), "history": history, "carry": carry, "state": state}
        y, state = sessions[1].run(None, wires)
        upto = seen + part.shape[1]
        assert np.abs(y - expected[:, seen:upto].numpy()).max() < 1e-5
        seen = upto
