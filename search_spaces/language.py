"""The space `language`: pre-norm decoders of MCSD or attention mixers and gated feed-forwards."""

from collections.abc import Mapping

from search_spaces.architecture import Value
from search_spaces.block import Block, Phase
from search_spaces.blocks.attention import Attention
from search_spaces.blocks.decoder import Embedding, TextHead
from search_spaces.blocks.feed_forward import FeedForward
from search_spaces.blocks.mcsd import Clock, Mcsd
from search_spaces.blocks.mixture import Mixture, NeuronGroups
from search_spaces.choice import Choice
from search_spaces.errors import SpaceError
from search_spaces.precision import FP32, INT4, INT8
from search_spaces.space import Place, Space
from search_spaces.task import Task, TextTask

LAYERS = (2, 3, 4, 6)
WIDTHS = (96, 128, 192, 256)  # multiples of the head width, of all channels and of all groups
MIXERS = ("mcsd", "attention")
CHANNELS = (4, 8)
FEED_FORWARDS = ("dense", "neurons", "mixture")
# Hidden neurons in multiples of the width: of a dense layer, of each expert, of all groups.
DENSE_RATIOS = (1, 2, 3, 4)
EXPERT_RATIOS = (1, 2)
NEURON_RATIOS = (2, 4)
EXPERTS = (4, 8)
EXPERTS_USED = (1, 2)
GROUPS = (8, 16)
GROUPS_USED = (1, 2, 4)
HEAD_WIDTH = 32


def language(task: Task | None = None) -> Space:
    """Decoders; layers, width, and for each layer the mixer and the feed-forward.

    One graph serves both phases: `decode` of one token at the end of a full context, which gives
    `latency_ms`, and `prefill` of a whole context.

    Raises:
        SpaceError: the task is not one of text.
    """
    task = task or TextTask()
    if not isinstance(task, TextTask):
        raise SpaceError("space 'language' is for text; for images use --space mobile or hybrid")
    layers = range(1, max(LAYERS) + 1)
    return Space(
        name="language",
        task=task,
        choices=(
            Choice("layers", LAYERS),
            Choice("width", WIDTHS),
            *(choice for layer in layers for choice in _layer_choices(layer)),
        ),
        places=(
            _embedding(task),
            _clock(task),
            *(place for layer in layers for place in (_mixer(layer), _feed_forward(layer))),
            _head(task),
        ),
        phases=_phases(task.context),
        precisions=(FP32, INT8, INT4),
    )


def _phases(context: int) -> tuple[Phase, Phase]:
    return (
        Phase("decode", {"new": 1, "seen": context - 1}, {"t0": context - 1}),
        Phase("prefill", {"new": context, "seen": 0}, {"t0": 0}),
    )


def _layer_choices(layer: int) -> list[Choice]:
    needs = ("layers", tuple(n for n in LAYERS if n >= layer))
    name = f"layer{layer}"
    mixer, kind = f"{name}.mixer", f"{name}.feed_forward"
    return [
        Choice(mixer, MIXERS, *needs),
        Choice(f"{name}.channels", CHANNELS, mixer, ("mcsd",)),
        Choice(kind, FEED_FORWARDS, *needs),
        Choice(f"{name}.dense_ratio", DENSE_RATIOS, kind, ("dense",)),
        Choice(f"{name}.neuron_ratio", NEURON_RATIOS, kind, ("neurons",)),
        Choice(f"{name}.groups", GROUPS, kind, ("neurons",)),
        Choice(f"{name}.groups_used", GROUPS_USED, kind, ("neurons",)),
        Choice(f"{name}.expert_ratio", EXPERT_RATIOS, kind, ("mixture",)),
        Choice(f"{name}.experts", EXPERTS, kind, ("mixture",)),
        Choice(f"{name}.experts_used", EXPERTS_USED, kind, ("mixture",)),
    ]


def _embedding(task: TextTask) -> Place:
    def make(values: Mapping[str, Value]) -> Block:
        return Embedding(vocabulary=task.vocabulary, width=int(values["width"]))

    return Place("embedding", ("width",), make)


def _clock(task: TextTask) -> Place:
    """Stands only where some layer has an MCSD mixer: dead code must not be profiled."""
    mixers = tuple(f"layer{layer}.mixer" for layer in range(1, max(LAYERS) + 1))

    def make(values: Mapping[str, Value]) -> Block | None:
        if not any(values.get(mixer) == "mcsd" for mixer in mixers):
            return None
        return Clock(context=task.context)

    return Place("clock", ("layers", *mixers), make)


def _mixer(layer: int) -> Place:
    name = f"layer{layer}"

    def make(values: Mapping[str, Value]) -> Block | None:
        width, mixer = int(values["width"]), values.get(f"{name}.mixer")
        if mixer is None:
            return None
        if mixer == "mcsd":
            return Mcsd(width=width, channels=int(values[f"{name}.channels"]))
        return Attention(width=width, heads=width // HEAD_WIDTH)

    return Place(f"{name}.mixer", ("width", f"{name}.mixer", f"{name}.channels"), make)


def _feed_forward(layer: int) -> Place:
    name = f"layer{layer}."
    kind = f"{name}feed_forward"
    own = tuple(c.name for c in _layer_choices(layer) if kind in (c.name, c.parent))

    def make(values: Mapping[str, Value]) -> Block | None:
        if kind not in values:
            return None
        chosen = {key.removeprefix(name): values[key] for key in own if key in values}
        return _feed_forward_block(int(values["width"]), chosen)

    return Place(kind, ("width", *own), make)


def _feed_forward_block(width: int, chosen: Mapping[str, Value]) -> Block:
    if chosen["feed_forward"] == "dense":
        return FeedForward(width=width, hidden=width * int(chosen["dense_ratio"]))
    if chosen["feed_forward"] == "neurons":
        return NeuronGroups(
            width=width,
            hidden=width * int(chosen["neuron_ratio"]),
            groups=int(chosen["groups"]),
            used=int(chosen["groups_used"]),
        )
    return Mixture(
        width=width,
        hidden=width * int(chosen["expert_ratio"]),
        experts=int(chosen["experts"]),
        used=int(chosen["experts_used"]),
    )


def _head(task: TextTask) -> Place:
    def make(values: Mapping[str, Value]) -> Block:
        return TextHead(width=int(values["width"]), vocabulary=task.vocabulary)

    return Place("head", ("width",), make)
