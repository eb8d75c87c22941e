"""What a user can check by hand in a minute: when a thing slides, tips, gives way and bounces."""

from cousins.probe.condition import FEW, RARE, Conditioned, condition
from cousins.probe.observe import Observation, observation, observations
from cousins.probe.rig import DROP, LOW, PROBES, Outcomes, Samples, draw, samples_of, simulate
from cousins.probe.told import Probed, Told, observe, probe

__all__ = [
    "DROP",
    "FEW",
    "LOW",
    "PROBES",
    "RARE",
    "Conditioned",
    "Observation",
    "Outcomes",
    "Probed",
    "Samples",
    "Told",
    "condition",
    "draw",
    "observation",
    "observations",
    "observe",
    "probe",
    "samples_of",
    "simulate",
]
