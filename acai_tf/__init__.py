"""Adversarially Constrained Autoencoder Interpolation (ACAI) in Keras 3, on TensorFlow or JAX.

Models of any Keras networks:
    Autoencoder(encoder, decoder, bottleneck, reconstruction, corruption, regularizers)
    Baseline, Denoising, Dropout, VAE, AAE, VQVAE, ACAI: the paper's models
    LRAE, MIAE, MIDRAE: its successors
    Deterministic, Gaussian, VectorQuantized, CodeDropout: bottlenecks
    SquaredError, Bernoulli, Categorical: reconstructions
    InterpolationCritic, PriorMixes, MMD, PriorDiscriminator, Information, Cycle, PathSmoothness,
        TwoViews: regularizers; subclass Regularizer for your own
    Prior, Mixture, IndexChain: samplers, from which `model.sample(n)` draws new images
    GaussianNoise, DroppedPixels, Blur, Occlusion: corruptions; subclass Corruption for your own

Runs:
    Config(...): settings; the defaults are the published ones for the dataset
    train(config), train(dataset="mnist", ...): train a model in a run folder
    evaluate(run_dir, ...): the scores of a run, an export or a pretrained model
    load(path): the model of one of these
    load_original(path): a model of the original TensorFlow 1 program
    load_dataset(config), load_dataset(dataset="mnist", ...): images and labels
    Vocabulary(tokens): sentences as tokens and back
    LatentTransformer(...): codes in scikit-learn pipelines
    register(kind, name, where): name your own part for flags and Config
"""

import importlib
import os
import sys
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:  # what editors and type checkers see
    from acai_tf.config import Config
    from acai_tf.data import load_dataset
    from acai_tf.data.vocabulary import Vocabulary
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
    from acai_tf.models.compositions import (
        AAE,
        ACAI,
        LRAE,
        MIAE,
        MIDRAE,
        VAE,
        VQVAE,
        Baseline,
        Denoising,
        Dropout,
    )
    from acai_tf.models.corruption import (
        Blur,
        Corruption,
        DroppedPixels,
        GaussianNoise,
        Occlusion,
    )
    from acai_tf.models.optimizer import PlayerAdam
    from acai_tf.models.reconstruction import Bernoulli, Categorical, Reconstruction, SquaredError
    from acai_tf.models.regularizers import Forward, Regularizer, Terms
    from acai_tf.models.regularizers.cycle import Cycle
    from acai_tf.models.regularizers.information import Information
    from acai_tf.models.regularizers.interpolation_critic import InterpolationCritic
    from acai_tf.models.regularizers.mmd import MMD
    from acai_tf.models.regularizers.path_smoothness import PathSmoothness
    from acai_tf.models.regularizers.prior_discriminator import PriorDiscriminator
    from acai_tf.models.regularizers.prior_mixes import PriorMixes
    from acai_tf.models.regularizers.two_views import TwoViews
    from acai_tf.models.samplers import IndexChain, Mixture, Prior, Sampler
    from acai_tf.models.schedule import Schedule
    from acai_tf.models.units import Units
    from acai_tf.original.checkpoint import load as load_original
    from acai_tf.training.train import train
    from acai_tf.training.transformer import LatentTransformer

_MODULES = {
    "config": ["Config"],
    "data": ["load_dataset"],
    "data.vocabulary": ["Vocabulary"],
    "loading": ["load"],
    "models": ["register"],
    "models.autoencoder": ["Autoencoder"],
    "models.bottlenecks": [
        *("Bottleneck", "CodeDropout", "Deterministic", "Gaussian", "VectorQuantized")
    ],
    "models.compositions": [
        *("AAE", "ACAI", "LRAE", "MIAE", "MIDRAE", "VAE", "VQVAE"),
        *("Baseline", "Denoising", "Dropout"),
    ],
    "models.corruption": [*("Blur", "Corruption", "DroppedPixels", "GaussianNoise", "Occlusion")],
    "models.optimizer": ["PlayerAdam"],
    "models.reconstruction": ["Bernoulli", "Categorical", "Reconstruction", "SquaredError"],
    "models.regularizers": ["Forward", "Regularizer", "Terms"],
    "models.regularizers.cycle": ["Cycle"],
    "models.regularizers.information": ["Information"],
    "models.regularizers.interpolation_critic": ["InterpolationCritic"],
    "models.regularizers.mmd": ["MMD"],
    "models.regularizers.path_smoothness": ["PathSmoothness"],
    "models.regularizers.prior_discriminator": ["PriorDiscriminator"],
    "models.regularizers.prior_mixes": ["PriorMixes"],
    "models.regularizers.two_views": ["TwoViews"],
    "models.samplers": ["IndexChain", "Mixture", "Prior", "Sampler"],
    "models.schedule": ["Schedule"],
    "models.units": ["Units"],
    "training.train": ["train"],
    "training.transformer": ["LatentTransformer"],
}
_WHERE = {name: (module, name) for module, names in _MODULES.items() for name in names}
_WHERE["evaluate"] = ("evaluation.run", "evaluate_run")
_WHERE["load_original"] = ("original.checkpoint", "load")
__all__ = list(_WHERE)

# Deprecated: `python -m acai_tf.compare` for `acai-tf compare`, and so on.
_MOVED = ("compare", "data", "explore", "export", "pretrained", "render", "reproduce")
if sys.argv[:1] == ["-m"]:
    _at = len(sys.orig_argv) - len(sys.argv)
    _name = sys.orig_argv[_at].removeprefix("acai_tf.")
    if _name in _MOVED and _name != sys.orig_argv[_at]:
        print(f"python -m acai_tf.{_name} is deprecated; use acai-tf {_name}", file=sys.stderr)
        _words = [*sys.orig_argv[1:_at], "acai_tf", _name, *sys.argv[1:]]
        os.execv(sys.executable, [sys.executable, *_words])


def __getattr__(name: str):
    # Imported when first used: Keras takes seconds to start.
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _WHERE[name]
    return getattr(importlib.import_module(f"acai_tf.{module}"), attribute)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
