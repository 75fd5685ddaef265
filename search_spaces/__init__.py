"""Blocks and spaces: what networks there are, what they cost, and how they become ONNX."""

from search_spaces.architecture import Architecture, Value
from search_spaces.block import Block, Phase, Segment, TensorSpec, segment_key
from search_spaces.blocks.inverted_residual import ImageHead, InvertedResidual, Stem
from search_spaces.blocks.mixture import set_router_noise
from search_spaces.choice import Choice
from search_spaces.cost import CostTable, NetworkCost, SegmentCost, network_cost, segment_cost
from search_spaces.equal_weights import set_equal_weights_apart
from search_spaces.errors import (
    ExportError,
    InvalidArchitecture,
    SpaceError,
    UnknownSpace,
    UserFileError,
)
from search_spaces.export import (
    SegmentExporter,
    export_network,
    export_segment,
    graph_inputs,
    seeded_module,
)
from search_spaces.hybrid import hybrid
from search_spaces.language import language
from search_spaces.mobile import mobile
from search_spaces.network import Network, carried_name, run_segment
from search_spaces.precision import FP32, INT4, INT8, PRECISIONS, check_precision
from search_spaces.quantization import quantize_network
from search_spaces.registry import BUILT_IN, load_space
from search_spaces.space import INACTIVE, Codes, Place, Space
from search_spaces.stitching import place_of
from search_spaces.task import ImageTask, Task, TextTask, read_task
from search_spaces.user_file import failure_in_file, load_from_file

__all__ = [
    "BUILT_IN",
    "FP32",
    "INACTIVE",
    "INT4",
    "INT8",
    "PRECISIONS",
    "Architecture",
    "Block",
    "Choice",
    "Codes",
    "CostTable",
    "ExportError",
    "ImageHead",
    "ImageTask",
    "InvalidArchitecture",
    "InvertedResidual",
    "Network",
    "NetworkCost",
    "Phase",
    "Place",
    "Segment",
    "SegmentCost",
    "SegmentExporter",
    "Space",
    "SpaceError",
    "Stem",
    "Task",
    "TensorSpec",
    "TextTask",
    "UnknownSpace",
    "UserFileError",
    "Value",
    "carried_name",
    "check_precision",
    "export_network",
    "export_segment",
    "failure_in_file",
    "graph_inputs",
    "hybrid",
    "language",
    "load_from_file",
    "load_space",
    "mobile",
    "network_cost",
    "place_of",
    "quantize_network",
    "read_task",
    "run_segment",
    "seeded_module",
    "segment_cost",
    "segment_key",
    "set_equal_weights_apart",
    "set_router_noise",
]
