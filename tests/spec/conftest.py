"""Property tests without a deadline per example: the machine's load is not the code's fault."""

from hypothesis import settings

settings.register_profile("spec", deadline=None)
settings.load_profile("spec")
