"""Pictures alone: which to take, where they were taken from, how large the world is, and its depth.

`capture.captured(photos, settings, work)` is all of it: `pick.Pick` chooses pictures, `solve.Solve`
finds their poses by structure from motion, `scale.scaled` gives them metres, and a `Dense` backend
(`stereo.Stereo`, or nerfstudio) their depth.
"""
