"""Faithful means equal to the original program's numbers."""

import numpy as np
import pytest

from acai_tf.backend import player_gradients
from acai_tf.models import MODELS
from tests.reference import FOLDER, OBJECTIVES, Golden

FORWARD, GRADIENT = 1e-5, 1e-4  # relative


def assert_near(got, expected, relative, what):
    """Largest difference over the largest magnitude."""
    got, expected = np.asarray(got), np.asarray(expected)
    assert got.shape == expected.shape, f"{what}: shape {got.shape}, expected {expected.shape}"
    error = np.max(np.abs(got - expected)) / np.max(np.abs(expected))
    assert error < relative, f"{what}: relative error {error:.2e}"


@pytest.fixture(params=MODELS)
def golden(request):
    return Golden(request.param)


@pytest.mark.parametrize("name", MODELS)
def test_every_model_has_golden_numbers(name):
    assert (FOLDER / f"{name}.npz").exists()
    assert name in OBJECTIVES


def test_initial_weights_are_all_recorded(golden):
    """No variable of ours is left at its own random value in the tests below."""
    ours = {v.path for v in golden.model().weights}
    assert ours == set(golden.under("init/"))


def test_verbs(golden):
    model = golden.model()
    # The original's VAE encodes to a sample, ours to the mean unless it is given the noise.
    noise = {"epsilon": golden.draws["epsilon"]} if golden.name == "vae" else {}
    codes = model.encode(golden.x, **noise)
    assert_near(codes, golden.arrays["encode"], FORWARD, "encode")
    assert_near(model.decode(codes), golden.arrays["reconstruct"], FORWARD, "reconstruct")
    assert_near(model.decode(golden.arrays["h"]), golden.arrays["decode_h"], FORWARD, "decode")


def test_losses_and_gradients_of_every_player(golden):
    model = golden.model()
    losses, logs, gradients = player_gradients(model, golden.x, golden.label, golden.draws)
    assert set(golden.scalars("loss/")) == set(logs)
    for name, expected in golden.scalars("loss/").items():
        assert float(logs[name]) == pytest.approx(expected, rel=FORWARD), name
    seen = set()
    for index, players in enumerate(OBJECTIVES[golden.name]):
        total = sum(float(losses[player]) for player in players)
        assert total == pytest.approx(float(golden.arrays[f"objective/{index}"]), rel=FORWARD)
        ours = {
            variable.path: gradient
            for player in players
            for variable, gradient in zip(model.players()[player], gradients[player], strict=True)
        }
        expected = golden.under(f"grad/{index}/")
        assert set(ours) == set(expected)
        for path, gradient in expected.items():
            assert_near(ours[path], gradient, GRADIENT, f"gradient {index} of {path}")
        seen |= set(players)
    assert seen == set(losses)


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_weights_after_steps(golden, compiled, monkeypatch):
    model = golden.model()
    monkeypatch.setattr(model, "draws", lambda seed, batch: golden.draws)
    step = model.train_on_batch if compiled else model.step
    gradient = {}
    for index in range(len(OBJECTIVES[golden.name])):
        gradient |= golden.under(f"grad/{index}/")
    batch = {"image": golden.x, "label": golden.label}
    for count in (1, 2, 3):
        step(batch)
        if count != 2:
            # What must agree is the change, so that a step of the wrong size cannot hide
            # behind the size of the weight itself.
            initial, expected = golden.under("init/"), golden.under(f"step{count}/")
            got = {v.path: np.asarray(v) for v in model.weights}
            for path in expected:
                # By the norm: a single weight whose gradient is next to nothing may differ.
                error = np.linalg.norm(got[path] - expected[path])
                assert error < GRADIENT * np.linalg.norm(expected[path]), f"{path} after {count}"
                change, wanted = got[path] - initial[path], expected[path] - initial[path]
                far = np.linalg.norm(change - wanted) / np.linalg.norm(wanted)
                assert far < 0.02, f"{path} changed otherwise after {count}: {far:.1e}"
                if count == 1 and path in gradient:
                    # One by one, but for gradients next to nothing: Adam's first step is
                    # lr g / (|g| + 3e-7), which hangs on g's last bits there.
                    sure = np.abs(gradient[path]) > 1e-5
                    np.testing.assert_allclose(change[sure], wanted[sure], atol=2e-6, err_msg=path)
    _, logs, _ = player_gradients(model, golden.x, golden.label, golden.draws)
    for name, expected in golden.scalars("loss_after_3/").items():
        assert float(logs[name]) == pytest.approx(expected, rel=GRADIENT), name
