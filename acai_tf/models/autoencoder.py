"""The autoencoder: an encoder, a bottleneck, a decoder, and regularizers.

A *player* is a loss and the variables that it alone updates: the autoencoder, the probe, and
each regularizer with weights. A training step runs one forward pass, takes every player's
gradient at the same weights, and updates all players together, as the original's simultaneous
optimizers did. Adam works element by element, so one optimizer over all variables equals the
original's one per player.
"""

import functools
import math
from collections.abc import Callable, Sequence

import keras
import numpy as np
from keras import layers, ops

from acai_tf import backend
from acai_tf.errors import UsageError
from acai_tf.kinds import kind_of
from acai_tf.models import interpolation, losses, networks, shared_pass
from acai_tf.models.bottlenecks import Bottleneck, Deterministic
from acai_tf.models.inference import (
    check_indices,
    check_latents,
    check_path,
    even_positions,
    in_parts,
)
from acai_tf.models.noise import StepSeed
from acai_tf.models.optimizer import adam
from acai_tf.models.reconstruction import Reconstruction, SquaredError
from acai_tf.models.regularizers import Forward, Regularizer
from acai_tf.models.samplers import Sampling
from acai_tf.models.units import Units

_PARTS = ("encoder", "decoder", "bottleneck", "reconstruction", "corruption", "units")


