"""The PyTorch reference of the benchmarks has the golden gradients."""

import numpy as np
import pytest

from benchmarks.timing import MODELS
from tests.reference import OBJECTIVES, Golden
from tests.test_golden import GRADIENT, assert_near

torch = pytest.importorskip("torch")


def transposed(array):
    """A kernel in PyTorch's order of axes."""
    return array.transpose(3, 2, 0, 1) if array.ndim == 4 else array.T


def channels_second(array):
    return torch.tensor(array.transpose(0, 3, 1, 2) if array.ndim == 4 else array)


def path_of(name):
    """Our path of a PyTorch parameter."""
    *layer, kind = name.split(".")
    return "/".join([*layer, {"weight": "kernel", "bias": "bias"}[kind]])


@pytest.mark.parametrize("name", MODELS)
def test_gradients_are_the_golden_ones(name):
    from benchmarks.pytorch import Reference

    golden = Golden(name)
    reference = Reference(golden.config, golden.shape, 10)
    initial = golden.under("init/")
    with torch.no_grad():
        for key, parameter in reference.named_parameters():
            array = initial.pop(path_of(key))
            parameter.copy_(torch.tensor(transposed(array)))
        for key, buffer in reference.named_buffers():
            buffer.copy_(torch.tensor(initial.pop(f"codebook/{key}")))
    assert not initial
    noise = {key: np.asarray(value) for key, value in golden.draws.items()}
    if name == "dropout":
        noise["keep_mask"] = noise["keep_mask"].reshape(-1, *golden.model().latent_shape)
    noise = {key: channels_second(value) for key, value in noise.items()}
    label = torch.tensor(np.asarray(golden.label, np.int64))
    found = reference.gradients(channels_second(np.asarray(golden.x, np.float32)), label, noise)
    names = {id(parameter): path_of(key) for key, parameter in reference.named_parameters()}
    for index, players in enumerate(OBJECTIVES[name]):
        expected = golden.under(f"grad/{index}/")
        for player in players:
            for parameter, gradient in zip(
                reference.parameters_of[player], found[player], strict=True
            ):
                path = names[id(parameter)]
                wanted = transposed(expected.pop(path))
                assert_near(gradient.numpy(), wanted, GRADIENT, f"{player}: {path}")
        assert not expected


@pytest.mark.parametrize("name", MODELS)
def test_it_takes_steps(name):
    from acai_tf.config import Config
    from benchmarks.pytorch import Reference

    torch.manual_seed(0)
    reference = Reference(
        Config(model=name, depth=4, latent=2, lr=1e-2, z_log_size=4), (16, 16, 3), 10
    )
    images = torch.randint(0, 256, (8, 16, 16, 3), dtype=torch.uint8)
    label = torch.arange(8)
    before = {key: value.clone() for key, value in reference.named_parameters()}
    reference.step(images, label)
    assert all(not torch.equal(value, before[key]) for key, value in reference.named_parameters())
