"""The space `language`: one graph for prefill and decode, and what its choices mean."""

from collections.abc import Iterator

import numpy as np
import onnxruntime
import pytest
import torch

from search_spaces import (
    Architecture,
    ImageTask,
    Network,
    Phase,
    Segment,
    SegmentExporter,
    Space,
    SpaceError,
    TextTask,
    Value,
    export_network,
    graph_inputs,
    language,
    seeded_module,
    segment_key,
)

CONTEXT = 64
EMPTY = Phase("empty", {"new": 0, "seen": 0})


@pytest.fixture(scope="module")
def space() -> Space:
    return language(TextTask(vocabulary=100, context=CONTEXT))


@pytest.fixture(scope="module")
def exporter() -> SegmentExporter:
    return SegmentExporter()


def architecture(space: Space, **choices: Value) -> Architecture:
    """The largest network but for these choices, which hold in all layers."""
    values = {c.name: c.values[-1] for c in space.choices}
    for name in values:
        if name.rpartition(".")[2] in choices:
            values[name] = choices[name.rpartition(".")[2]]
    return space.architecture(values)


def seeded_network(segments: tuple[Segment, ...]) -> Network:
    network = Network(segments).eval()
    for segment, module in zip(segments, network.blocks, strict=True):
        module.load_state_dict(seeded_module(segment.block).state_dict())
    return network


def onnx_logits(
    session: onnxruntime.InferenceSession,
    segments: tuple[Segment, ...],
    parts: list[np.ndarray],
) -> Iterator[np.ndarray]:
    """Logits of each part, what is carried going from one run to the next."""
    outputs = [output.name for output in session.get_outputs()]
    carried = {
        name: np.zeros(spec.sizes(EMPTY), np.float32)
        for name, spec in graph_inputs(segments).items()
        if "." in name
    }
    seen = 0
    for tokens in parts:
        wires = {"tokens": tokens, "t0": np.array(seen), **carried}
        feeds = {i.name: wires[i.name] for i in session.get_inputs()}
        answers = dict(zip(outputs, session.run(None, feeds), strict=True))
        carried = {name: answers[f"{name}.next"] for name in carried}
        seen += tokens.shape[1]
        yield answers["logits"]


def random_tokens(n: int, batch: int = 1) -> torch.Tensor:
    return torch.randint(0, 100, (batch, n), generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize(
    "choices",
    [
        {"layers": 2, "mixer": "mcsd", "channels": 8, "feed_forward": "dense"},
        {"layers": 2, "mixer": "mcsd", "channels": 4, "feed_forward": "neurons"},
        {"layers": 3, "mixer": "attention", "feed_forward": "mixture"},
        None,
    ],
    ids=["mcsd8-dense", "mcsd4-neurons", "attention-mixture", "sampled"],
)
def test_a_prefill_and_steps_in_onnx_give_what_pytorch_gives_for_the_whole_text(
    space, exporter, choices
):
    rng = np.random.default_rng(0)
    found = architecture(space, **choices) if choices else space.sample(rng)
    segments = space.segments(found)
    session = onnxruntime.InferenceSession(export_network(segments, exporter).SerializeToString())
    tokens = random_tokens(40)
    with torch.no_grad():
        whole = seeded_network(segments)({"tokens": tokens, "t0": torch.tensor(0)})["logits"]
    parts = [part.numpy() for part in tokens.split([25, 1, 1, 1, 10, 1, 1], dim=1)]
    together = np.concatenate(list(onnx_logits(session, segments, parts)), axis=1)
    assert np.abs(together - whole.numpy()).max() < 1e-4


def test_inputs_and_outputs_have_the_names_that_callers_rely_on(space, exporter):
    found = architecture(space, layers=2, mixer="attention")
    values = {**found.choices, "layer1.mixer": "mcsd", "layer1.channels": 8}
    model = export_network(space.segments(space.architecture(values)), exporter)
    assert [value.name for value in model.graph.input] == [
        "tokens",
        "t0",
        "layer1.mixer.state",
        "layer2.mixer.keys",
        "layer2.mixer.values",
    ]
    assert [value.name for value in model.graph.output] == [
        "logits",
        "layer1.mixer.state.next",
        "layer2.mixer.keys.next",
        "layer2.mixer.values.next",
    ]


def test_attention_alone_needs_no_clock_and_no_position(space):
    segments = space.segments(architecture(space, mixer="attention"))
    assert "clock" not in {segment.place for segment in segments}
    assert "t0" not in graph_inputs(segments)


def test_one_mcsd_mixer_in_the_last_layer_brings_the_clock(space):
    values = dict(architecture(space, layers=2, mixer="attention").choices)
    values |= {"layer2.mixer": "mcsd", "layer2.channels": 4}
    segments = space.segments(space.architecture(values))
    assert [s.place for s in segments if "clock" in s.block.reads or s.place == "clock"] == [
        "clock"
    ]


def test_decode_comes_first_and_stands_at_the_end_of_a_full_context(space):
    decode, prefill = space.phases
    assert (decode.name, dict(decode.sizes), dict(decode.constants)) == (
        "decode",
        {"new": 1, "seen": CONTEXT - 1},
        {"t0": CONTEXT - 1},
    )
    assert (prefill.name, dict(prefill.sizes), dict(prefill.constants)) == (
        "prefill",
        {"new": CONTEXT, "seen": 0},
        {"t0": 0},
    )


def test_a_full_space_has_few_enough_segments_to_be_profiled(space):
    blocks = {b for place in space.places for _, b in space.blocks_at(place) if b is not None}
    for phase in space.phases:
        keys = {segment_key(block, phase) for block in blocks}
        assert len(keys) == 117  # of 5.6e11 architectures
    assert space.count() > 10**11


def test_choices_without_effect_do_not_make_another_network(space):
    first = architecture(space, mixer="attention", channels=4)
    second = architecture(space, mixer="attention", channels=8)
    assert first.id == second.id


def test_weights_of_a_family_differ_in_size_but_not_in_dimensions(space):
    """So that the leading part of the largest in each dimension is the weight of any other."""
    dimensions: dict[str, dict[str, int]] = {}
    for place in space.places:
        for block in {b for _, b in space.blocks_at(place) if b is not None}:
            with torch.device("meta"):
                own = {name: weight.dim() for name, weight in block.build().named_parameters()}
            assert dimensions.setdefault(block.family, own) == own


@pytest.mark.parametrize("seed", range(3))
def test_a_batch_trains_every_weight_from_an_empty_past(space, seed):
    segments = space.segments(space.sample(np.random.default_rng(seed)))
    network = Network(segments).train()
    tokens = random_tokens(48, batch=4)
    logits = network({"tokens": tokens, "t0": torch.tensor(0)})["logits"]
    assert logits.shape == (4, 48, 100)
    torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens.flatten()).backward()
    assert [name for name, weight in network.named_parameters() if weight.grad is None] == []


def test_images_are_refused_in_one_line():
    with pytest.raises(SpaceError, match="'language' is for text; for images use"):
        language(ImageTask())
