"""Physical properties: what is known of an object before it is measured, and after.

`moments`: centre of mass and inertia of a shape. `form`, `materials` and `mass`: what shape and
category tell of the mass. `estimate`: all of it for the objects of a scene.
"""

from cousins.physics.moments import Moments, mass_moments, mixed, moments

__all__ = ["Moments", "mass_moments", "mixed", "moments"]
