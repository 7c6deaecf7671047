"""The registries of models, regularizers and networks; from a configuration to a model."""

import inspect
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from acai_tf import registry
from acai_tf.config import Config, changed_settings, specific_settings
from acai_tf.errors import UsageError

if TYPE_CHECKING:
    from acai_tf.models.autoencoder import Autoencoder


class Registered(NamedTuple):
    """A part: where its class is, and the settings of Config that it reads.

    Attributes:
        where: its dotted path.
        reads: a setting's name -> the constructor's argument that it gives.
    """

    where: str
    reads: Mapping[str, str] = MappingProxyType({})


_CRITIC = {"advweight": "weight", "advdepth": "critic", "reg": "gamma"}
_DISCRIMINATOR = {"adversary_lr": "adversary_lr", "disc_layer_sizes": "layer_sizes"}
_CODEBOOK = {"beta": "beta", "z_log_size": "size"}
_CODEBOOK |= {name: name for name in ("num_latents", "zero_debias")}

# Named by module so that the lists are there without importing Keras.
MODELS = {
    "baseline": Registered("acai_tf.models.compositions:Baseline"),
    "denoising": Registered("acai_tf.models.compositions:Denoising", {"noise": "noise"}),
    "dropout": Registered("acai_tf.models.compositions:Dropout", {"dropout": "keep"}),
    "vae": Registered("acai_tf.models.compositions:VAE", {"beta": "beta"}),
    "aae": Registered("acai_tf.models.compositions:AAE", _DISCRIMINATOR),
    "vqvae": Registered("acai_tf.models.compositions:VQVAE", _CODEBOOK),
    "acai": Registered("acai_tf.models.compositions:ACAI", _CRITIC),
}
REGULARIZERS = {
    "interpolation_critic": Registered(
        "acai_tf.models.regularizers.interpolation_critic:InterpolationCritic",
        {**_CRITIC, "advdepth": "network"},
    ),
    "prior_discriminator": Registered(
        "acai_tf.models.regularizers.prior_discriminator:PriorDiscriminator",
        {**_DISCRIMINATOR, "adversary_lr": "learning_rate"},
    ),
}
NETWORKS = {
    "paper": "acai_tf.models.networks:paper",
    "residual": "acai_tf.models.networks:residual",
    "large": "acai_tf.models.networks:large",
}


_KINDS = {"model": MODELS, "regularizer": REGULARIZERS, "networks": NETWORKS}


def register(kind: str, name: str, where: str) -> None:
    """Give a part a name, as those of the package have one: for flags, Config and run folders.

    Args:
        kind: "model", "regularizer", "networks", "dataset" or "evaluator".
        name: what it is called from here on.
        where: its dotted path, "my_package.module:Name" (an evaluator's is that of its module).

    Raises:
        UsageError: an unknown kind, or a name that is taken.

    Example:
        acai_tf.register("regularizer", "small_codes", "my_package.terms:SmallCodes")
    """
    from acai_tf.data import DATASETS, OURS
    from acai_tf.evaluation import EVALUATORS

    kinds = {**_KINDS, "dataset": DATASETS, "evaluator": EVALUATORS}
    if kind not in kinds:
        raise UsageError(f"unknown kind {kind!r}; known: {', '.join(kinds)}")
    if name in kinds[kind] or (kind == "dataset" and name in OURS):
        raise UsageError(f"there is a {kind} {name!r} already")
    kinds[kind][name] = Registered(where) if kind in ("model", "regularizer") else where


def settings_read(model: str, regularizers: str = "") -> dict[str, str]:
    """The settings that only some models read, of those that a model and its regularizers do.

    Args:
        model: a registered name, or a dotted path, which reads none.
        regularizers: the same, with commas between them.

    Returns:
        {setting: constructor's argument}.

    Raises:
        UsageError: one is neither registered nor a dotted path (lists the known ones).
    """
    reads = dict(_reads("model", registry.parse(model).name, MODELS))
    for part in registry.parse_list(regularizers):
        reads |= _reads("regularizer", part.name, REGULARIZERS)
    return reads


def _reads(kind: str, name: str, registered: dict[str, Registered]) -> Mapping[str, str]:
    if name in registered:
        return registered[name].reads
    if ":" not in name:
        registry.find(kind, name, dict.fromkeys(registered, ""))  # says what is known
    return {}


