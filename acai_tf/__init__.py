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
import os
import sys
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:  # what editors and type checkers see
    from acai_tf.config import Config
    from acai_tf.data import load_dataset
    from acai_tf.evaluation.run import evaluate_run as evaluate
    from acai_tf.loading import load
    from acai_tf.models import register
    from acai_tf.models.autoencoder import Autoencoder
    from acai_tf.models.bottlenecks import (
        Bottleneck,
        CodeDropout,
        Deterministic,
        Gaussian,
        VectorQuantized,
    )
    from acai_tf.models.compositions import AAE, ACAI, VAE, VQVAE, Baseline, Denoising, Dropout
    from acai_tf.models.corruption import GaussianNoise
    from acai_tf.models.optimizer import PlayerAdam
    from acai_tf.models.reconstruction import Bernoulli, Categorical, Reconstruction, SquaredError
    from acai_tf.models.regularizers import Forward, Regularizer, Terms
    from acai_tf.models.regularizers.interpolation_critic import InterpolationCritic
    from acai_tf.models.regularizers.prior_discriminator import PriorDiscriminator
    from acai_tf.original.checkpoint import load as load_original
    from acai_tf.training.train import train
    from acai_tf.training.transformer import LatentTransformer

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
    "LatentTransformer": "acai_tf.training.transformer:LatentTransformer",
    "PlayerAdam": "acai_tf.models.optimizer:PlayerAdam",
    "evaluate": "acai_tf.evaluation.run:evaluate_run",
    "load": "acai_tf.loading:load",
    "load_dataset": "acai_tf.data:load_dataset",
    "load_original": "acai_tf.original.checkpoint:load",
    "register": "acai_tf.models:register",
    "train": "acai_tf.training.train:train",
    **{one: f"acai_tf.models.{module}:{one}" for module, names in _PARTS.items() for one in names},
}
__all__ = list(_WHERE)
_MOVED = ("compare", "data", "explore", "export", "pretrained", "render", "reproduce")

# Deprecated: `acai-tf compare` for `acai-tf compare`, and so on.
if sys.argv[:1] == ["-m"]:
    _given = sys.orig_argv[-len(sys.argv)]
    if _given.startswith("acai_tf.") and _given[8:] in _MOVED:
        print(f"python -m {_given} is deprecated; use acai-tf {_given[8:]}", file=sys.stderr)
        _at = len(sys.orig_argv) - len(sys.argv)
        _words = [*sys.orig_argv[1:_at], "acai_tf", _given[8:], *sys.argv[1:]]
        os.execv(sys.executable, [sys.executable, *_words])


def __getattr__(name: str):
    # Imported when asked for: Keras takes seconds to start, and --help does not need it.
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _WHERE[name].split(":")
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
