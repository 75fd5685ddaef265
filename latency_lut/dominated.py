"""Choices that a device makes pointless: another one has no less to learn with and costs less time.

Letters: K contexts of a place, O options there, F phases.
"""

import itertools
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from latency_lut.block_index import NO_BLOCK, BlockIndex, Ids, block_index
from latency_lut.fit.lut import Lut
from latency_lut.records import GOOD
from search_spaces import Block, Choice, Place, Space, Value

Bools = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class DominatedChoice:
    """Values of a place's own choices, and others that are better in some contexts at least.

    A context is what other places have a say in too: resolution, width.
    """

    places: tuple[str, ...]
    """Places with the same blocks in the same contexts, for all of which this holds."""
    choice: str
    """For example `kernel=7, expansion=3`."""
    by: str
    """The choice that dominates it in most contexts."""
    contexts: int
    """In so many it does."""
    compared: int
    """So many have a good entry for both."""
    faster_share: float
    """Of the latency, what the better choice saves: the median over `contexts`, first phase."""


@dataclass(frozen=True, kw_only=True)
class Domination:
    """All that is dominated in a space on a device."""

    choices: tuple[DominatedChoice, ...]
    """Those that are dominated in all compared contexts first, then by what is saved."""
    by_key: Mapping[str, str]
    """Segment keys that are dominated in some place, and the fastest that does."""


@dataclass(frozen=True, eq=False)
class _Facts:
    """What decides, by block id; row 0 is of no block."""

    known: Bools
    params: Numbers
    macs: Numbers  # (blocks, F), as the three below
    low_ns: Numbers
    latency_ns: Numbers
    high_ns: Numbers
    interface: Ids


@dataclass(frozen=True, eq=False)
class _Options:
    """What may stand at a place."""

    names: tuple[str, ...]
    ids: Ids  # (K, O) block ids


@dataclass(frozen=True, eq=False)
class _Comparison:
    """Of each option (first O) with each other (second O), in each context."""

    compared: Bools  # (K, O, O)
    held: Bools  # (K, O, O) the second dominates the first


def domination(space: Space, lut: Lut) -> Domination:
    """The choices of a space that are dominated on the device of a LUT.

    Of two blocks that may stand in the same place, between the same neighbours and with the same
    inputs, one dominates the other if it has at least as many parameters and multiply-accumulates
    and its latency is lower in every phase: the high end of its interval is not above the low end
    of the other's, so that noise does not decide. Only good entries are compared.
    """
    index = block_index(space, lut.precision)
    facts = _facts(index, lut)
    choices: list[DominatedChoice] = []
    fastest: dict[int, int] = {}
    for places, tables in _options_by_places(index).items():
        for options in tables:
            comparison = _compare(options.ids, facts)
            choices += _choices(places, options, comparison, facts)
            _note_fastest(fastest, options.ids, comparison.held, facts)
    choices.sort(key=lambda c: (-c.contexts / c.compared, -c.faster_share))
    pairs = [(index.keys[a - 1], index.keys[b - 1]) for a, b in fastest.items()]
    by_key = {key: by for keys in pairs for key, by in zip(*keys, strict=True)}
    return Domination(choices=tuple(choices), by_key=by_key)


def _facts(index: BlockIndex, lut: Lut) -> _Facts:
    shape = (len(index.blocks) + 1, len(index.space.phases))
    known, interfaces = np.zeros(shape[0], dtype=bool), np.zeros(shape[0], dtype=np.intp)
    params, macs = np.zeros(shape[0], dtype=np.int64), np.zeros(shape, dtype=np.int64)
    low_ns, latency_ns, high_ns = (np.zeros(shape, dtype=np.int64) for _ in range(3))
    numbers: dict[object, int] = {}
    for i, (block, keys) in enumerate(zip(index.blocks, index.keys, strict=True), start=1):
        entries = [lut.entries[key] for key in keys if key in lut.entries]
        if len(entries) < len(keys) or any(e.quality != GOOD for e in entries):
            continue
        known[i] = True
        interfaces[i] = numbers.setdefault(_interface(block), len(numbers))
        params[i] = lut.costs[keys[0]].params
        macs[i] = [lut.costs[key].macs for key in keys]
        low_ns[i] = [e.low_ns for e in entries]
        latency_ns[i] = [e.latency_ns for e in entries]
        high_ns[i] = [e.high_ns for e in entries]
    return _Facts(known, params, macs, low_ns, latency_ns, high_ns, interfaces)


def _interface(block: Block) -> object:
    """What the rest of a network sees of a block, but for the shapes that it writes.

    Those are equal for blocks between the same neighbours.
    """
    specs = block.specs()
    inputs = tuple((wire, specs[wire].shape, specs[wire].dtype) for wire in block.reads)
    return inputs, block.writes


def _options_by_places(index: BlockIndex) -> dict[tuple[str, ...], list[_Options]]:
    """What may stand at each place; places where it is the same are taken together."""
    space = index.space
    users = Counter(choice.name for place in space.places for choice in space.choices_of(place))
    shared = {name for name, count in users.items() if count > 1}
    alike: dict[object, tuple[list[str], list[_Options]]] = {}
    for number, place in enumerate(space.places):
        options = list(_options(index, number, place, shared))
        identity = tuple((found.names, found.ids.tobytes()) for found in options)
        alike.setdefault(identity, ([], options))[0].append(place.name)
    return {tuple(names): options for names, options in alike.values()}


