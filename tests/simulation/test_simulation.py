"""Two thousand stories, always the same ones: in each all laws hold.

SEAWALL_SIMULATION_STORIES sets another number of them, and `python -m tests.simulation --first N` tells others.
"""

import os

import pytest

from tests.simulation.world import simulate

pytestmark = pytest.mark.source  # what watches picks and reconciles takes the place of methods
STORIES = int(os.environ.get("SEAWALL_SIMULATION_STORIES", "2000"))
CHUNK = 50  # so few that a busy machine tells them long before a test's time is over


@pytest.mark.parametrize("first", range(0, STORIES, CHUNK), ids=lambda first: f"from {first}")
def test_story_of_each_seed_breaks_no_law(first: int) -> None:
    for seed in range(first, min(first + CHUNK, STORIES)):
        simulate(seed)
