"""An exported model, read back."""

import functools
import json

import numpy as np

from acai_tf.config import Config
from acai_tf.errors import CannotEvaluate, UsageError
from acai_tf.export import ABOUT, VERSION
from acai_tf.export.saved_model import FLOAT
from acai_tf.files import expanded
from acai_tf.lazy import tf
from acai_tf.models.inference import (
    check_images,
    check_latents,
    check_path,
    even_positions,
    in_parts,
)


def read_about(path: str) -> dict:
    """acai_tf.json of an export, its settings as a `Config`, its shapes as tuples.

    Raises:
        UsageError: it cannot be read, or is of another version.
    """
    file = expanded(path) / ABOUT
    try:
        about = json.loads(file.read_text("utf-8"))
        if about["version"] != VERSION:
            raise ValueError(f"of version {about['version']}, not {VERSION}")
        height, width, colors = map(_count, about["image_shape"])
        return {
            **about,
            "formats": [str(name) for name in about["formats"]],
            # None: the model was not made from settings.
            "config": about["config"] and Config.from_dict(about["config"]),
            "image_shape": (height, width, colors),
            "latent_shape": tuple(map(_count, about["latent_shape"])),
            "classes": _count(about["classes"], least=0),
            "critic": bool(about["critic"]),
            "step": _count(about.get("step", 0), least=0),
        }
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageError(f"{file} cannot be read ({error})") from error


def _count(value, least: int = 1) -> int:
    """A whole number as it is; raises ValueError where it is none, or too small."""
    if type(value) is not int or value < least:
        raise ValueError(f"{value!r} is no number of anything")
    return value


class Exported:
    """A SavedModel that `acai_tf.export` wrote, with the verbs of an `Autoencoder`.

    A SavedModel is a program: TensorFlow runs what is in it, so take it from those you trust. The
    weights and keras formats are weights alone.

    Args:
        path: its folder.

    Raises:
        UsageError: it is no such SavedModel, or damaged.
    """

    def __init__(self, path: str):
        self.path, self.about = expanded(path), read_about(path)
        self.config, self.classes = self.about["config"], self.about["classes"]
        self.image_shape = self.about["image_shape"]
        self.latent_shape = self.about["latent_shape"]
        try:
            self._loaded = tf.saved_model.load(str(self.path))
        except Exception as error:  # a damaged file makes TensorFlow raise many kinds
            raise UsageError(f"{self.path} is damaged ({error})") from error

    def encode(self, images) -> np.ndarray:
        """Images [B, H, W, C] -> latent maps [B, w, w, latent]."""
        return self._call("encode", "latents", images=images)

    def decode(self, latents) -> np.ndarray:
        """Latent maps [B, w, w, latent] -> images [B, H, W, C], about [-1, 1]."""
        latents = np.asarray(latents, np.float32)
        check_latents(latents, self.latent_shape)
        return self._call("decode", "images", latents=latents)

    def reconstruct(self, images) -> np.ndarray:
        """Images [B, H, W, C] -> their reconstructions [B, H, W, C]."""
        return self._call("reconstruct", "reconstructions", images=images)

    def interpolate(self, images_0, images_1, steps: int = 16, method: str = "lerp") -> np.ndarray:
        """Images decoded along the path between the codes of images: [steps, B, H, W, C]."""
        return self.interpolate_at(images_0, images_1, even_positions(steps), method)

    def interpolate_at(self, images_0, images_1, t, method: str = "lerp") -> np.ndarray:
        """Images decoded at any points t [K] of that path, 0..1: [K, B, H, W, C]."""
        name = "interpolate" if method == "lerp" else f"interpolate_{method}"
        check_path(np.asarray(images_0), np.asarray(images_1), t, method)
        t = np.asarray(t, np.float32)
        return self._call(name, "images", images_0=images_0, images_1=images_1, t=t)

    def estimate(self, images) -> np.ndarray:
        """Images [B, H, W, C] -> the critic's estimates of alpha [B], where it was exported."""
        if not self.about["critic"]:
            raise NotImplementedError(f"{self.path} was exported without --critic")
        return self._call("estimate", "alpha", images=images)

    @property
    def critic(self) -> bool:
        """Whether `estimate` is there."""
        return self.about["critic"]

    def classify(self, images) -> np.ndarray:
        """Images [B, H, W, C] -> the probe's logits [B, classes]."""
        if self.classes < 2:
            raise CannotEvaluate(f"the model of {self.path} knows no classes")
        return self._call("classify", "logits", images=images)

    def compiled_method(self, verb: str, **options):
        """A verb as a function from arrays to arrays: for many images, a part at a time."""

        def call(*arrays):
            return getattr(self, verb)(*arrays, **options)

        check = functools.partial(check_images, image_shape=self.image_shape)
        return in_parts(call, check, self.image_shape, verb, **options)

    def _call(self, name: str, output: str, **inputs) -> np.ndarray:
        inputs = {key: np.asarray(value) for key, value in inputs.items()}
        for key, value in inputs.items():
            if key.startswith("images"):
                check_images(value, self.image_shape)
        images = [value for key, value in inputs.items() if key.startswith("images")]
        if any(image.dtype != np.uint8 for image in images):
            name += FLOAT
            inputs = {key: _to_float(value) for key, value in inputs.items()}
        tensors = {key: tf.constant(value) for key, value in inputs.items()}
        return self._loaded.signatures[name](**tensors)[output].numpy()


def _to_float(array: np.ndarray) -> np.ndarray:
    """As float32; uint8 as the networks take it, in [-1, 1]."""
    return (
        array.astype(np.float32) * (2 / 255) - 1
        if array.dtype == np.uint8
        else array.astype(np.float32)
    )
