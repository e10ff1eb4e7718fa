"""Layers and what they are called."""

import pytest

from apps.strategies.contract.layers import STRICT, Layer


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


def test_layers_keep_their_names_on_the_wire() -> None:
    assert Layer.from_names(STRICT.names) == STRICT
    assert Layer.from_names(["SECCOMP", "MOAT"]) == Layer.SECCOMP


@pytest.mark.parametrize("layer", list(Layer))
def test_every_layer_says_what_is_risked_without_it(layer: Layer) -> None:
    assert layer.risk.startswith(f"Without {layer.words} ")