def refuse_unread(model: str, given: set[str], regularizers: str = "") -> None:
    """Refuse settings that a model does not read.

    Args:
        model, regularizers: as `settings_read` takes them.
        given: names of the settings that were given.

    Raises:
        UsageError: an unknown name (lists the known ones), or a setting that is not read.
    """
    reads = settings_read(model, regularizers)
    unread = sorted((given & specific_settings()) - set(reads))
    if unread:
        own = ", ".join(f"--{name}" for name in reads) or "none of its own"
        what = f"{model} with {regularizers}" if regularizers else model
        raise UsageError(
            f"model {what} does not read {', '.join(f'--{name}' for name in unread)}"
            f" (it reads: {own})"
        )


def build_model(config: Config, image_shape: tuple[int, ...], classes: int) -> "Autoencoder":
    """The model that `config` describes, with fresh weights.

    Args:
        config: the run's settings.
        image_shape: (height, width, colors).
        classes: number of classes the probe tells apart; fewer than two: there is no probe.

    Raises:
        UsageError: an unknown part, a setting that is not read, shapes that do not fit.
    """
    refuse_unread(config.model, changed_settings(config), config.regularizers)
    encoder, decoder = build_networks(config, image_shape, config.depth)
    regularizers = [
        _make(config, image_shape, "regularizer", part, REGULARIZERS)
        for part in registry.parse_list(config.regularizers)
    ]
    model = _make(
        config,
        image_shape,
        *("model", registry.parse(config.model), MODELS, encoder, decoder),
        regularizers=regularizers,
        classes=classes if classes > 1 else 0,
        seed=config.seed,
        shared_backward=config.fused,
    )
    model.config = config
    return model


def build_networks(config: Config, image_shape: tuple[int, ...], depth: int) -> tuple:
    """The encoder and the decoder that `config.networks` names.

    A builder is a function of image_shape and of whichever of depth, latent, latent_width and
    fused it names. It must name image_shape: config.json may come from anybody, and should not
    call other functions.
    """
    import keras

    part = registry.parse(config.networks)
    builder = registry.find("networks", part.name, NETWORKS)
    options = {
        "image_shape": image_shape,
        "depth": depth,
        "latent": config.latent,
        "latent_width": config.latent_width,
        "fused": config.fused,
    }
    try:
        takes = inspect.signature(builder).parameters
    except (TypeError, ValueError):  # not a function, or not of Python
        takes = {}
    if "image_shape" not in takes:
        raise UsageError(f"networks {part.name} must be a function of image_shape")
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(config.dtype_policy)
    try:
        named = {name: value for name, value in options.items() if name in takes}
        made = registry.call("networks", part, builder, **named)
    finally:
        keras.config.set_dtype_policy(before)
    if not (isinstance(made, tuple) and len(made) == 2):
        raise UsageError(f"networks {part.name} must give (encoder, decoder)")
    return made


def _make(config: Config, image_shape, kind, part, registered, *arguments, **options):
    """A registered or dotted part, with the settings of `config` that it reads."""
    where = {name: one.where for name, one in registered.items()}
    reads = registered[part.name].reads if part.name in registered else {}
    for setting, argument in reads.items():
        value = getattr(config, setting)
        if setting == "advdepth":
            value = _critic(config, image_shape) if value not in (0, config.depth) else None
        elif setting == "disc_layer_sizes":
            value = config.layer_sizes
        elif setting == "z_log_size":
            value = 2**value
        if value is not None:
            options[argument] = value
    found, base = registry.find(kind, part.name, where), _base(kind)
    # config.json may come from anybody: nothing that it names is called but a part.
    if not (isinstance(found, type) and issubclass(found, base)):
        raise UsageError(f"{kind} {part.name} must be a subclass of acai_tf.{base.__name__}")
    return registry.call(kind, part, found, *arguments, **options)


def _base(kind: str) -> type:
    from acai_tf.models.autoencoder import Autoencoder
    from acai_tf.models.regularizers import Regularizer

    return {"model": Autoencoder, "regularizer": Regularizer}[kind]


def _critic(config: Config, image_shape):
    """A function that makes a critic shaped like the encoder, but --advdepth wide."""
    from acai_tf.models.regularizers.interpolation_critic import like

    return lambda: like(build_networks(config, image_shape, config.advdepth)[0], "critic")
