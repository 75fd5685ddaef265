"""Blocks and spaces: what networks there are, what they cost, and how they become ONNX."""

from search_spaces.architecture import Architecture, Value
from search_spaces.block import Block, Phase, Segment, TensorSpec, segment_key
from search_spaces.choice import Choice
from search_spaces.errors import ExportError, InvalidArchitecture, SpaceError, UnknownSpace
from search_spaces.export import (
    SegmentExporter,
    export_network,
    export_segment,
    graph_inputs,
    place_of,
    seeded_module,
)
from search_spaces.mobile import mobile
from search_spaces.network import Network, carried_name, run_segment
from search_spaces.space import INACTIVE, Codes, Place, Space
from search_spaces.task import ImageTask, Task, TextTask

__all__ = [
    "INACTIVE",
    "Architecture",
    "Block",
    "Choice",
    "Codes",
    "ExportError",
    "ImageTask",
    "InvalidArchitecture",
    "Network",
    "Phase",
    "Place",
    "Segment",
    "SegmentExporter",
    "Space",
    "SpaceError",
    "Task",
    "TensorSpec",
    "TextTask",
    "UnknownSpace",
    "Value",
    "carried_name",
    "export_network",
    "export_segment",
    "graph_inputs",
    "mobile",
    "place_of",
    "run_segment",
    "seeded_module",
    "segment_key",
]
