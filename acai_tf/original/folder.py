"""Names of the original program's run folders: model, settings and dataset."""

import pathlib
import re
from typing import NamedTuple

from acai_tf.config import setting_kinds
from acai_tf.data import canonical_name
from acai_tf.errors import UsageError
from acai_tf.files import expanded

SIZE = 32  # of all images that the original trains on


class OriginalClass(NamedTuple):
    """A model of the original: its name here, its own settings, its two variable scopes, and
    settings that its folders' names have but the model does not read."""

    model: str
    settings: tuple[str, ...] = ()
    encoder: str = "ae_enc"
    decoder: str = "ae_dec"
    unread: tuple[str, ...] = ()


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
    # Of the program that continued it (IJCAI 2019).
    "LRAE": OriginalClass("lrae", ("advweight", "reg", "wgt_mmd"), unread=("advdepth",)),
    "MIAE": OriginalClass("miae", ("advweight", "reg"), unread=("advdepth",)),
    "MIDRAE": OriginalClass(
        "midrae", ("advfake", "advnoise", "advweight", "reg", "wgt_mmd"), unread=("advdepth",)
    ),
}
_VALUES = {int: r"\d+", float: r"\d+\.?\d*(?:e-?\d+)?", str: r"[^_]+"}


def parse(path: str | pathlib.Path) -> tuple[OriginalClass, dict]:
    """The class of a run's model and its settings, `model` and `scales` among them.

    Raises:
        UsageError: the folder is not named as the original names its folders.
    """
    class_name, _, rest = absolute(path).name.partition("_")
    if original := CLASSES.get(class_name):
        kinds = {"scales": int, **setting_kinds()}
        names = sorted(("depth", "latent", "scales", *original.settings, *original.unread))
        if match := re.fullmatch("_".join(f"{n}({_VALUES[kinds[n]]})" for n in names), rest):
            values = {n: kinds[n](text) for n, text in zip(names, match.groups(), strict=True)}
            values = {n: value for n, value in values.items() if n not in original.unread}
            if values["depth"] and values["latent"] and SIZE >> values["scales"]:
                return original, {"model": original.model, **values}
    raise UsageError(
        f"{path} is not a run folder of the original program, <class>_<settings>: for example"
        f" VAE_beta1.0_depth16_latent2_scales3, with <class> one of {', '.join(CLASSES)}"
    )


def settings_as_words(path: str | pathlib.Path) -> list[str]:
    """The flags of train.py that a run folder's name stands for; raises as `parse`."""
    _, settings = parse(path)
    settings["latent_width"] = SIZE >> settings.pop("scales")
    if dataset := dataset_of(path):
        settings["dataset"] = dataset
    return [f"--{name}={value}" for name, value in settings.items()]


def dataset_of(path: str | pathlib.Path) -> str | None:
    """The dataset of a run folder, which is the name of its parent folder; None: unknown."""
    try:
        return canonical_name(absolute(path).parent.name)
    except UsageError:
        return None


def absolute(path: str | pathlib.Path) -> pathlib.Path:
    """The absolute path, with ~ expanded."""
    return expanded(path).absolute()
