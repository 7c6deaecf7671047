"""The registries of models and their parts, and models built from a `Config`."""

import inspect
from typing import TYPE_CHECKING

from acai_tf import registry
from acai_tf.config import Config, changed_settings, specific_settings
from acai_tf.data import DATASETS, OURS
from acai_tf.data.vocabulary import Vocabulary
from acai_tf.errors import UsageError
from acai_tf.evaluation import EVALUATORS
from acai_tf.kinds import SIGNALS, TOKENS, kind_of, network_shape

if TYPE_CHECKING:
    from acai_tf.models.autoencoder import Autoencoder

# Dotted paths, so that the names are known without importing Keras.
MODELS = {
    "baseline": "acai_tf.models.compositions:Baseline",
    "denoising": "acai_tf.models.compositions:Denoising",
    "dropout": "acai_tf.models.compositions:Dropout",
    "vae": "acai_tf.models.compositions:VAE",
    "aae": "acai_tf.models.compositions:AAE",
    "vqvae": "acai_tf.models.compositions:VQVAE",
    "acai": "acai_tf.models.compositions:ACAI",
    "lrae": "acai_tf.models.compositions:LRAE",
    "miae": "acai_tf.models.compositions:MIAE",
    "midrae": "acai_tf.models.compositions:MIDRAE",
}
REGULARIZERS = {
    "interpolation_critic": (
        "acai_tf.models.regularizers.interpolation_critic:InterpolationCritic"
    ),
    "mmd": "acai_tf.models.regularizers.mmd:MMD",
    "prior_mixes": "acai_tf.models.regularizers.prior_mixes:PriorMixes",
    "prior_discriminator": "acai_tf.models.regularizers.prior_discriminator:PriorDiscriminator",
    "information": "acai_tf.models.regularizers.information:Information",
    "cycle": "acai_tf.models.regularizers.cycle:Cycle",
    "two_views": "acai_tf.models.regularizers.two_views:TwoViews",
    "path_smoothness": "acai_tf.models.regularizers.path_smoothness:PathSmoothness",
}
CORRUPTIONS = {
    "gaussian_noise": "acai_tf.models.corruption:GaussianNoise",
    "dropped_pixels": "acai_tf.models.corruption:DroppedPixels",
    "blur": "acai_tf.models.corruption:Blur",
    "occlusion": "acai_tf.models.corruption:Occlusion",
}
NETWORKS = {
    "paper": "acai_tf.models.networks:paper",
    "residual": "acai_tf.models.networks:residual",
    "large": "acai_tf.models.networks:large",
    "recurrent": "acai_tf.models.networks:recurrent",
}
_REGISTRIES = {
    "model": MODELS,
    "regularizer": REGULARIZERS,
    "corruption": CORRUPTIONS,
    "networks": NETWORKS,
}

# {part: {a setting that only some parts read: the constructor's argument}}.
_CODEBOOK = {name: name for name in ("beta", "num_latents", "zero_debias")}
_CRITIC = {"advweight": "weight", "reg": "gamma", "critic_lr": "critic_lr"}
_OWN_CRITIC = {**_CRITIC, "advdepth": "network", "critic_lr": "learning_rate"}
_PRIOR_MIXES = {"advnoise": "noise_weight", "advfake": "fake_weight"}
_READS = {
    "model": {
        "denoising": {"noise": "noise"},
        "dropout": {"dropout": "keep"},
        "vae": {"beta": "beta"},
        "aae": {"adversary_lr": "adversary_lr", "disc_layer_sizes": "layer_sizes"},
        "vqvae": {"z_log_size": "size", **_CODEBOOK},
        "acai": {**_CRITIC, "advdepth": "critic"},
        "lrae": {**_CRITIC, "wgt_mmd": "mmd_weight"},
        "miae": _CRITIC,
        "midrae": {**_CRITIC, "wgt_mmd": "mmd_weight", **_PRIOR_MIXES},
    },
    "regularizer": {
        "interpolation_critic": _OWN_CRITIC,
        "mmd": {"wgt_mmd": "weight"},
        "prior_mixes": {**_OWN_CRITIC, **_PRIOR_MIXES},
        "prior_discriminator": {
            "adversary_lr": "learning_rate",
            "disc_layer_sizes": "layer_sizes",
        },
    },
}


def register(kind: str, name: str, where: str) -> None:
    """Register a custom part under a name for flags, `Config` and run folders.

    Args:
        kind: "model", "regularizer", "corruption", "networks", "dataset" or "evaluator".
        name: the new name.
        where: its dotted path, "my_package.module:Name"; an evaluator's module.

    Raises:
        UsageError: an unknown kind, or a name that is taken.

    Examples:
        >>> acai_tf.register("regularizer", "small_codes", "my_package.terms:SmallCodes")
    """
    kinds = {**_REGISTRIES, "dataset": DATASETS, "evaluator": EVALUATORS}
    if kind not in kinds:
        raise UsageError(f"unknown kind {kind!r}; known: {', '.join(kinds)}")
    if name in kinds[kind] or (kind == "dataset" and name in OURS):
        raise UsageError(f"{kind} {name!r} is already registered")
    kinds[kind][name] = where