def _options(index: BlockIndex, number: int, place: Place, shared: Set[str]) -> Iterator[_Options]:
    """The blocks of a place: a row a context, a column for each choice that makes a difference.

    `shared` are the choices that several places depend on, which so make the context: with them
    as they are, what stands elsewhere does not change. Those that wake choices of the place alone
    (which kind of block stands there) make a table of their own for each value.
    """
    chain = index.space.choices_of(place)
    own = [choice for choice in chain if choice.name not in shared]
    waking = {choice.parent for choice in own} & shared
    wakers = [choice for choice in chain if choice.name in waking]
    context = [c for c in chain if c.name in shared and c.name not in waking]
    table = _place_table(index, number, chain, [*wakers, *context, *own])
    found: dict[object, _Options] = {}
    for where in itertools.product(*(range(len(choice.values)) for choice in wakers)):
        active = {c.name: c.values[i] for c, i in zip(wakers, where, strict=True)}
        ids = table[where].reshape(-1, math.prod(len(choice.values) for choice in own))
        options = _without_repetition(ids, own, active)
        found.setdefault((options.names, options.ids.tobytes()), options)
    yield from (options for options in found.values() if options.ids.size)


def _place_table(
    index: BlockIndex, number: int, chain: Sequence[Choice], order: Sequence[Choice]
) -> Ids:
    """Block ids of a place, an axis a choice, in that order."""
    sizes = [len(choice.values) for choice in chain]
    start = int(index.offsets[number])
    table = index.table[start : start + math.prod(sizes)].reshape(sizes)
    return table.transpose([chain.index(choice) for choice in order])


def _without_repetition(ids: Ids, own: Sequence[Choice], active: Mapping[str, Value]) -> _Options:
    """One row of those contexts that change nothing here, one column of choices without effect."""
    ids = np.unique(ids, axis=0)
    ids = ids[(ids != NO_BLOCK).any(axis=1)]
    _, columns = np.unique(ids, axis=1, return_index=True)
    columns.sort()
    sizes = [len(choice.values) for choice in own]
    names = tuple(_name(own, np.unravel_index(c, sizes), active) for c in columns)
    return _Options(names, np.ascontiguousarray(ids[:, columns]))


def _name(
    choices: Sequence[Choice], indices: Sequence[np.intp], active: Mapping[str, Value]
) -> str:
    """The choices that are active and have several values, without the name of their place."""
    values, words = dict(active), []
    for choice, index in zip(choices, indices, strict=True):
        if not choice.is_active(values):
            continue
        values[choice.name] = choice.values[int(index)]
        if len(choice.values) > 1:
            words.append(f"{choice.name.rpartition('.')[2]}={_word(values[choice.name])}")
    return ", ".join(words)


def _word(value: Value) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _compare(ids: Ids, facts: _Facts) -> _Comparison:
    first, second = ids[:, :, None], ids[:, None, :]
    compared = facts.known[first] & facts.known[second] & (first != second)
    compared &= facts.interface[first] == facts.interface[second]
    held = compared & (facts.params[second] >= facts.params[first])
    held &= (facts.macs[second] >= facts.macs[first]).all(axis=-1)
    held &= (facts.high_ns[second] <= facts.low_ns[first]).all(axis=-1)
    return _Comparison(compared, held)


def _choices(
    places: Sequence[str], options: _Options, comparison: _Comparison, facts: _Facts
) -> list[DominatedChoice]:
    """Each dominated option with the one that does so in most contexts; of several, the fastest."""
    found = []
    for first, name in enumerate(options.names):
        ranks = [
            (int(held.sum()), _saved(options.ids, first, second, held, facts), second)
            for second, held in enumerate(comparison.held[:, first].T)
            if held.any()
        ]
        if not ranks:
            continue
        contexts, saved, second = max(ranks)
        found.append(
            DominatedChoice(
                places=tuple(places),
                choice=name,
                by=options.names[second],
                contexts=contexts,
                compared=int(comparison.compared[:, first, second].sum()),
                faster_share=saved,
            )
        )
    return found


def _saved(ids: Ids, first: int, second: int, held: Bools, facts: _Facts) -> float:
    slow_ns = facts.latency_ns[ids[held, first], 0]
    fast_ns = facts.latency_ns[ids[held, second], 0]
    return float(np.median(1 - fast_ns / np.maximum(slow_ns, 1)))


def _note_fastest(fastest: dict[int, int], ids: Ids, held: Bools, facts: _Facts) -> None:
    """Adds the dominated blocks; of all that dominate one, in any place, the fastest stays."""
    for context, first in np.argwhere(held.any(axis=2)):
        block, better = int(ids[context, first]), ids[context][held[context, first]]
        rivals = [*map(int, better), *([fastest[block]] if block in fastest else [])]
        fastest[block] = min(rivals, key=lambda rival: int(facts.latency_ns[rival, 0]))