@keras.saving.register_keras_serializable("acai_tf")
class Autoencoder(Sampling, keras.Model):
    """An autoencoder made of any Keras networks.

    Images are uint8, or float in [-1, 1]; signals are floats; tokens, with `Categorical`, are
    integers [B, T], and decoded to probabilities [B, T, V]. `fit` takes images, (images, labels),
    or a tf.data.Dataset of either. Losses and metrics follow from the parts.

    Args:
        encoder: x [B, H, W, C] -> h [B, ...].
        decoder: [B, ...], of h's shape -> y, of x's shape.
        bottleneck: from h to the code; None for `Deterministic`, the code is h.
        reconstruction: what y means, and the loss; None for `SquaredError`.
        corruption: a Keras layer that the encoder's input passes in training.
        units: the scale of inputs that are not images, `acai_tf.Units`; None: they are in [-1, 1].
        regularizers: terms added to the loss. Those with weights are players.
        classes: number of classes that a linear probe on the code learns to classify; 0 for no
            probe, and no labels.
        seed: of the noise of training steps, an integer in [0, 2**32).
        shared_backward: take all players' gradients in one backward pass if every regularizer
            supports it. The gradients are the same, with less arithmetic.
        options: as for `keras.Model`.

    Raises:
        UsageError: shapes or names of the parts that do not fit.

    Examples:
        >>> encoder = keras.Sequential([
        ...     keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(6)])
        >>> decoder = keras.Sequential([
        ...     keras.Input((6,)), keras.layers.Dense(64), keras.layers.Reshape((8, 8, 1))])
        >>> model = acai_tf.Autoencoder(
        ...     encoder, decoder, regularizers=[acai_tf.InterpolationCritic(weight=0.5)])
        >>> model.compile(optimizer=keras.optimizers.Adam(1e-3))
        >>> history = model.fit(images, batch_size=8, epochs=2, verbose=0)
        >>> tuple(model.interpolate(images[:2], images[2:4], steps=5).shape)
        (5, 2, 8, 8, 1)
    """

    log_names: tuple[str, ...] = ()  # of `extra_logs`
    likelihood = False  # whether the reconstruction must be a likelihood, summed over elements
    config = None  # the `Config` that `build_model` made the model from

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        bottleneck: Bottleneck | None = None,
        reconstruction: Reconstruction | None = None,
        corruption: layers.Layer | None = None,
        units: Units | None = None,
        regularizers: Sequence[Regularizer] = (),
        classes: int = 0,
        seed: int = 0,
        shared_backward: bool = True,
        **options,
    ):
        super().__init__(**options)
        self.encoder, self.decoder = encoder, decoder
        self.bottleneck = bottleneck or Deterministic()
        self.reconstruction = reconstruction or SquaredError()
        self.corruption, self.units = corruption, units
        self.regularizers = list(regularizers)
        self.classes, self.seed, self.shared_backward = classes, seed, shared_backward
        self.average = None  # of the weights: an `Average`
        self.rollbacks = 0  # to earlier checkpoints, after a loss that was not finite

        self.network_shape = networks.input_shape(encoder, "encoder")
        self.image_shape = self.reconstruction.input_shape(self.network_shape)
        self.latent_shape = encoder.output_shape[1:]
        self.code_size = math.prod(self.latent_shape)
        taken, made = networks.input_shape(decoder, "decoder"), decoder.output_shape[1:]
        networks.check_shape("decoder's input", taken, self.latent_shape)
        expected = self.reconstruction.output_shape(self.image_shape)
        networks.check_shape("decoder's output", made, expected)
        self.probe = networks.probe(self.latent_shape, classes) if classes else None
        self.bottleneck.attach(self.latent_shape)
        for regularizer in self.regularizers:
            regularizer.attach(self)
            if self.shares_backward:
                shared_pass.check_unmixed(regularizer)

        parts = [self.reconstruction, self.bottleneck, *self.regularizers, self]
        names = [name for part in parts for name in part.log_names]
        names += ["loss_probe", "probe_accuracy"] if classes else []
        _check_unique("regularizers", [regularizer.name for regularizer in self.regularizers])
        _check_unique("logged values", names)
        _check_unique("variables", [variable.path for variable in self.weights])
        self.trackers = {name: keras.metrics.Mean(name=name) for name in names}
        self._compiled_methods = {}
        self.built = True  # all networks are

    # Inference methods. Images [B, H, W, C] are uint8, or float in [-1, 1]; results are float32.

    def encode(self, images, **noise):
        """Images [B, H, W, C] -> codes [B, ...]; with `epsilon`, samples of a Gaussian's."""
        return self.bottleneck.code(self.encoder(self._prepared(images)), **noise)

    def decode(self, latents):
        """Codes [B, ...] -> images [B, H, W, C], about [-1, 1]."""
        check_latents(latents, self.latent_shape)
        return self._restored(self.decoder(self.bottleneck.latent(latents)))

    @property
    def vocabulary(self):
        """The `acai_tf.Vocabulary` of a model of tokens; None for others."""
        return self.reconstruction.vocabulary

    @property
    def kind(self) -> str:
        """What the model takes: "images", "signals" or "tokens"."""
        return kind_of(self.image_shape, self.vocabulary)

    @property
    def discrete(self) -> bool:
        """Whether images are indices of a codebook, as a VQ-VAE's are."""
        return hasattr(self.bottleneck, "indices")

    def encode_indices(self, images):
        """Images [B, H, W, C] -> indices of their codes in a VQ-VAE's codebook [B, num_latents]."""
        if not self.discrete:
            raise UsageError("the model has no codebook")
        return self.bottleneck.indices(self.encode(images))

    def decode_indices(self, indices):
        """Indices of a VQ-VAE's codebook [B, num_latents] -> images [B, H, W, C]."""
        if not self.discrete:
            raise UsageError("the model has no codebook")
        check_indices(indices, self.bottleneck.num_latents, self.bottleneck.size)
        return self._restored(self.decoder(self.bottleneck.from_indices(indices)))

    def reconstruct(self, images):
        """Images [B, H, W, C] -> their reconstructions [B, H, W, C]."""
        return self.decode(self.encode(images))

    def interpolate(self, images_0, images_1, steps: int = 16, method: str = "lerp"):
        """Decode evenly spaced points of the paths between the codes of two batches of images.

        Args:
            images_0, images_1: [B, H, W, C].
            steps: points on each path, both ends included; at least 2.
            method: "lerp" or "slerp".

        Returns:
            Images [steps, B, H, W, C].
        """
        return self.interpolate_at(images_0, images_1, even_positions(steps), method)

    def interpolate_at(self, images_0, images_1, t, method: str = "lerp"):
        """Decode given points of those paths.

        Args:
            images_0, images_1: [B, H, W, C].
            t: positions [K]; 0 is images_0, 1 is images_1.
            method: "lerp" or "slerp".

        Returns:
            Images [K, B, H, W, C].
        """
        check_path(images_0, images_1, t, method)
        path = interpolation.PATHS[method](self.encode(images_0), self.encode(images_1), t)
        flat = self.decode(ops.reshape(path, (-1, *self.latent_shape)))
        return ops.reshape(flat, (*ops.shape(path)[:2], *flat.shape[1:]))

    def classify(self, images):
        """Images [B, H, W, C] -> the probe's logits [B, classes]."""
        if not self.classes:
            raise UsageError("the model has no probe: it was made without classes")
        return self.probe(self.bottleneck.probed(self.encoder(self._prepared(images))))

    @property
    def critic(self) -> Regularizer | None:
        """The first regularizer that estimates mixing coefficients."""
        return next((r for r in self.regularizers if hasattr(r, "estimate")), None)

    def estimate(self, images):
        """Images [B, H, W, C] -> the critic's estimates of alpha [B]; 0 for real images."""
        if self.critic is None:
            raise UsageError("the model has no critic")
        return self.critic.estimate(self.reconstruction.target(self._prepared(images)))

    def call(self, images, training=None):
        return self.reconstruct(images)

    def compiled_method(self, name: str, **options) -> Callable:
        """An inference method as a compiled function from NumPy arrays to a NumPy array.

        It takes any number of images at constant memory, and is made once for each set of options.

        Args:
            name: the method's name, "encode" for example.
            options: its arguments that are not arrays.
        """
        key = (name, *sorted(options.items()))
        if key not in self._compiled_methods:
            check = functools.partial(self.reconstruction.check, shape=self.image_shape)
            # A partial for each method: TensorFlow identifies functions by their code, and would
            # retrace one function shared by all methods.
            call = functools.partial(getattr(self, name), **options)
            function = backend.compiled(self, call)
            made = self.reconstruction.output_shape(self.image_shape)
            self._compiled_methods[key] = in_parts(function, check, made, name, **options)
        return self._compiled_methods[key]

    def _prepared(self, images):
        """Images as the networks take them; UsageError if they do not fit the model."""
        self.reconstruction.check(images, self.image_shape)
        return self._scaled(images)

    def _scaled(self, images):
        x = self.reconstruction.prepare(images)
        return x if self.units is None else self.units.scaled(x)

    def _restored(self, y):
        """The decoder's output as images, in their units."""
        images = self.reconstruction.image(y)
        return images if self.units is None else self.units.restored(images)

    # Players.

    def players(self) -> dict[str, list]:
        """{player: the variables that its loss updates}."""
        own = {"probe": self.probe, **{r.name: r for r in self.regularizers if r.own_player}}
        parts = [self.encoder, self.decoder, self.bottleneck]
        parts += [r for r in self.regularizers if not r.own_player]
        return {
            "autoencoder": [v for part in parts for v in part.trainable_variables],
            **{n: p.trainable_variables for n, p in own.items() if p and p.trainable_variables},
        }

    def learning_rates(self) -> dict[str, float | None]:
        """{player: its own learning rate; None for the optimizer's}."""
        own = {regularizer.name: regularizer.learning_rate for regularizer in self.regularizers}
        return {player: own.get(player) for player in self.players()}

    @property
    def shares_backward(self) -> bool:
        """Whether one backward pass serves all players (see `shared_pass`)."""
        # A subclass with its own `objectives` may not use `discriminate`.
        ours = type(self).objectives is Autoencoder.objectives
        players = [r for r in self.regularizers if r.own_player and r.trainable_variables]
        able = (r.shares_backward for r in players)
        return self.shared_backward and ours and all(able)

    def backward_passes(self) -> list[list[str]]:
        """The players of each backward pass; it takes the gradient of the sum of their losses."""
        players = list(self.players())
        return [players] if self.shares_backward else [[player] for player in players]

    # Training.

    @property
    def current_seed(self) -> int:
        """The seed of batches and noise; it changes with every rollback."""
        return (self.seed + self.rollbacks * 0x9E3779B9) % 2**32

    def noise(self, seed: StepSeed, batch) -> dict[str, dict]:
        """The random numbers of one step, {part: {name: tensor [batch, ...]}}."""
        noise = {}
        if hasattr(self.corruption, "noise"):
            noise["corruption"] = self.corruption.noise(seed, (batch, *self.network_shape))
        noise["bottleneck"] = self.bottleneck.noise(seed, batch)
        return noise | {r.name: r.noise(seed, batch) for r in self.regularizers}

    def objectives(self, x, label, noise: dict[str, dict]) -> tuple[dict, dict]:
        """The losses of one step, from one forward pass.

        Args:
            x: images as `Reconstruction.prepare` returns them.
            label: class indices [B]; None if there is no probe.
            noise: what `noise` returns.

        Returns:
            ({player: its loss}, {name: scalar to log}).
        """
        h = self.encoder(self._corrupted(x, noise), training=True)
        passed = self.bottleneck.train(h, noise["bottleneck"])
        y = self.decoder(passed.latent, training=True)
        loss = self.reconstruction.loss(x, y)
        losses_of = {"autoencoder": loss + passed.loss}
        logs = {**self.reconstruction.logs(loss), **passed.logs}
        if self.probe is not None:
            probed = passed.probed
            if self.corruption is not None:  # the probe sees the clean image
                probed = self.bottleneck.probed(self.encoder(x, training=True))
            logits = self.probe(ops.stop_gradient(probed))  # codes do not learn from the probe
            losses_of["probe"] = losses.cross_entropy(logits=logits, label=label)
            logs["loss_probe"] = losses_of["probe"]
        if self.regularizers:
            forward = self._forward(x, h, y, noise["bottleneck"])
        for regularizer in self.regularizers:
            terms = regularizer.terms(forward, noise[regularizer.name])
            losses_of["autoencoder"] += terms.autoencoder
            if terms.adversary is not None:
                losses_of[regularizer.name] = terms.adversary
            logs |= terms.logs
        if passed.update:
            passed.update()
        return losses_of, {**logs, **self.extra_logs(logs)}

    def extra_logs(self, logs: dict) -> dict:
        """{name in log_names: scalar}, computed from the logs of the parts."""
        return {}

    def _corrupted(self, x, noise):
        if self.corruption is None:
            return x
        if "corruption" in noise:
            return self.corruption(x, noise["corruption"])
        return self.corruption(x, training=True)

    def _forward(self, x, h, y, noise) -> Forward:
        code, image = self.bottleneck.code(h), self.reconstruction.image

        def decode(code):
            return image(self.decoder(self.bottleneck.latent(code, noise), training=True))

        def encode(images):
            return self.bottleneck.code(self.encoder(images, training=True))

        return Forward(
            x=self.reconstruction.target(x),
            code=code,
            x_hat=decode(code) if self.bottleneck.samples else image(y),
            decode=decode,
            encode=encode,
            discriminate=self.discriminate,
            scale=self.reconstruction.scale(self.image_shape),
        )

    def discriminate(self, network, x) -> tuple:
        """A regularizer's network(x), for its own loss and for the autoencoder's.

        Both are the same numbers; they are different tensors if one backward pass serves both
        players (see `shared_pass.discriminate`).
        """
        if self.shares_backward:
            return shared_pass.discriminate(network, x)
        y = network(x)
        return y, y

    def step(self, data) -> dict:
        """Update all players simultaneously on one batch.

        Args:
            data: images, (images, labels), or {"image", "label"}. Each replica gets its share, as
                `backend.rows` divides a batch.

        Returns:
            {name: mean since the metrics were reset}.
        """
        images, label = self._unpacked(data)
        x = self._scaled(images)
        seed = StepSeed(self.current_seed, self.optimizer.iterations)
        noise = backend.share(self.noise(seed, backend.replicas() * ops.shape(x)[0]))
        _, logs, gradients = backend.player_gradients(self, x, label, noise)
        gradient_of = {
            id(variable): gradient
            for player, variables in self.players().items()
            for variable, gradient in zip(variables, gradients[player], strict=True)
        }
        variables = self.trainable_variables
        self.optimizer.apply([gradient_of[id(variable)] for variable in variables], variables)
        if self.average:
            self.average.update()
        return self._track(logs)

    def measure(self, data) -> dict:
        """Reconstruction loss and probe on one batch, without noise; as `step`, without updates."""
        images, label = self._unpacked(data)
        x = self._scaled(images)
        h = self.encoder(x, training=False)
        y = self.decoder(self.bottleneck(h), training=False)
        logs = self.reconstruction.logs(self.reconstruction.loss(x, y))
        if self.probe is not None:
            logits = self.probe(self.bottleneck.probed(h))
            logs["loss_probe"] = losses.cross_entropy(logits=logits, label=label)
            right = ops.cast(ops.argmax(logits, axis=-1), "int32") == ops.cast(label, "int32")
            logs["probe_accuracy"] = ops.mean(ops.cast(right, "float32"))
        return self._track(logs, ops.shape(x)[0])  # the last batch may be smaller

    def _track(self, logs, weight=None) -> dict:
        for name, value in backend.mean_over_replicas(logs).items():
            self.trackers[name].update_state(value, weight)
        return {name: self.trackers[name].result() for name in logs}

    def _unpacked(self, data):
        images, label, _ = keras.utils.unpack_x_y_sample_weight(data)
        if isinstance(images, dict):
            images, label = images["image"], images.get("label")
        if not self.classes:
            return images, None
        if label is None:
            raise UsageError(
                f"the probe of {self.classes} classes needs labels: fit(images, labels);"
                " without labels, make the model without classes"
            )
        return images, label

    # As Keras calls a model.

    def compile(self, optimizer=None, jit_compile="auto", **options):
        """As `keras.Model.compile`, without `loss` and `metrics`, which follow from the parts.

        Args:
            optimizer: None for the paper's, Adam with a learning rate per player.
            jit_compile: whether to use XLA; "auto" uses it on an accelerator.
            options: as for `keras.Model.compile`.

        Raises:
            UsageError: a loss or metrics.
        """
        if options.get("loss") is not None or options.get("metrics") is not None:
            raise UsageError(
                "compile() takes no loss and no metrics: they follow from reconstruction,"
                " bottleneck and regularizers"
            )
        jit_compile = backend.use_xla() if jit_compile == "auto" else jit_compile
        optimizer = adam(self) if optimizer is None else optimizer
        super().compile(optimizer=optimizer, jit_compile=jit_compile, **options)
        if not self.optimizer.built:
            self.optimizer.build(self.trainable_variables)

    def fit(self, x=None, *arguments, **options):
        """As `keras.Model.fit`; raises UsageError for arrays that the model does not take."""
        if isinstance(x, np.ndarray):
            self.reconstruction.check(x, self.image_shape)
        return super().fit(x, *arguments, **options)

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))

    def train_step(self, *arguments):
        return backend.call_step(self.step, backend.state_variables(self), arguments)

    def test_step(self, *arguments):
        trainable, others, _, metrics = backend.state_variables(self)
        return backend.call_step(self.measure, (trainable, others, metrics), arguments)

    def make_train_function(self, force=False):
        self.sampler = None  # it is of the weights before training
        if self.train_function is not None and not force:
            return
        if keras.backend.backend() == "tensorflow":
            self.train_function = backend.train_function(self)
        elif self.steps_per_execution > 1 and keras.distribution.distribution() is None:
            self.train_function = backend.jax_train_function(self)
        else:
            super().make_train_function(force)

    def _maybe_symbolic_build(self, *arguments, **options):
        """Skip Keras' build: the model is built, and several workers cannot average for it."""

    @property
    def metrics(self):
        return list(self.trackers.values())

    def get_config(self) -> dict:
        serialize = keras.saving.serialize_keras_object
        own = ("classes", "seed", "shared_backward", "name")
        return {
            **{name: serialize(getattr(self, name)) for name in _PARTS},
            "regularizers": [serialize(regularizer) for regularizer in self.regularizers],
            **{name: getattr(self, name) for name in own},
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        parts = {}
        for name in (*_PARTS, "regularizers"):
            network = name in ("encoder", "decoder")
            make = networks.rebuilt if network else keras.saving.deserialize_keras_object
            parts[name] = make(config[name], custom_objects=custom_objects)
        # A subclass' constructor would make parts that are in the configuration already.
        model = cls.__new__(cls)
        Autoencoder.__init__(model, **{**config, **parts})
        return model


def _check_unique(what: str, names: list[str]) -> None:
    """Raise UsageError if a name is not unique."""
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(
            f"two {what} are called {twice[0]}; give networks and regularizers different names"
            " (name=...)"
        )
