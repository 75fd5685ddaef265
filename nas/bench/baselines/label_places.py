"""Names beside the points of a picture, where they cover neither points nor one another."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

_FONT_SIZE = 7.5
_MARK_POINTS = 4.0  # half the side of a mark with its white edge
# Our choice, in points from the middle of the mark; the farther ones get a line that leads there.
_DISTANCES = (7.5, 11.0, 16.0, 24.0, 34.0, 46.0, 60.0, 76.0)
_LED_FROM = 11.0
_APART_POINTS = 1.0  # our choice: half of what stays between two texts
# Aslant first: error bars run straight.
_DIRECTIONS = ((1, -1), (-1, 1), (1, 1), (-1, -1), (1, 0), (0, -1), (-1, 0), (0, 1))
_POINTS_PER_INCH = 72

Extent = tuple[float, float, float, float]
"""From x, y to x, y in the units of the axes."""


@dataclass(frozen=True)
class Label:
    """What stands beside the point at `x` and `y`, in the units of the axes."""

    x: float
    y: float
    text: str
    colour: str


def place_labels(
    figure: Figure, axes: Axes, labels: Sequence[Label], free: Sequence[Extent]
) -> tuple[Label, ...]:
    """Writes the labels as near to their points as there is room; the layout is fixed by it.

    Args:
        figure: complete but for the labels.
        axes: of the figure.
        labels: in the order in which they choose their places; they cover no point of another.
        free: what else they are not to cover.

    Returns:
        Those for which there was no room, and which were not written.
    """
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    points = [(label.x, label.y, label.x, label.y) for label in labels]
    taken = [_box(figure, axes, extent) for extent in (*points, *free)]
    unplaced = []
    for label in labels:
        text = _write(axes, label)
        box = _move(figure, axes, text, taken)
        if box is None:
            text.remove()
            unplaced.append(label)
        else:
            taken.append(box)
    return tuple(unplaced)


def _box(figure: Figure, axes: Axes, extent: Extent) -> Bbox:
    """In pixels, with half a mark around it."""
    x0, y0, x1, y1 = extent
    ends = axes.transData.transform([(x0, y0), (x1, y1)])
    return Bbox(ends).padded(_MARK_POINTS * figure.dpi / _POINTS_PER_INCH)


def _write(axes: Axes, label: Label) -> Annotation:
    return axes.annotate(
        label.text,
        xy=(label.x, label.y),
        xytext=(0, 0),
        textcoords="offset points",
        fontsize=_FONT_SIZE,
        color=label.colour,
        ha="center",
        va="center",
        zorder=5,
        parse_math=False,
    )


def _move(figure: Figure, axes: Axes, text: Annotation, taken: Sequence[Bbox]) -> Bbox | None:
    """Moves the text to the first place that is free: its box in pixels; None where none is."""
    box = text.get_window_extent()
    pixels = figure.dpi / _POINTS_PER_INCH
    box = box.padded(_APART_POINTS * pixels)
    for distance, dx, dy in _offsets(box.width / pixels, box.height / pixels):
        moved = box.translated(dx * pixels, dy * pixels)
        if _inside(moved, axes.bbox) and moved.count_overlaps(taken) == 0:
            text.xyann = (dx, dy)
            if distance >= _LED_FROM:
                _lead(axes, text, (dx, dy))
            return moved
    return None


def _offsets(width: float, height: float) -> Iterator[tuple[float, float, float]]:
    """Distances, and by how much the middle of a text of that size is moved, all in points."""
    for distance in _DISTANCES:
        for right, up in _DIRECTIONS:
            apart = distance if not (right and up) else 0.7 * distance  # on a circle
            yield distance, right * (apart + width / 2), up * (apart + height / 2)


def _inside(box: Bbox, frame: Bbox) -> bool:
    return bool(
        box.x0 >= frame.x0 and box.x1 <= frame.x1 and box.y0 >= frame.y0 and box.y1 <= frame.y1
    )


def _lead(axes: Axes, text: Annotation, offset: tuple[float, float]) -> None:
    axes.annotate(
        "",
        xy=text.xy,
        xytext=offset,
        textcoords="offset points",
        arrowprops={
            "arrowstyle": "-",
            "color": text.get_color(),
            "alpha": 0.5,
            "linewidth": 0.6,
            "patchB": None,
            "shrinkA": 8,
            "shrinkB": 3,
        },
    )
