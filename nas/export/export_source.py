"""What `nas export` writes: an architecture with a study's weights, or with random ones."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from torch import nn

from nas.architecture_lines import read_architecture
from nas.export.exporting import Exported, export_architecture
from nas.export.quantized_export import Quantization, quantization_at_random, quantization_on
from nas.measuring.access import check_precision
from nas.open_study import OpenStudy
from search_spaces import FP32, Architecture, Space


@dataclass(frozen=True, kw_only=True)
class ExportSource:
    """An architecture, its weights and what it is quantized on."""

    space: Space
    architecture: Architecture
    weights: str
    """Where they are from, in words."""
    modules: Mapping[str, nn.Module] | None
    notes: Mapping[str, str] = field(default_factory=dict)
    quantization: Quantization

    def write(self, path: Path) -> Exported:
        """As `export_architecture`."""
        return export_architecture(
            self.space, self.architecture, path, self.modules, self.notes, self.quantization
        )


def source_of_study(opened: OpenStudy, file: Path, precision: str | None) -> ExportSource:
    """An architecture of a study with its inherited weights, quantized on the study's data.

    Args:
        opened: the study.
        file: with the architecture.
        precision: the study's own if not given.

    Raises:
        BadInput: the space has no such precision; or the supernet or the data are gone.
        InvalidArchitecture: the file holds none of this space.
    """
    wanted = precision or opened.settings.precision
    check_precision(opened.space, wanted)
    architecture = read_architecture(file, opened.space)
    workspace, segments = opened.workspace(), opened.space.segments(architecture)
    plan = Quantization()
    if wanted != FP32:
        plan = quantization_on(workspace.data, segments, wanted)
    modules = opened.estimator().modules(architecture)
    return ExportSource(
        space=opened.space,
        architecture=architecture,
        weights="random" if modules is None else f"study {opened.name}",
        modules=modules,
        notes=workspace.input_notes,
        quantization=plan,
    )


def source_at_random(space: Space, file: Path, precision: str | None) -> ExportSource:
    """An architecture with random weights, good for timing only; fp32 if no precision is given.

    Raises:
        BadInput: the space has no such precision.
        InvalidArchitecture: the file holds none of this space.
    """
    wanted = precision or FP32
    check_precision(space, wanted)
    architecture = read_architecture(file, space)
    segments = space.segments(architecture)
    return ExportSource(
        space=space,
        architecture=architecture,
        weights="random",
        modules=None,
        quantization=quantization_at_random(segments, space.phases[0], wanted),
    )
