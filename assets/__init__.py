"""Data: materials and priors."""
