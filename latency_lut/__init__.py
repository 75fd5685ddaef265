"""Latency LUTs: measured networks kept, shared out to segments, and summed to predictions."""

from latency_lut.attribution import Share, attribute
from latency_lut.campaign import next_carrier, sharpening_carrier
from latency_lut.canary import CanaryState
from latency_lut.carrier_sizes import balancing_carriers, corner_carriers
from latency_lut.coverage import Coverage, coverage
from latency_lut.device_profile import DeviceProfile
from latency_lut.device_state import DeviceState
from latency_lut.dominated import DominatedChoice, Domination, domination
from latency_lut.errors import AttributionError, BadCodes, BadRecord, LutError, StoreError
from latency_lut.fit.entry import Entry
from latency_lut.fit.lut import Lut
from latency_lut.fit.self_check import FEWEST_CHECKED, CommonError
from latency_lut.memory import MemoryModel
from latency_lut.prediction import (
    PhasePrediction,
    PhasePredictions,
    Prediction,
    Predictions,
    Predictor,
)
from latency_lut.records import ALONE, GOOD, NetworkRecord, NodeTiming, PhaseTiming, Purpose
from latency_lut.roofline import Ceilings, Roofline, kept_bytes, roofline, touched_bytes
from latency_lut.storage.database import driver_url, is_there, shown_url
from latency_lut.storage.store import Store, open_store
from latency_lut.transfer.transfer import TRANSFERRED
from latency_lut.transfer.transfer_check import CurvePoint, TransferCheck

__all__ = [
    "ALONE",
    "FEWEST_CHECKED",
    "GOOD",
    "TRANSFERRED",
    "AttributionError",
    "BadCodes",
    "BadRecord",
    "CanaryState",
    "Ceilings",
    "CommonError",
    "Coverage",
    "CurvePoint",
    "DeviceProfile",
    "DeviceState",
    "DominatedChoice",
    "Domination",
    "Entry",
    "Lut",
    "LutError",
    "MemoryModel",
    "NetworkRecord",
    "NodeTiming",
    "PhasePrediction",
    "PhasePredictions",
    "PhaseTiming",
    "Prediction",
    "Predictions",
    "Predictor",
    "Purpose",
    "Roofline",
    "Share",
    "Store",
    "StoreError",
    "TransferCheck",
    "attribute",
    "balancing_carriers",
    "corner_carriers",
    "coverage",
    "domination",
    "driver_url",
    "is_there",
    "kept_bytes",
    "next_carrier",
    "open_store",
    "roofline",
    "sharpening_carrier",
    "shown_url",
    "touched_bytes",
]
