"""What `benchmark train` is measured against takes the same step: it has the golden gradients."""

import numpy as np
import pytest

from acai_tf.models import MODELS
from tests.reference import OBJECTIVES, Golden
from tests.test_golden import GRADIENT, assert_near

torch = pytest.importorskip("torch")


def as_theirs(array):
    """A kernel of ours in PyTorch's order of axes."""
    return array.transpose(3, 2, 0, 1) if array.ndim == 4 else array.T


def channels_second(array):
    return torch.tensor(array.transpose(0, 3, 1, 2) if array.ndim == 4 else array)


def path_of(name):
    """A parameter's path as ours is called; convolutions are PyTorch's to call."""
    *layer, kind = name.split(".")
    return "/".join([*layer, {"weight": "kernel", "bias": "bias"}[kind]])


@pytest.mark.parametrize("name", MODELS)
def test_gradients_are_the_golden_ones(name):
    from benchmarks.pytorch import Rival

    golden = Golden(name)
    rival = Rival(golden.config, golden.shape, 10)
    initial = golden.under("init/")
    with torch.no_grad():
        for key, parameter in rival.named_parameters():
            array = initial.pop(path_of(key))
            parameter.copy_(torch.tensor(as_theirs(array)))
        for key, buffer in rival.named_buffers():
            buffer.copy_(torch.tensor(initial.pop(f"codebook/{key}")))
    assert not initial
    draws = {key: np.asarray(value) for key, value in golden.draws.items()}
    if name == "dropout":
        draws["keep_mask"] = draws["keep_mask"].reshape(-1, *golden.model().latent_shape)
    draws = {key: channels_second(value) for key, value in draws.items()}
    label = torch.tensor(np.asarray(golden.label, np.int64))
    found = rival.gradients(channels_second(np.asarray(golden.x, np.float32)), label, draws)
    names = {id(parameter): path_of(key) for key, parameter in rival.named_parameters()}
    for index, players in enumerate(OBJECTIVES[name]):
        expected = golden.under(f"grad/{index}/")
        for player in players:
            for parameter, gradient in zip(rival.parameters_of[player], found[player], strict=True):
                path = names[id(parameter)]
                wanted = as_theirs(expected.pop(path))
                assert_near(gradient.numpy(), wanted, GRADIENT, f"{player}: {path}")
        assert not expected


@pytest.mark.parametrize("name", MODELS)
def test_it_takes_steps(name):
    from acai_tf.config import Config
    from benchmarks.pytorch import Rival

    torch.manual_seed(0)
    rival = Rival(Config(model=name, depth=4, latent=2, lr=1e-2, z_log_size=4), (16, 16, 3), 10)
    images = torch.randint(0, 256, (8, 16, 16, 3), dtype=torch.uint8)
    label = torch.arange(8)
    before = {key: value.clone() for key, value in rival.named_parameters()}
    rival.step(images, label)
    assert all(not torch.equal(value, before[key]) for key, value in rival.named_parameters())