def settings_read(model: str, regularizers: str = "") -> dict[str, str]:
    """The settings read by a model and its regularizers, of those that only some models read.

    Both are names as in `Config`; an unknown one raises a UsageError that lists the known ones.
    Returns {setting: constructor's argument}.
    """
    parts = [("model", registry.parse(model))]
    parts += [("regularizer", part) for part in registry.parse_list(regularizers)]
    reads = {}
    for kind, part in parts:
        registry.path(kind, part.name, _REGISTRIES[kind])
        reads |= _READS[kind].get(part.name, {})
    return reads


def refuse_unread(config: Config, given: set[str]) -> None:
    """Raise UsageError if the model that `config` describes does not read a `given` setting."""
    model, regularizers = config.model, config.regularizers
    reads = settings_read(model, regularizers)
    if config.corruption:
        registry.path("corruption", registry.parse(config.corruption).name, CORRUPTIONS)
        if "noise" in reads:
            raise UsageError(
                f"model {model} has a corruption of its own (--noise); use --model=baseline with"
                f" --corruption={config.corruption}"
            )
    unread = sorted((given & specific_settings()) - set(reads))
    if unread:
        what = f"{model} with {regularizers}" if regularizers else model
        raise UsageError(
            f"model {what} does not read {', '.join(f'--{name}' for name in unread)}"
            f" (it reads: {', '.join(f'--{name}' for name in reads) or 'none of its own'})"
        )


def build_model(
    config: Config,
    image_shape: tuple[int, ...],
    classes: int,
    vocabulary: Vocabulary | None = None,
) -> "Autoencoder":
    """Build the model that a `Config` describes, with fresh weights.

    Args:
        config: the run's settings.
        image_shape: (height, width, channels), (length, channels) of signals, or (length,) of
            tokens.
        classes: number of classes of the probe; with fewer than two there is no probe.
        vocabulary: of tokens.

    Raises:
        UsageError: an unknown part, a setting that is not read, or shapes that do not fit.
    """
    # Keras takes seconds to import.
    from acai_tf.models.autoencoder import Autoencoder
    from acai_tf.models.corruption import Corruption
    from acai_tf.models.networks import like
    from acai_tf.models.reconstruction import Categorical
    from acai_tf.models.regularizers import Regularizer
    from acai_tf.models.units import Units

    def argument(setting):
        value = getattr(config, setting)
        if setting == "advdepth":
            if value in (0, config.depth):
                return None
            return lambda: like(build_networks(config, shape, value)[0], "critic")
        if setting == "disc_layer_sizes":
            return config.layer_sizes
        return 2**value if setting == "z_log_size" else value

    def make(kind, base, part, *arguments, **options):
        found = registry.find(kind, part.name, _REGISTRIES[kind])
        # config.json may be anyone's: call nothing that it names but a part.
        if not (isinstance(found, type) and issubclass(found, base)):
            raise UsageError(f"{kind} {part.name} must be a subclass of acai_tf.{base.__name__}")
        for setting, name in _READS.get(kind, {}).get(part.name, {}).items():
            if (value := argument(setting)) is not None:
                options[name] = value
        return registry.call(kind, part, found, *arguments, **options)

    refuse_unread(config, changed_settings(config))
    shape = network_shape(image_shape, vocabulary)
    encoder, decoder = build_networks(config, shape, config.depth)
    parts = registry.parse_list(config.regularizers)
    options = {}  # without a corruption, the model's own
    kind = kind_of(image_shape, vocabulary)
    if kind == SIGNALS:
        options["units"] = Units(image_shape[-1])
    elif kind == TOKENS:
        found = registry.find("model", registry.parse(config.model).name, MODELS)
        options["reconstruction"] = Categorical(vocabulary, getattr(found, "likelihood", False))
    if config.corruption:
        part = registry.parse(config.corruption)
        options["corruption"] = make("corruption", Corruption, part)
    model = make(
        "model",
        Autoencoder,
        registry.parse(config.model),
        encoder,
        decoder,
        regularizers=[make("regularizer", Regularizer, part) for part in parts],
        classes=classes if classes > 1 else 0,
        seed=config.seed,
        shared_backward=config.fused,
        **options,
    )
    model.config = config
    return model


def build_networks(config: Config, image_shape: tuple[int, ...], depth: int) -> tuple:
    """The encoder and the decoder that `config.networks` names.

    A builder is a function of image_shape and any of depth, latent, latent_width, fused and
    initializer. It must take image_shape: config.json may be anyone's, and must not call other
    functions.
    """
    import keras  # takes seconds

    part = registry.parse(config.networks)
    builder = registry.find("networks", part.name, NETWORKS)
    try:
        takes = inspect.signature(builder).parameters
    except (TypeError, ValueError):  # not a function, or not a Python function
        takes = {}
    if "image_shape" not in takes:
        raise UsageError(f"networks {part.name} must be a function of image_shape")
    if config.initializer != "published" and "initializer" not in takes:
        raise UsageError(f"networks {part.name} do not read --initializer")
    names = ("latent", "latent_width", "fused", "initializer")
    options = {"image_shape": image_shape, "depth": depth}
    options |= {name: getattr(config, name) for name in names}
    options = {name: value for name, value in options.items() if name in takes}
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(config.dtype_policy)
    try:
        made = registry.call("networks", part, builder, **options)
    finally:
        keras.config.set_dtype_policy(policy)
    if not (isinstance(made, tuple) and len(made) == 2):
        raise UsageError(f"networks {part.name} must return (encoder, decoder)")
    return made
