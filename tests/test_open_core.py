"""Autoencoders of any parts: networks, bottlenecks, reconstructions, regularizers."""

import math

import keras
import numpy as np
import pytest
from keras import layers, ops

import acai_tf
from acai_tf import registry
from acai_tf.backend import player_gradients
from acai_tf.config import Config
from acai_tf.errors import UsageError
from acai_tf.models import build_model, settings_read
from acai_tf.models.noise import StepSeed, seed_weights
from acai_tf.models.reconstruction import to_unit
from acai_tf.training import checkpoints
from tests.reference import OBJECTIVES, Golden
from tests.test_golden import FORWARD, GRADIENT, assert_near

SHAPE = (8, 12, 1)  # not square
SQUARE = (8, 8, 1)  # for the package's networks
IMAGES = np.random.default_rng(0).integers(0, 256, (20, *SHAPE), np.uint8)
LABELS = np.arange(20) % 3
HOSTS = ("baseline", "denoising", "dropout", "vae", "vqvae", "aae")
CRITIC = "interpolation_critic"
TENSORFLOW = keras.backend.backend() == "tensorflow"


def networks(normalised: bool = False):
    """Dense networks with a flat code of 6 numbers."""
    middle = [layers.BatchNormalization()] if normalised else []
    return (
        keras.Sequential([keras.Input(SHAPE), layers.Flatten(), *middle, layers.Dense(6)]),
        keras.Sequential(
            [keras.Input((6,)), layers.Dense(math.prod(SHAPE)), layers.Reshape(SHAPE)]
        ),
    )


def with_critic(host: str, weight=0.5, **settings):
    """A model of the package with ACAI's critic, of one scale."""
    own = {"z_log_size": 4, "num_latents": 2} if host == "vqvae" else {}
    text = f"{CRITIC}(weight={weight})"
    config = Config(
        model=host, regularizers=text, depth=2, latent=2, latent_width=4, **own, **settings
    )
    seed_weights(0)
    return build_model(config, SQUARE, 3)


def small_batch():
    rng = np.random.default_rng(1)
    return np.asarray(to_unit(rng.integers(0, 256, (8, *SQUARE), np.uint8))), np.arange(8) % 3


class Custom(acai_tf.Regularizer):
    """A custom term on codes, without weights."""

    log_names = ("loss_custom",)

    def terms(self, forward, noise):
        loss = ops.mean(ops.square(forward.code))
        return acai_tf.Terms(0.1 * loss, logs={"loss_custom": loss})


# As any Keras model.


@pytest.mark.parametrize(
    "make",
    [
        lambda *nets: acai_tf.Autoencoder(*nets, regularizers=[acai_tf.InterpolationCritic()]),
        lambda *nets: acai_tf.VAE(*nets, classes=3, regularizers=[Custom()]),
    ],
    ids=["critic", "vae"],
)
def test_fit_evaluate_predict_save_load(make, tmp_path):
    model = make(*networks())
    model.compile(optimizer=keras.optimizers.Adam(1e-3))
    data = (IMAGES, LABELS) if model.classes else (IMAGES,)
    history = model.fit(*data, batch_size=8, epochs=2, validation_data=data, verbose=0).history
    assert all(np.isfinite(values).all() for values in history.values())
    assert {"loss_critic", "val_loss_ae"} <= set(history) or {"elbo", "val_probe_accuracy"} <= set(
        history
    )
    scores = model.evaluate(*data, batch_size=8, verbose=0, return_dict=True)
    again = model.evaluate(*data, batch_size=8, verbose=0, return_dict=True)
    assert scores == again  # without noise
    if model.classes:
        right = np.argmax(np.asarray(model.classify(IMAGES)), -1) == LABELS
        assert scores["probe_accuracy"] == pytest.approx(right.mean(), abs=1e-6)
    predicted = model.predict(IMAGES, verbose=0)
    assert predicted.shape == IMAGES.shape
    assert model.interpolate(IMAGES[:2], IMAGES[2:4], steps=3).shape == (3, 2, *SHAPE)
    model.summary(print_fn=lambda line: None)
    model.save(tmp_path / "mine.keras")
    loaded = keras.saving.load_model(
        tmp_path / "mine.keras", custom_objects={"Custom": Custom} if model.classes else None
    )
    assert type(loaded) is type(model)
    np.testing.assert_array_equal(loaded.predict(IMAGES, verbose=0), predicted)
    before = int(model.optimizer.iterations)
    loaded.fit(*data, batch_size=10, verbose=0)
    assert int(loaded.optimizer.iterations) == before + 2


