"""Settings for every test: the same examples in every run, and no display."""

from hypothesis import settings

# Examples are drawn from the test itself, and a busy machine is no failure.
settings.register_profile("cousins", derandomize=True, deadline=None, print_blob=True)
settings.load_profile("cousins")
