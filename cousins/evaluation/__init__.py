"""How good a policy is over a pack's cousins: by how often, how far off, on which axis, and why."""
