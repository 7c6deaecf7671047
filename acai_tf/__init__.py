"""acai_tf: Adversarially Constrained Autoencoder Interpolation in Keras 3, on TensorFlow or JAX.

Models, of any Keras networks:
    Autoencoder(encoder, decoder, bottleneck, reconstruction, corruption, regularizers)
    Baseline, Denoising, Dropout, VAE, AAE, VQVAE, ACAI: the paper's, compositions of these parts
    Deterministic, Gaussian, VectorQuantized, CodeDropout: bottlenecks
    SquaredError, Bernoulli, Categorical: reconstructions
    InterpolationCritic, PriorDiscriminator: regularizers; Regularizer to write one's own

Runs:
    Config(...): the settings of a run; what is not given is as published for the dataset
    train(config), train(dataset="mnist", ...): what train.py does; the model
    load(path): the model of a run folder, of an export, of the original program, or a pretrained
        one by its name: "acai/mnist-d32"
    load_dataset(config), load_dataset(dataset="mnist", ...): its images
    load_original(path): a model of the original program, compiled, with the optimizer's state
    evaluate(run_dir, ...): what evaluate.py does; the scores
    LatentTransformer(...): codes in scikit-learn's pipelines
    register(kind, name, where): a part of one's own by a name
"""

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:  # what editors and type checkers see
    from acai_tf.config import Config as Config
    from acai_tf.data import load_dataset as load_dataset
    from acai_tf.evaluation.run import evaluate_run as evaluate
    from acai_tf.loading import load as load
    from acai_tf.models import register as register
    from acai_tf.models.autoencoder import Autoencoder as Autoencoder
    from acai_tf.models.bottlenecks import Bottleneck as Bottleneck
    from acai_tf.models.bottlenecks import CodeDropout as CodeDropout
    from acai_tf.models.bottlenecks import Deterministic as Deterministic
    from acai_tf.models.bottlenecks import Gaussian as Gaussian
    from acai_tf.models.bottlenecks import VectorQuantized as VectorQuantized
    from acai_tf.models.compositions import AAE as AAE
    from acai_tf.models.compositions import ACAI as ACAI
    from acai_tf.models.compositions import VAE as VAE
    from acai_tf.models.compositions import VQVAE as VQVAE
    from acai_tf.models.compositions import Baseline as Baseline
    from acai_tf.models.compositions import Denoising as Denoising
    from acai_tf.models.compositions import Dropout as Dropout
    from acai_tf.models.corruption import GaussianNoise as GaussianNoise
    from acai_tf.models.reconstruction import Bernoulli as Bernoulli
    from acai_tf.models.reconstruction import Categorical as Categorical
    from acai_tf.models.reconstruction import Reconstruction as Reconstruction
    from acai_tf.models.reconstruction import SquaredError as SquaredError
    from acai_tf.models.regularizers import Forward as Forward
    from acai_tf.models.regularizers import Regularizer as Regularizer
    from acai_tf.models.regularizers import Terms as Terms
    from acai_tf.models.regularizers.interpolation_critic import (
        InterpolationCritic as InterpolationCritic,
    )
    from acai_tf.models.regularizers.prior_discriminator import (
        PriorDiscriminator as PriorDiscriminator,
    )
    from acai_tf.optimizer import PlayerAdam as PlayerAdam
    from acai_tf.original.checkpoint import load as load_original
    from acai_tf.training import train as train
    from acai_tf.transformer import LatentTransformer as LatentTransformer

_PARTS = {
    "autoencoder": ["Autoencoder"],
    "bottlenecks": ["Bottleneck", "CodeDropout", "Deterministic", "Gaussian", "VectorQuantized"],
    "compositions": ["AAE", "ACAI", "VAE", "VQVAE", "Baseline", "Denoising", "Dropout"],
    "corruption": ["GaussianNoise"],
    "reconstruction": ["Bernoulli", "Categorical", "Reconstruction", "SquaredError"],
    "regularizers": ["Forward", "Regularizer", "Terms"],
    "regularizers.interpolation_critic": ["InterpolationCritic"],
    "regularizers.prior_discriminator": ["PriorDiscriminator"],
}
_WHERE = {
    "Config": "acai_tf.config:Config",
    "LatentTransformer": "acai_tf.transformer:LatentTransformer",
    "PlayerAdam": "acai_tf.optimizer:PlayerAdam",
    "evaluate": "acai_tf.evaluation.run:evaluate_run",
    "load": "acai_tf.loading:load",
    "load_dataset": "acai_tf.data:load_dataset",
    "load_original": "acai_tf.original.checkpoint:load",
    "register": "acai_tf.models:register",
    "train": "acai_tf.training:train",
    **{
        name: f"acai_tf.models.{module}:{name}" for module, names in _PARTS.items() for name in names
    },
}
__all__ = list(_WHERE)


def __getattr__(name: str):
    # Imported when asked for: Keras takes seconds to start, and --help does not need it.
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _WHERE[name].split(":")
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
