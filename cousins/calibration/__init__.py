"""Real pushes against simulated ones: what a log tells of an object's mass, friction, damping."""