@pytest.mark.skipif(not TENSORFLOW, reason="tf.data, tf.distribute")
def test_fit_a_dataset_on_two_replicas():
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices((IMAGES, LABELS)).batch(8)  # 8, 8 and 4
    strategy = tf.distribute.MirroredStrategy(
        ["CPU:0", "CPU:1"], tf.distribute.ReductionToOneDevice()
    )
    with strategy.scope():
        model = acai_tf.ACAI(*networks(), classes=3)
        model.compile(optimizer=keras.optimizers.Adam(1e-3))
        history = model.fit(data, verbose=0).history
        scores = model.evaluate(data, verbose=0, return_dict=True)
    assert math.isfinite(history["loss_critic"][0])
    right = np.argmax(np.asarray(model.classify(IMAGES)), -1) == LABELS
    assert scores["probe_accuracy"] == pytest.approx(right.mean(), abs=1e-6)
    assert int(np.asarray(model.optimizer.iterations)) == 3


def test_networks_that_mix_images_train_with_a_backward_pass_per_player():
    encoder, decoder = networks(normalised=True)
    with pytest.raises(UsageError, match="mixes"):
        acai_tf.ACAI(encoder, decoder)
    model = acai_tf.ACAI(encoder, decoder, shared_backward=False)
    model.compile()
    before = np.asarray(encoder.layers[1].moving_mean).copy()
    model.fit(IMAGES, batch_size=10, verbose=0)
    assert not np.array_equal(encoder.layers[1].moving_mean, before)


