"""Scans of real places, as families of simulated cousins to learn in."""

__version__ = "0.1.0"
