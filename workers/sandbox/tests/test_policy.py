"""Layers and what they are called."""

import pytest

from workers.sandbox.policy import Layer


@pytest.mark.parametrize(
    ("layers", "tier", "words"),
    [
        (Layer.LIMITS | Layer.SECCOMP | Layer.LANDLOCK, "strict", "Landlock, seccomp, limits"),
        (Layer.LIMITS | Layer.SECCOMP, "seccomp", "seccomp, limits"),
        (Layer.LIMITS | Layer.LANDLOCK, "process", "Landlock, limits"),
        (Layer.LIMITS, "process", "limits"),
    ],
)
def test_a_tier_says_how_far_the_layers_hold(layers: Layer, tier: str, words: str) -> None:
    assert (layers.tier, layers.words) == (tier, words)
