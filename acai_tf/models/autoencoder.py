"""The autoencoder: an encoder, a bottleneck, a decoder, and what regularizes them.

A *player* is a loss and the variables that it alone moves: the autoencoder, the
probe, each regularizer with weights of its own. A step runs one forward pass, takes
every player's gradient at the old weights, and then updates all of them together, as
the original's simultaneous optimisers did. Adam works element by element, so one
optimizer over all variables is exactly the original's one per player.
"""

import math
from collections.abc import Sequence

import keras
from keras import layers, ops

from acai_tf import backend
from acai_tf.errors import UsageError
from acai_tf.models import interpolation, losses, networks, shared_pass
from acai_tf.models.bottlenecks import Bottleneck, Deterministic
from acai_tf.models.inference import check_latents, check_path, check_points, in_parts
from acai_tf.models.noise import StepSeed
from acai_tf.models.optimizer import adam
from acai_tf.models.reconstruction import Reconstruction, SquaredError
from acai_tf.models.regularizers import Forward, Regularizer, same_shape


@keras.saving.register_keras_serializable("acai_tf")
class Autoencoder(keras.Model):
    """An autoencoder of any Keras networks.

    Args:
        encoder: x [B, H, W, C] -> h [B, ...].
        decoder: what the bottleneck makes of h, of its shape -> y, of x's shape.
        bottleneck: from h to the code; default: the code is h.
        reconstruction: what y means, and its loss; default: squared error.
        corruption: a Keras layer that the encoder's input goes through in training.
        regularizers: what is added to the loss; those with weights are players.
        classes: number of classes that a linear probe on the code learns to tell apart; 0: there
            is no probe, and no labels are read.
        seed: of the noise of training steps.
        shared_backward: take the gradients of all players in one backward pass where every
            regularizer allows it; the same gradients with less arithmetic.

    Images are uint8, or float in [-1, 1]. `fit` takes images, (images, labels), or a
    tf.data.Dataset of either.

    Raises:
        UsageError: shapes that do not fit, with what is wrong.

    Example:
        encoder = keras.Sequential([
            keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(32)])
        decoder = keras.Sequential([
            keras.Input((32,)), keras.layers.Dense(784), keras.layers.Reshape((28, 28, 1))])
        model = acai_tf.Autoencoder(
            encoder, decoder, regularizers=[acai_tf.InterpolationCritic(weight=0.5)])
        model.compile(optimizer=keras.optimizers.Adam(1e-4))
        model.fit(images, batch_size=64, epochs=10)
    """

    log_names: tuple[str, ...] = ()  # of `more_logs`
    config = None  # the settings of the run that the model belongs to (`build_model`)

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        bottleneck: Bottleneck | None = None,
        reconstruction: Reconstruction | None = None,
        corruption: layers.Layer | None = None,
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
        self.corruption = corruption
        self.regularizers = list(regularizers)
        self.classes, self.seed, self.shared_backward = classes, seed, shared_backward
        self.rollbacks = 0  # to earlier checkpoints, after a loss that was not finite

        self.image_shape, self.latent_shape = _shape(encoder, "encoder"), encoder.output_shape[1:]
        self.code_size = math.prod(self.latent_shape)
        same_shape("what the decoder takes", _shape(decoder, "decoder"), self.latent_shape)
        made = self.reconstruction.output_shape(self.image_shape)
        same_shape("the decoder's output", decoder.output_shape[1:], made)
        self.probe = networks.probe(self.latent_shape, classes) if classes else None
        self.bottleneck.attach(self.latent_shape)
        for regularizer in self.regularizers:
            regularizer.attach(self)
            if self.one_backward:
                shared_pass.check_separate(regularizer)
        _check_names(self)
        names = [*self._all_log_names(), *(["probe_accuracy"] if classes else [])]
        self.trackers = {name: keras.metrics.Mean(name=name) for name in names}
        self._compiled_verbs = {}
        self.built = True  # the networks have been since they were made

    def _all_log_names(self) -> list[str]:
        parts = [self.reconstruction, self.bottleneck, *self.regularizers, self]
        probe = ["loss_probe"] if self.classes else []
        return [name for part in parts for name in part.log_names] + probe

    # Inference methods. Images [B, H, W, C] are uint8, or float in [-1, 1]; results are float32.

    def checked(self, images):
        """Images as the networks take them; raises UsageError where they are not the model's."""
        self.reconstruction.check(images, self.image_shape)
        return self.reconstruction.prepare(images)

    def encode(self, images, **noise):
        """Images [B, H, W, C] -> codes [B, ...]; with `epsilon` a Gaussian's sample of them."""
        return self.bottleneck.code(self.encoder(self.checked(images)), **noise)

    def decode(self, latents):
        """Codes [B, ...] -> images [B, H, W, C], about [-1, 1]."""
        check_latents(latents, self.latent_shape)
        return self.reconstruction.image(self.decoder(self.bottleneck.latent(latents)))

    def reconstruct(self, images):
        """Images [B, H, W, C] -> their reconstructions [B, H, W, C]."""
        return self.decode(self.encode(images))

    def interpolate(self, images_0, images_1, steps: int = 16, method: str = "lerp"):
        """Images decoded along the path between the codes of two batches of images.

        Args:
            images_0, images_1: [B, H, W, C].
            steps: images on the path, both ends included.
            method: "lerp" or "slerp".

        Returns:
            [steps, B, H, W, C].
        """
        check_path(images_0, images_1, steps, method)
        path = interpolation.PATHS[method](self.encode(images_0), self.encode(images_1), steps)
        flat = self.decode(ops.reshape(path, (-1, *self.latent_shape)))
        return ops.reshape(flat, (steps, -1, *flat.shape[1:]))

    def interpolate_at(self, images_0, images_1, t, method: str = "lerp"):
        """Images decoded at any points of the path between the codes of two batches of images.

        Args:
            images_0, images_1: [B, H, W, C].
            t: where, [K]; 0 is at images_0, 1 at images_1.
            method: "lerp" or "slerp".

        Returns:
            [K, B, H, W, C].
        """
        check_points(images_0, images_1, t, method)
        z_0, z_1 = self.encode(images_0), self.encode(images_1)
        path = interpolation.POINTS[method](z_0, z_1, t)
        flat = self.decode(ops.reshape(path, (-1, *self.latent_shape)))
        return ops.reshape(flat, (*ops.shape(path)[:2], *flat.shape[1:]))

    def classify(self, images):
        """Images [B, H, W, C] -> the probe's logits [B, classes]."""
        if not self.classes:
            raise UsageError("the model has no probe: it was made without classes")
        return self.probe(self.bottleneck.probed(self.encoder(self.checked(images))))

    @property
    def critic(self):
        """The regularizer that estimates how far an image is mixed; None: there is none."""
        return next((r for r in self.regularizers if hasattr(r, "estimate")), None)

    def estimate(self, images):
        """Images [B, H, W, C] -> the critic's estimate of alpha [B]; 0: takes it as real."""
        if self.critic is None:
            raise UsageError("the model has no critic")
        return self.critic.estimate(self.reconstruction.target(self.checked(images)))

    def compiled_method(self, verb: str, **options):
        """A verb as a compiled function from arrays to arrays, made once: for many images.

        They are taken in parts, so that memory does not grow with their number or size.
        """
        key = (verb, *sorted(options.items()))
        if key not in self._compiled_verbs:
            function = backend.compiled(self, verb, **options)
            self._compiled_verbs[key] = in_parts(function, self.image_shape, verb, **options)
        return self._compiled_verbs[key]

    def call(self, images, training=None):
        return self.reconstruct(images)

    # Training.

    def players(self) -> dict[str, list]:
        """Each player's name -> the variables that its loss moves."""
        own = {"probe": self.probe, **{r.name: r for r in self.regularizers}}
        parts = [self.encoder, self.decoder, self.bottleneck]
        return {
            "autoencoder": [v for part in parts for v in part.trainable_variables],
            **{n: p.trainable_variables for n, p in own.items() if p and p.trainable_variables},
        }

    def learning_rates(self) -> dict[str, float | None]:
        """Each player's name -> its own learning rate; None: the optimizer's."""
        own = {regularizer.name: regularizer.learning_rate for regularizer in self.regularizers}
        return {player: own.get(player) for player in self.players()}

    @property
    def one_backward(self) -> bool:
        """Whether one backward pass serves all players."""
        mine = type(self).objectives is Autoencoder.objectives  # others have not heard of `judge`
        separate = (r.separate or not r.trainable_variables for r in self.regularizers)
        return self.shared_backward and mine and all(separate)

    @property
    def draw_seed(self) -> int:
        """The seed of batches and noise: the model's, and after each rollback another one."""
        return (self.seed + self.rollbacks * 0x9E3779B9) % 2**32

    def backward_passes(self) -> list[list[str]]:
        """The players whose gradients are taken together, as those of the sum of their losses."""
        return [list(self.players())] if self.one_backward else [[name] for name in self.players()]

    def noise(self, seed: StepSeed, batch) -> dict[str, dict]:
        """The random numbers of one step, part's name -> {name: tensor [batch, ...]}."""
        noise = {}
        if hasattr(self.corruption, "noise"):
            noise["corruption"] = self.corruption.noise(seed, (batch, *self.image_shape))
        noise["bottleneck"] = self.bottleneck.noise(seed, batch)
        return noise | {r.name: r.noise(seed, batch) for r in self.regularizers}

    def objectives(self, x, label, noise: dict[str, dict]) -> tuple[dict, dict]:
        """The losses of one step, from one forward pass.

        Args:
            x: images as `Reconstruction.prepare` gives them.
            label: whole numbers [B]; None where there is no probe.
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
            losses_of["probe"] = logs["loss_probe"] = self.probe_loss(probed, label)
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
        return losses_of, {**logs, **self.more_logs(logs)}

    def more_logs(self, logs: dict) -> dict:
        """{name in log_names: scalar}, from what the parts have logged."""
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

        return Forward(
            x=self.reconstruction.target(x),
            code=code,
            # Where y was decoded from a sample, the code is decoded besides.
            x_hat=lambda: decode(code) if self.bottleneck.samples else image(y),
            decode=decode,
            judge=self.judge,
            scale=self.reconstruction.scale(self.image_shape),
        )

    def judge(self, network, x):
        """A network's output, for its own player's losses and for those of the player that made x.

        The same twice, as tensors of their own where one backward pass serves both players.
        """
        if self.one_backward:
            return shared_pass.judge(network, x)
        y = network(x)
        return y, y

    def probe_loss(self, latents, label):
        """The probe's cross-entropy; it learns from the codes, they do not learn from it."""
        return losses.cross_entropy(logits=self.probe(ops.stop_gradient(latents)), label=label)

    def step(self, data) -> dict:
        """One simultaneous update of all players.

        Args:
            data: images, (images, labels), or {"image", "label"}; of several replicas each has its
                share (`devices.rows`).

        Returns:
            {name: mean since the metrics were reset}.
        """
        images, label = self._unpacked(data)
        x = self.reconstruction.prepare(images)
        seed = StepSeed(self.draw_seed, self.optimizer.iterations)
        noise = backend.share(self.noise(seed, backend.replicas() * ops.shape(x)[0]))
        _, logs, gradients = backend.player_gradients(self, x, label, noise)
        # The same order of variables at every step, whoever's they are.
        by_variable = {
            id(variable): gradient
            for player, variables in self.players().items()
            for variable, gradient in zip(variables, gradients[player], strict=True)
        }
        variables = self.trainable_variables
        self.optimizer.apply([by_variable[id(variable)] for variable in variables], variables)
        return self._track(logs)

    def look(self, data) -> dict:
        """What `evaluate` measures of a batch, without noise: reconstruction and probe.

        Args:
            data: as for `step`.

        Returns:
            {name: mean since the metrics were reset}.
        """
        images, label = self._unpacked(data)
        x = self.reconstruction.prepare(images)
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
                " without them, make the model without classes"
            )
        return images, label

    def train_step(self, *arguments):
        """`step` as Keras calls it: with (data), or on JAX with (state, data)."""
        if keras.backend.backend() == "jax":
            return backend.stateless(self, self.step, backend.state_variables(self), *arguments)
        return self.step(*arguments)

    def test_step(self, *arguments):
        """`look` as Keras calls it."""
        if keras.backend.backend() == "jax":
            trainable, others, _, metrics = backend.state_variables(self)
            return backend.stateless(self, self.look, (trainable, others, metrics), *arguments)
        return self.look(*arguments)

    def compile(self, optimizer=None, jit_compile="auto", **options):
        """As any Keras model, but that losses and metrics are those of the model's parts.

        Args:
            optimizer: default: the paper's Adam, with a learning rate per player (`PlayerAdam`).
            jit_compile: with XLA; "auto": on an accelerator.
            options: of `keras.Model.compile`.
        """
        if options.get("loss") is not None or options.get("metrics") is not None:
            raise UsageError(
                "compile() takes no loss and no metrics: they follow from reconstruction,"
                " bottleneck and regularizers"
            )
        if jit_compile == "auto":
            jit_compile = backend.xla_pays()
        optimizer = adam(self) if optimizer is None else optimizer
        super().compile(optimizer=optimizer, jit_compile=jit_compile, **options)
        if not self.optimizer.built:
            self.optimizer.build(self.trainable_variables)

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))

    def make_train_function(self, force=False):
        if self.train_function is not None and not force:
            return
        if keras.backend.backend() == "tensorflow":
            self.train_function = backend.train_function(self)
        elif self.steps_per_execution > 1 and keras.distribution.distribution() is None:
            self.train_function = backend.jax_train_function(self)
        else:
            super().make_train_function(force)

    def _maybe_symbolic_build(self, *arguments, **options):
        """Keras would take a batch's mean over all replicas to build what is built already; several
        workers cannot."""

    @property
    def metrics(self):
        return list(self.trackers.values())

    def get_config(self) -> dict:
        parts = ("encoder", "decoder", "bottleneck", "reconstruction", "corruption")
        serialize = keras.saving.serialize_keras_object
        return {
            **{name: serialize(getattr(self, name)) for name in parts},
            "regularizers": [serialize(regularizer) for regularizer in self.regularizers],
            "classes": self.classes,
            "seed": self.seed,
            "shared_backward": self.shared_backward,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        def made(name):
            if name in ("encoder", "decoder"):
                return networks.rebuilt(config[name], custom_objects=custom_objects)
            return keras.saving.deserialize_keras_object(config[name], custom_objects)

        parts = ("encoder", "decoder", "bottleneck", "reconstruction", "corruption", "regularizers")
        # The parts are whole: a subclass's constructor, which makes some of them, is passed by.
        model = cls.__new__(cls)
        Autoencoder.__init__(model, **{**config, **{name: made(name) for name in parts}})
        return model


def _shape(network, what: str) -> tuple[int, ...]:
    """The shape that a network takes, without the batch; raises UsageError where it is unknown."""
    shape = getattr(network, "input_shape", None)
    if not isinstance(shape, tuple) or None in shape[1:]:
        raise UsageError(
            f"the {what}'s input shape is not known: begin it with keras.Input(shape), or wrap it"
            " as keras.Sequential([keras.Input(shape), network])"
        )
    return shape[1:]


def _check_names(model) -> None:
    """Raises UsageError where checkpoints could not tell two variables, or logs two scalars."""
    for what, names in (
        ("variables", [variable.path for variable in model.weights]),
        ("logged values", model._all_log_names()),
        ("regularizers", [regularizer.name for regularizer in model.regularizers]),
    ):
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise UsageError(
                f"two {what} are called {twice[0]}; give networks and regularizers names of their"
                " own (name=...)"
            )