def test_custom_regularizer_with_weights():
    """One backward pass with `shares_backward`, one per player without: the same step."""

    class Adversary(acai_tf.Regularizer):
        def attach(self, model):
            self.network = keras.Sequential([keras.Input(SHAPE), layers.Flatten(), layers.Dense(1)])

        def terms(self, forward, noise):
            own, others = forward.discriminate(self.network, forward.x_hat)
            return acai_tf.Terms(ops.mean(ops.square(others)), ops.mean(ops.square(own - 1)))

    class Sharing(Adversary):
        shares_backward = True

    moved = {}
    for kind in (Adversary, Sharing):
        seed_weights(0)
        model = acai_tf.Autoencoder(*networks(), regularizers=[kind()])
        model.compile(optimizer=keras.optimizers.SGD(0.1))
        assert list(model.players()) == ["autoencoder", kind.__name__.lower()]
        assert len(model.backward_passes()) == (1 if kind.shares_backward else 2)
        model.step(IMAGES)
        moved[kind] = [np.asarray(v) for v in model.trainable_variables]
    for one, other in zip(*moved.values(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


# The critic on other models.


@pytest.mark.parametrize(
    ("name", "regularizer"), [("acai", CRITIC), ("aae", "prior_discriminator")]
)
def test_the_baseline_with_its_regularizer_is_the_model(name, regularizer):
    """To the last bit, initial weights included."""
    states = []
    for settings in ({"model": name}, {"model": "baseline", "regularizers": regularizer}):
        seed_weights(0)
        model = build_model(Config(depth=2, latent=2, **settings), SQUARE, 3)
        model.compile()
        for _ in range(2):
            model.step(small_batch())
        states.append({n: np.asarray(v) for n, v in checkpoints.state(model).items()})
    whole, composed = states
    assert set(whole) == set(composed)
    for name in whole:
        np.testing.assert_array_equal(whole[name], composed[name], err_msg=name)


@pytest.mark.parametrize("host", HOSTS)
def test_a_critic_of_weight_zero_keeps_the_golden_numbers(host):
    golden = Golden(host, regularizers=f"{CRITIC}(weight=0)")
    model = golden.model()
    noise = {**golden.noise, "critic": model.critic.noise(StepSeed(0, 0), len(golden.x))}
    losses, _, gradients = player_gradients(model, golden.x, golden.label, noise)
    assert "critic" in losses
    for index, players in enumerate(OBJECTIVES[host]):
        total = sum(float(losses[player]) for player in players)
        assert total == pytest.approx(float(golden.arrays[f"objective/{index}"]), rel=FORWARD)
        expected = golden.under(f"grad/{index}/")
        for player in players:
            for variable, got in zip(model.players()[player], gradients[player], strict=True):
                assert_near(got, expected[variable.path], GRADIENT, variable.path)


@pytest.mark.parametrize("host", HOSTS)
def test_each_loss_reaches_its_own_player_and_nothing_else(host):
    """One backward pass for all gives what a pass each does, and the critic moves the host."""
    shared, separate, none = (
        with_critic(host),
        with_critic(host, fused=False),
        with_critic(host, weight=0),
    )
    x, label = small_batch()
    noise = shared.noise(StepSeed(0, 0), len(x))
    one_pass, per_player, unmoved = (
        player_gradients(model, x, label, noise)[2] for model in (shared, separate, none)
    )
    assert [len(m.backward_passes()) for m in (shared, separate)] == [1, len(per_player)]
    for player, variables in shared.players().items():
        for variable, one, other in zip(
            variables, one_pass[player], per_player[player], strict=True
        ):
            assert_near(one, other, 1e-4, f"{player}: {variable.path}")
    for player in per_player:
        same = all(map(np.array_equal, one_pass[player], unmoved[player]))
        assert same == (player != "autoencoder")


@pytest.mark.parametrize("host", HOSTS)
def test_real_and_mixed_images_differ_in_alpha_alone(host):
    """Mixed with alpha 0, the images are the real ones of the partners."""
    model = with_critic(host)
    x, label = small_batch()
    noise = model.noise(StepSeed(0, 0), len(x))
    noise["critic"]["uniform"] = np.zeros((len(x), 1, 1, 1), np.float32)
    if host == "dropout":  # each image has its own mask, whatever its code
        mask = np.asarray(noise["bottleneck"]["keep_mask"])
        noise["bottleneck"]["keep_mask"] = np.repeat(mask[:1], len(x), axis=0)
    seen = []
    terms = model.critic.terms
    model.critic.terms = lambda forward, noise: seen.append(forward) or terms(forward, noise)
    images = []
    estimate = model.critic.estimate
    model.critic.estimate = lambda x, **options: images.append(x) or estimate(x, **options)
    model.objectives(x, label, noise)
    x_hat, (x_mix, real) = np.asarray(seen[0].x_hat), map(np.asarray, images)
    np.testing.assert_allclose(x_mix, x_hat[::-1], atol=1e-5)
    np.testing.assert_allclose(real, x_hat + 0.2 * (x - x_hat), atol=1e-5)


def test_weights_are_in_units_of_the_reconstruction_loss():
    """A Bernoulli's loss is a sum over pixels, so that the critic counts as often."""
    for host, times in (("baseline", 1), ("vae", 8 * 8)):
        model = with_critic(host, weight=0.25)
        x, _ = small_batch()
        noise = model.noise(StepSeed(0, 0), len(x))
        h = model.encoder(x)
        forward = model._forward(x, h, model.decoder(h), noise["bottleneck"])
        terms = model.critic.terms(forward, noise["critic"])
        expected = 0.25 * times * float(terms.logs["loss_adversarial"])
        assert float(terms.autoencoder) == pytest.approx(expected, rel=1e-6)


def test_the_critics_weight_ramps_up():
    model = with_critic("baseline", weight="0.5, ramp=4")
    x, label = small_batch()
    for step, weight in ((0, 0), (1, 0.125), (4, 0.5), (9, 0.5)):
        losses, logs = model.objectives(x, label, model.noise(StepSeed(0, step), len(x)))
        expected = float(logs["loss_ae"]) + weight * float(logs["loss_adversarial"])
        assert float(losses["autoencoder"]) == pytest.approx(expected, rel=1e-6)


# Reconstructions, by hand.


def test_reconstructions():
    x = np.float32([[-1.0, 1.0, 0.0]])
    squared, bernoulli = acai_tf.SquaredError(), acai_tf.Bernoulli()
    assert float(squared.loss(x, np.float32([[0, 1, 0]]))) == pytest.approx(1 / 3)
    y = np.float32([[0.0, 0.0, np.log(3)]])
    # Targets 0, 1 and 1/2; probabilities 1/2, 1/2 and 3/4.
    expected = -(2 * np.log(0.5) + 0.5 * np.log(0.75) + 0.5 * np.log(0.25))
    assert float(bernoulli.loss(x, y)) == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(bernoulli.image(y), [[0, 0, 0.5]], atol=1e-6)
    categorical = acai_tf.Categorical(3)
    logits = np.log(np.float32([[[1, 1, 2], [2, 1, 1]]]))
    one_hot = categorical.prepare(np.int32([[2, 1]]))
    np.testing.assert_array_equal(one_hot, [[[0, 0, 1], [0, 1, 0]]])
    loss = categorical.loss(one_hot, logits)
    assert float(loss) == pytest.approx((np.log(2) + np.log(4)) / 2, rel=1e-6)
    summed = acai_tf.Categorical(3, summed=True)
    assert float(summed.loss(one_hot, logits)) == pytest.approx(np.log(2) + np.log(4), rel=1e-6)
    assert summed.scale((2,)) == 2
    np.testing.assert_allclose(categorical.image(logits)[0, 0], [0.25, 0.25, 0.5], rtol=1e-6)
    scales = [one.scale((4, 5, 3)) for one in (squared, bernoulli, categorical)]
    assert scales == [1, 60, 1]


def test_sequences_of_tokens():
    """Sequences of tokens, with the critic on their probabilities."""
    tokens = np.random.default_rng(0).integers(0, 5, (16, 7))
    encoder = keras.Sequential(
        [
            keras.Input((7, 5)),
            layers.Dense(4, use_bias=False),  # an embedding
            layers.Flatten(),
            layers.Dense(3),
        ]
    )
    decoder = keras.Sequential([keras.Input((3,)), layers.Dense(35), layers.Reshape((7, 5))])
    model = acai_tf.Autoencoder(
        encoder,
        decoder,
        reconstruction=acai_tf.Categorical(5),
        regularizers=[acai_tf.InterpolationCritic()],
    )
    model.compile()
    model.fit(tokens, batch_size=8, verbose=0)
    path = model.interpolate(tokens[:2], tokens[2:4], steps=3)
    assert path.shape == (3, 2, 7, 5)
    np.testing.assert_allclose(np.sum(path, -1), 1, rtol=1e-5)
    for seen in (tokens, path[0]):  # or probabilities
        assert model.estimate(seen).shape == seen.shape[:1]
    with pytest.raises(UsageError, match="whole numbers"):
        model.encode(tokens + 0.5)


def test_any_keras_layer_as_corruption():
    model = acai_tf.Autoencoder(*networks(), corruption=layers.Dropout(0.5))
    model.compile()
    model.fit(IMAGES, batch_size=10, verbose=0)
    np.testing.assert_array_equal(model.reconstruct(IMAGES), model.reconstruct(IMAGES))


# By name.


def test_names_with_arguments():
    text = "a(x=1, y=(2, 3)), my.module:B, c(name='d')"
    assert registry.parse_list(text) == [
        ("a", {"x": 1, "y": (2, 3)}),
        ("my.module:B", {}),
        ("c", {"name": "d"}),
    ]
    assert registry.parse_list("") == []


@pytest.mark.parametrize("text", ["a(", "a(1)", "a(x=open('f'))", "a b", "a)", "a(x=1) + b"])
def test_malformed_names_are_refused(text):
    with pytest.raises(UsageError):
        registry.parse(text)


def test_custom_networks_resume_in_another_process(tmp_path, without_sheets):
    """Keras counts layers: there, the same networks have other names."""
    settings = {
        "dataset": "digits",
        "image_size": 16,
        "model": "acai",
        "networks": f"{__name__}:built(width=5)",
    }
    settings |= {"latent": 3, "batch": 32, "report_kimg": 1, "run_dir": str(tmp_path / "run")}
    acai_tf.train(Config(**settings, total_kimg=1))
    layers.Dense(1)
    model = acai_tf.train(Config(**settings, total_kimg=2))
    assert int(model.optimizer.iterations) == 64
    loaded = acai_tf.load(str(tmp_path / "run"))
    images = IMAGES.repeat(2, 1)[:, :, :1].repeat(16, 2)
    np.testing.assert_array_equal(loaded.reconstruct(images), model.reconstruct(images))


def test_variables_of_nested_networks_have_distinct_names():
    class Two(Custom):
        def attach(self, model):
            self.networks = [
                keras.Sequential([keras.Input((6,)), layers.Dense(width)]) for width in (2, 3)
            ]

    encoder, decoder = networks()
    wrapped = keras.Sequential([keras.Input(SHAPE), encoder, layers.Dense(6)])
    model = acai_tf.Autoencoder(wrapped, decoder, regularizers=[Two()])
    named = checkpoints.weights(model)
    assert sorted(map(id, named.values())) == sorted(map(id, model.weights))


def built(image_shape, latent, width):
    return (
        keras.Sequential(
            [
                *(keras.Input(image_shape), layers.Flatten()),
                *(layers.Dense(width, "relu"), layers.Dense(latent)),
            ]
        ),
        keras.Sequential(
            [
                *(keras.Input((latent,)), layers.Dense(math.prod(image_shape))),
                layers.Reshape(image_shape),
            ]
        ),
    )


def test_residual_networks_of_any_shape():
    config = Config(networks="residual", depth=2, latent=3, latent_width=2)
    model = build_model(config, (16, 24, 3), 0)
    assert model.latent_shape == (2, 3, 3)
    model.compile()
    model.step(np.zeros((4, 16, 24, 3), np.uint8))
    patches = build_model(
        Config(networks="large", depth=2, latent=3, latent_width=4), (64, 96, 3), 0
    )
    assert patches.latent_shape == (4, 6, 3)
    with pytest.raises(UsageError, match="patches of 4"):
        build_model(Config(networks="large"), (62, 64, 3), 0)
    # Networks are in a range that trains from the start.
    wide = build_model(Config(networks="residual", depth=8, latent_width=4), (64, 64, 3), 0)
    colors = np.random.default_rng(0).uniform(-1, 1, (16, 1, 1, 3)).astype(np.float32)
    assert 0.03 < float(np.std(wide.reconstruct(np.tile(colors, (1, 64, 64, 1))))) < 3


def test_registered_names(monkeypatch):
    from acai_tf import models

    monkeypatch.setattr(models, "REGULARIZERS", dict(models.REGULARIZERS))
    monkeypatch.setitem(models._REGISTRIES, "regularizer", models.REGULARIZERS)
    acai_tf.register("regularizer", "mine", f"{__name__}:Custom")
    model = build_model(
        Config(model="vae", regularizers=f"mine, {CRITIC}", depth=2), (16, 16, 1), 0
    )
    assert [type(one).__name__ for one in model.regularizers] == ["Custom", "InterpolationCritic"]
    with pytest.raises(UsageError, match="already"):
        acai_tf.register("regularizer", "mine", "elsewhere:Mine")
    with pytest.raises(UsageError, match="dataset"):
        acai_tf.register("flavour", "mine", "elsewhere:Mine")


# Parts that do not fit.


def bad(**parts):
    encoder, decoder = networks()
    return {"encoder": encoder, "decoder": decoder, **parts}


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: acai_tf.ACAI(networks()[0], networks()[0]), "decoder's input"),
        (lambda: acai_tf.Baseline(keras.Sequential([layers.Dense(2)]), networks()[1]), "Input"),
        (
            lambda: acai_tf.Autoencoder(*networks(), reconstruction=acai_tf.Categorical(4)),
            "encoder's input",
        ),
        (
            lambda: acai_tf.Autoencoder(
                *networks(), regularizers=[acai_tf.InterpolationCritic() for _ in range(2)]
            ),
            "critic",
        ),
        (lambda: acai_tf.ACAI(*networks(), critic=networks()[1]), "critic's input"),
        (lambda: acai_tf.ACAI(*networks(), weight=-1), "weight"),
        (lambda: acai_tf.ACAI(*networks()).compile(loss="mse"), "loss"),
        (lambda: settings_read("vae", "critic"), CRITIC),
        (lambda: settings_read("gan"), "acai"),
        (lambda: build_model(Config(regularizers="os:sep"), (16, 16, 1), 0), "os:sep"),
        (lambda: build_model(Config(regularizers="nowhere:X"), (16, 16, 1), 0), "nowhere"),
        (lambda: build_model(Config(networks="paper(widest=3)"), (16, 16, 1), 0), "widest"),
        (lambda: build_model(Config(model="vae", reg=0.1), (16, 16, 1), 0), "--reg"),
        (lambda: build_model(Config(model="acai", regularizers=CRITIC), (16, 16, 1), 0), "critic"),
    ],
)
def test_parts_that_do_not_fit_are_refused(make, says):
    with pytest.raises(UsageError, match=says):
        make()


def test_missing_labels_are_refused():
    model = acai_tf.Baseline(*networks(), classes=3)
    model.compile()
    with pytest.raises(UsageError, match="labels"):
        model.fit(IMAGES, verbose=0)
