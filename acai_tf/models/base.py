"""What every autoencoder shares: four verbs and one step for any number of players.

A *player* is a loss and the variables that it alone moves: the autoencoder, the
probe, for ACAI the critic. A step runs one forward pass, takes every player's
gradient at the old weights, and then updates all of them together, as the
original's simultaneous optimisers did. Adam works element by element, so one
optimizer over all variables is exactly the original's one per player.
"""

import keras
from keras import ops

from acai_tf import backend, interpolation, losses, networks, opponents
from acai_tf.config import Config
from acai_tf.draws import StepSeed
from acai_tf.verbs import check_images, check_latents, check_path, check_points, in_parts


def to_unit(images):
    """Images as the networks take them: uint8 becomes float32 in [-1, 1], floats pass."""
    if keras.backend.standardize_dtype(images.dtype) == "uint8":
        return ops.cast(images, "float32") * (2.0 / 255) - 1.0
    return ops.cast(images, "float32")


class Autoencoder(keras.Model):
    """Base of all autoencoders.

    Args:
        config: the run's settings.
        image_shape: (height, width, colors), height = width.
        classes: number of classes the probe tells apart.

    A subclass names the scalars it logs and its `objectives`; it adds players and
    random draws where it has any.

    Raises:
        UsageError: `config.latent_width` does not fit the images.
    """

    log_names: tuple[str, ...] = ("loss_ae", "rmse", "loss_probe")
    # Said by a class of its own `objectives`: where two players' variables meet, they are `judged`,
    # so that in the gradient of the sum of all losses each reaches its own player's alone.
    separate = False

    def __init__(self, config: Config | dict, image_shape, classes: int, **kwargs):
        super().__init__(**kwargs)
        self.config = config if isinstance(config, Config) else Config.from_dict(config)
        self.image_shape = tuple(image_shape)
        self.classes = classes
        height, _, colors = self.image_shape
        self.scales = self.config.scales(height)
        width = self.config.latent_width
        self.latent_shape = (width, width, self.config.latent)
        self.code_size = self.config.code_size
        depth, latent = self.config.depth, self.config.latent
        self.network_options = {"dtype": self.config.dtype_policy, "fused": self.config.fused}
        self.encoder = networks.encoder(
            *(self.image_shape, self.scales, depth, latent, "encoder"),
            **self.network_options,
        )
        self.decoder = networks.decoder(
            *(self.latent_shape, self.scales, depth, colors, "decoder"),
            **self.network_options,
        )
        self.probe = networks.probe(self.latent_shape, classes)
        self.trackers = {name: keras.metrics.Mean(name=name) for name in self.log_names}
        self._compiled_verbs = {}
        self.rollbacks = 0  # to earlier checkpoints, after a loss that was not finite
        self.built = True  # the networks have been since they were made

    def checked(self, images):
        """Images as the networks take them; raises UsageError where they are not the model's."""
        check_images(images, self.image_shape)
        return to_unit(images)

    # The verbs. Images [B, H, W, C] are uint8, or float in [-1, 1]; what comes back is float32.

    def encode(self, images):
        """Images [B, H, W, C] -> latent maps [B, w, w, latent]."""
        return self.encoder(self.checked(images))

    def decode(self, latents):
        """Latent maps [B, w, w, latent] -> images [B, H, W, C], about [-1, 1]."""
        check_latents(latents, self.latent_shape)
        return self.decoder(latents)

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
        return ops.reshape(flat, (steps, -1, *self.image_shape))

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
        return ops.reshape(flat, (*ops.shape(path)[:2], *self.image_shape))

    def classify(self, images):
        """Images [B, H, W, C] -> the probe's logits [B, classes]."""
        return self.probe(self.encode(images))

    def estimate(self, images):
        """Images [B, H, W, C] -> how far each is from real, 0..0.5 [B]: ACAI's critic."""
        raise NotImplementedError(f"{self.config.model} has no critic")

    def compiled_verb(self, verb: str, **options):
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

    @staticmethod
    def own_weights(config: Config, image_shape: tuple[int, int, int]) -> int:
        """How many numbers its weights are beyond those of encoder, decoder and probe."""
        return 0

    # Training.

    def players(self) -> dict[str, list]:
        """Each player's name -> the variables that its loss moves."""
        return {
            "autoencoder": self.encoder.trainable_variables + self.decoder.trainable_variables,
            "probe": self.probe.trainable_variables,
        }

    def learning_rates(self) -> dict[str, float]:
        """Each player's name -> its learning rate."""
        return dict.fromkeys(self.players(), self.config.lr)

    @property
    def one_backward(self) -> bool:
        """Whether one backward pass serves all players."""
        owner = next(one for one in type(self).__mro__ if "objectives" in vars(one))
        return self.config.fused and vars(owner).get("separate", False)

    @property
    def draw_seed(self) -> int:
        """The seed of batches and draws: the run's, and after each rollback another one."""
        return (self.config.seed + self.rollbacks * 0x9E3779B9) % 2**32

    def backward_passes(self) -> list[list[str]]:
        """The players whose gradients are taken together, as those of the sum of their losses."""
        return [list(self.players())] if self.one_backward else [[name] for name in self.players()]

    def draws(self, seed: StepSeed, batch: int) -> dict:
        """The random numbers of one step, name -> tensor; `objectives` takes them as they are."""
        return {}

    def objectives(self, x, label, draws: dict) -> tuple[dict, dict]:
        """The losses of one step, from one forward pass.

        Args:
            x: images [B, H, W, C], float32 in [-1, 1].
            label: whole numbers [B].
            draws: what `draws` returns.

        Returns:
            ({player: its loss}, {name in log_names: scalar to log}).
        """
        raise NotImplementedError

    def plain_objectives(self, x, x_hat, latents, label) -> tuple[dict, dict]:
        """Reconstruction (eq. 1) and probe: what most objectives are, or begin with.

        Args:
            x, x_hat: images and their reconstructions [B, H, W, C].
            latents: the code that the probe reads [B, w, w, latent].
            label: whole numbers [B].

        Returns:
            As `objectives`.
        """
        loss_ae = losses.reconstruction(x=x, x_hat=x_hat)
        loss_probe = self.probe_loss(latents, label)
        mse = backend.mean_over_replicas({"loss_ae": loss_ae})["loss_ae"]  # before the root
        logs = {"loss_ae": loss_ae, "rmse": losses.rmse_255(mse), "loss_probe": loss_probe}
        return {"autoencoder": loss_ae, "probe": loss_probe}, logs

    def judged(self, network, x):
        """A network's output, for its own player's losses and for those of the player that made x.

        The same twice, as tensors of their own where one backward pass serves both players.
        """
        if self.one_backward:
            return opponents.judge(network, x)
        y = network(x)
        return y, y

    def probe_loss(self, latents, label):
        """The probe's cross-entropy; it learns from the codes, they do not learn from it."""
        return losses.cross_entropy(logits=self.probe(ops.stop_gradient(latents)), label=label)

    def step(self, batch) -> dict:
        """One simultaneous update of all players.

        Args:
            batch: {"image": [B, H, W, C] as the verbs take them, "label": whole numbers [B]}; of
                several replicas each has its share (`devices.rows`).

        Returns:
            {name in log_names: mean since the metrics were reset}.
        """
        batch, _, _ = keras.utils.unpack_x_y_sample_weight(batch)  # Keras may wrap it in a tuple
        x = to_unit(batch["image"])
        seed = StepSeed(self.draw_seed, self.optimizer.iterations)
        draws = backend.share(self.draws(seed, backend.replicas() * ops.shape(x)[0]))
        _, logs, gradients = backend.player_gradients(self, x, batch["label"], draws)
        # The same order of variables at every step, whoever's they are.
        by_path = {
            variable.path: gradient
            for player, variables in self.players().items()
            for variable, gradient in zip(variables, gradients[player], strict=True)
        }
        variables = self.trainable_variables
        self.optimizer.apply([by_path[variable.path] for variable in variables], variables)
        for name, value in backend.mean_over_replicas(logs).items():
            self.trackers[name].update_state(value)
        return {name: tracker.result() for name, tracker in self.trackers.items()}

    def train_step(self, *arguments):
        """`step` as Keras calls it: with (batch), or on JAX with (state, batch)."""
        if keras.backend.backend() == "jax":
            return backend.stateless_step(self, *arguments)
        return self.step(*arguments)

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
        return {
            "config": self.config.to_dict(),
            "image_shape": list(self.image_shape),
            "classes": self.classes,
            "name": self.name,
        }
