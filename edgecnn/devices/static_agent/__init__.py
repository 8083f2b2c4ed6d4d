"""The static agent: plans measured by one C program, on boards without a Python for the agent.

The program (`native/agent`) opens a plan, times it in rounds and prints events; the workstation
reads the bundle, encodes the golden inputs, judges the outputs and translates the events.
"""

from edgecnn.devices.static_agent.agent import StaticAgent
from edgecnn.devices.static_agent.program import (
    ENVIRONMENT,
    agent_program,
    is_offered,
    is_wanted,
    static_offer,
)

__all__ = [
    "ENVIRONMENT",
    "StaticAgent",
    "agent_program",
    "is_offered",
    "is_wanted",
    "static_offer",
]
