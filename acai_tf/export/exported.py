"""Read an exported model."""

import json
import operator

import numpy as np

from acai_tf.config import Config
from acai_tf.data.vocabulary import Vocabulary
from acai_tf.errors import CannotEvaluate, UsageError
from acai_tf.export import ABOUT, FLOAT, SAMPLER, VERSION
from acai_tf.files import expanded
from acai_tf.kinds import IMAGES, TOKENS, kind_of, network_shape
from acai_tf.lazy import tf
from acai_tf.models import samplers
from acai_tf.models.inference import (
    check_images,
    check_indices,
    check_latents,
    check_path,
    check_tokens,
    even_positions,
    in_parts,
)


def read_about(path: str) -> dict:
    """acai_tf.json of an export, with its settings as a `Config` and its shapes as tuples.

    Raises:
        UsageError: it cannot be read, or has another version.
    """
    file = expanded(path) / ABOUT
    try:
        about = json.loads(file.read_text("utf-8"))
        if about["version"] != VERSION:
            raise ValueError(f"version {about['version']}, not {VERSION}")
        for name in ("image_shape", "latent_shape"):
            about[name] = tuple(operator.index(length) for length in about[name])
        if len(about["image_shape"]) not in (1, 2, 3) or min(about["image_shape"]) < 1:
            raise ValueError(f"image_shape {about['image_shape']}")
        about["vocabulary"] = Vocabulary.from_dict(about.get("vocabulary"))
        for name in ("step", "classes"):
            about[name] = operator.index(about.get(name, 0))
        # None: the model was not made from settings.
        about["config"] = about["config"] and Config.from_dict(about["config"])
        about["formats"] = [str(name) for name in about["formats"]]
        about["critic"] = bool(about["critic"])
        return about
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageError(f"{file} cannot be read ({error})") from error


class Exported(samplers.Sampling):
    """A SavedModel that acai_tf wrote, with the inference methods of an `Autoencoder`.

    A SavedModel is a program that TensorFlow runs: only load those you trust. The formats weights
    and keras hold numbers alone.

    Args:
        path: its folder.

    Raises:
        UsageError: it is not such a SavedModel, or is damaged.
    """

    def __init__(self, path: str):
        self.path, self.about = expanded(path), read_about(path)
        self.config, self.classes = self.about["config"], self.about["classes"]
        self.image_shape = self.about["image_shape"]
        self.latent_shape, self.vocabulary = self.about["latent_shape"], self.about["vocabulary"]
        try:
            self._loaded = tf.saved_model.load(str(self.path))
        except Exception as error:  # TensorFlow raises many kinds for a damaged file
            raise UsageError(f"{self.path} is damaged ({error})") from error
        self.sampler = samplers.load(self.path / SAMPLER)

    @property
    def kind(self) -> str:
        """What the model takes: "images", "signals" or "tokens"."""
        return kind_of(self.image_shape, self.vocabulary)

    @property
    def discrete(self) -> bool:
        """Whether images are indices of a codebook, as a VQ-VAE's are."""
        return "decode_indices" in self._loaded.signatures

    @property
    def critic(self) -> bool:
        """Whether the critic was exported."""
        return self.about["critic"]

    def encode(self, images) -> np.ndarray:
        """Images [B, H, W, C] -> codes [B, w, w, latent]."""
        return self._call("encode", "latents", images=images)

    def decode(self, latents) -> np.ndarray:
        """Codes [B, w, w, latent] -> images [B, H, W, C], about [-1, 1]."""
        latents = np.asarray(latents, np.float32)
        check_latents(latents, self.latent_shape)
        return self._call("decode", "images", latents=latents)

    def encode_indices(self, images) -> np.ndarray:
        """Images [B, H, W, C] -> indices of their codes in a VQ-VAE's codebook [B, num_latents]."""
        self._check_discrete()
        return self._call("encode_indices", "indices", images=images)

    def decode_indices(self, indices) -> np.ndarray:
        """Indices of a VQ-VAE's codebook [B, num_latents] -> images [B, H, W, C]."""
        self._check_discrete()
        indices = np.asarray(indices)
        (_, inputs) = self._loaded.signatures["decode_indices"].structured_input_signature
        check_indices(indices, inputs["indices"].shape[1])
        return self._call("decode_indices", "images", indices=indices.astype(np.int32))

    def reconstruct(self, images) -> np.ndarray:
        """Images [B, H, W, C] -> their reconstructions [B, H, W, C]."""
        return self._call("reconstruct", "reconstructions", images=images)

    def interpolate(self, images_0, images_1, steps: int = 16, method: str = "lerp") -> np.ndarray:
        """Images decoded along the path between the codes of images: [steps, B, H, W, C]."""
        return self.interpolate_at(images_0, images_1, even_positions(steps), method)

    def interpolate_at(self, images_0, images_1, t, method: str = "lerp") -> np.ndarray:
        """Images decoded at points t [K] of the path, 0 to 1: [K, B, H, W, C]."""
        name = "interpolate" if method == "lerp" else f"interpolate_{method}"
        check_path(np.asarray(images_0), np.asarray(images_1), t, method)
        t = np.asarray(t, np.float32)
        return self._call(name, "images", images_0=images_0, images_1=images_1, t=t)

    def estimate(self, images) -> np.ndarray:
        """Images [B, H, W, C] -> the critic's estimates of alpha [B]."""
        if not self.critic:
            raise NotImplementedError(f"{self.path} was exported without --critic")
        if self.kind == TOKENS and np.issubdtype(np.asarray(images).dtype, np.integer):
            self._check(images)
            images = self.vocabulary.one_hot(np.asarray(images))
        return self._call("estimate", "alpha", images=images)

    def classify(self, images) -> np.ndarray:
        """Images [B, H, W, C] -> the probe's logits [B, classes]."""
        if self.classes < 2:
            raise CannotEvaluate(f"the model of {self.path} knows no classes")
        return self._call("classify", "logits", images=images)

    def compiled_method(self, name: str, **options):
        """An inference method as a function that takes any number of images in parts."""

        def call(*arrays):
            return getattr(self, name)(*arrays, **options)

        made = network_shape(self.image_shape, self.vocabulary)
        return in_parts(call, self._check, made, name, **options)

    def _check(self, images) -> None:
        if self.kind == TOKENS:
            check_tokens(images, self.image_shape, len(self.vocabulary))
        else:
            check_images(images, self.image_shape)

    def _check_discrete(self) -> None:
        if not self.discrete:
            raise UsageError(f"{self.path} has no codebook, or is to be exported again to have it")

    def _call(self, name: str, output: str, **inputs) -> np.ndarray:
        images = {k: np.asarray(v) for k, v in inputs.items() if k.startswith("images")}
        for value in images.values():
            self._check(value)
        if self.kind == TOKENS:
            kind = np.float32 if name == "estimate" else np.int32
            if any(value.dtype.kind == "f" for value in images.values()) and kind == np.int32:
                raise UsageError(f"{self.path} takes tokens as whole numbers, not probabilities")
            images = {key: value.astype(kind) for key, value in images.items()}
        elif any(value.dtype != np.uint8 for value in images.values()):
            name += FLOAT if self.kind == IMAGES else ""
            for key, value in images.items():
                floats = value.astype(np.float32)
                images[key] = floats * (2 / 255) - 1 if value.dtype == np.uint8 else floats
        tensors = {key: tf.constant(value) for key, value in {**inputs, **images}.items()}
        return self._loaded.signatures[name](**tensors)[output].numpy()
