"""A run folder's name in the original program: its model, settings and dataset."""

import pathlib
import re
from typing import NamedTuple

from acai_tf.config import setting_kinds
from acai_tf.data import canonical_name
from acai_tf.errors import UsageError
from acai_tf.files import expanded

SIZE = 32  # of all images that the original trained on


class OriginalClass(NamedTuple):
    """A model of the original: what it is called here, its own settings, its two scopes."""

    model: str
    settings: tuple[str, ...] = ()
    encoder: str = "ae_enc"
    decoder: str = "ae_dec"


CLASSES = {
    "AEBaseline": OriginalClass("baseline", (), "ae_encoder", "ae_decoder"),
    "AEDenoising": OriginalClass("denoising", ("noise",), "ae_encoder", "ae_decoder"),
    "AEDropout": OriginalClass("dropout", ("dropout",), "ae_encoder", "ae_decoder"),
    "VAE": OriginalClass("vae", ("beta",)),
    "AAE": OriginalClass("aae", ("adversary_lr", "disc_layer_sizes")),
    "AEVQVAE": OriginalClass(
        "vqvae", ("beta", "num_latents", "z_log_size"), "ae_encoder", "vqvae/ae_decoder"
    ),
    "ACAI": OriginalClass("acai", ("advdepth", "advweight", "reg")),
}


def settings_as_words(path: str | pathlib.Path) -> list[str]:
    """What a run folder's name says, as words of a command line for train.py.

    Raises:
        UsageError: it is not called as the original called its folders.
    """
    _, settings = parse(path)
    settings["latent_width"] = SIZE >> settings.pop("scales")
    dataset = dataset_of(path)
    return [
        *([f"--dataset={dataset}"] if dataset else []),
        *(f"--{name}={value}" for name, value in settings.items()),
    ]


def dataset_of(path: str | pathlib.Path) -> str | None:
    """The dataset of a run folder, which lies in a folder of the dataset's name; None: unknown."""
    try:
        return canonical_name(absolute(path).parent.name)
    except UsageError:
        return None


def parse(path: str | pathlib.Path) -> tuple[OriginalClass, dict]:
    """The class of a run folder's model and its settings, `model` and `scales` among them.

    Raises:
        UsageError: it is not called as the original called its folders.
    """
    class_name, _, rest = absolute(path).name.partition("_")
    original = CLASSES.get(class_name)
    if original:
        names = sorted(("depth", "latent", "scales", *original.settings))
        match = re.fullmatch("_".join(f"{n}(?P<{n}>[^_]+)" for n in names), rest)
        kinds = {**setting_kinds(), "scales": int}
        try:
            values = {n: kinds[n](match[n]) for n in names}
            if min(values["depth"], values["latent"]) > 0 and SIZE >> values["scales"] > 0:
                return original, {"model": original.model, **values}
        except (TypeError, ValueError):  # no match, or not of its kind
            pass
    raise UsageError(
        f"{path} is not a run folder of the original program: those are called <class>_<settings>,"
        f" as VAE_beta1.0_depth16_latent2_scales3, with <class> one of {', '.join(CLASSES)}"
    )


def absolute(path: str | pathlib.Path) -> pathlib.Path:
    """The path from the root on, a `~` at its head expanded."""
    return expanded(path).absolute()
