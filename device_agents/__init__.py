"""Devices and what they measure: reach a board, start the agent there, time a model."""

from device_agents.bootstrap import purge
from device_agents.check import Check
from device_agents.conditions import Energy, Gate
from device_agents.doctor import examine
from device_agents.errors import (
    BadInventory,
    ConnectionLost,
    DeviceError,
    DeviceLeased,
    DeviceSilent,
    DeviceUnreachable,
    DeviceUnusable,
    DiskUnwritable,
    HostKeyChanged,
    HostKeyRefused,
    HostKeyUnknown,
    JobFailed,
    LoginRefused,
    ProtocolError,
    PythonUnsuitable,
    RuntimeUnavailable,
    UnknownDevice,
    first_sentence,
)
from device_agents.host_keys import HostKey
from device_agents.identity import Identity
from device_agents.inventory import Device, Inventory
from device_agents.jobs import Feed, Job, JobKind, Phase
from device_agents.lease import this_host
from device_agents.pool import Member, Pool, Work
from device_agents.results import JobResult, NodeTime, PhaseResult
from device_agents.session import WAIT_S, Session, open_session, open_transport
from device_agents.ssh import fetch_host_key, host_key_verdict, trust
from device_agents.steady import PASSING, SteadySession, open_steady_session
from device_agents.transport import Transport

__all__ = [
    "PASSING",
    "WAIT_S",
    "BadInventory",
    "Check",
    "ConnectionLost",
    "Device",
    "DeviceError",
    "DeviceLeased",
    "DeviceSilent",
    "DeviceUnreachable",
    "DeviceUnusable",
    "DiskUnwritable",
    "Energy",
    "Feed",
    "Gate",
    "HostKey",
    "HostKeyChanged",
    "HostKeyRefused",
    "HostKeyUnknown",
    "Identity",
    "Inventory",
    "Job",
    "JobFailed",
    "JobKind",
    "JobResult",
    "LoginRefused",
    "Member",
    "NodeTime",
    "Phase",
    "PhaseResult",
    "Pool",
    "ProtocolError",
    "PythonUnsuitable",
    "RuntimeUnavailable",
    "Session",
    "SteadySession",
    "Transport",
    "UnknownDevice",
    "Work",
    "examine",
    "fetch_host_key",
    "first_sentence",
    "host_key_verdict",
    "open_session",
    "open_steady_session",
    "open_transport",
    "purge",
    "this_host",
    "trust",
]
