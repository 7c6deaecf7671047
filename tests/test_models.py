"""One kit, run over every registered model."""

import warnings

import keras
import numpy as np
import pytest

from acai_tf import backend
from acai_tf.config import Config
from acai_tf.errors import UsageError
from acai_tf.models import MODELS, build_model, inference
from acai_tf.models.bottlenecks import Codebook
from acai_tf.models.compositions import ACAI
from acai_tf.models.noise import StepSeed, seed_weights
from acai_tf.models.optimizer import adam
from acai_tf.models.reconstruction import to_unit
from acai_tf.training import distribution
from benchmarks import work
from tests.reference import Golden
from tests.test_golden import assert_near

SHAPE, CLASSES = (8, 8, 3), 10


def make(name, seed=0, compiled=True, latent_width=4, **settings):
    sizes = {"depth": 4, "latent": 3, "latent_width": latent_width}
    config = Config(model=name, **sizes, seed=seed, **settings)
    seed_weights(seed)
    model = build_model(config, SHAPE, CLASSES)
    if compiled:
        model.compile(optimizer=adam(model, model.config.lr))
    return model


def batch_of(count, dtype="uint8"):
    rng = np.random.default_rng(count)
    images = rng.integers(0, 256, (count, *SHAPE), dtype=np.uint8)
    if dtype == "float32":
        images = np.asarray(to_unit(images))
    return {"image": images, "label": rng.integers(0, CLASSES, count)}


def call_with_value(function, tensor):
    """Call `function` with what a tensor of a compiled step holds, at each run of the step."""
    if keras.backend.backend() == "jax":
        import jax

        jax.debug.callback(function, tensor, ordered=True)
    else:
        import tensorflow as tf

        tf.py_function(function, [tensor], [])


# Their parts are those of others; the golden numbers of all are in the fast suite.
SLOW = ("baseline", "denoising", "dropout", "lrae", "miae")


@pytest.fixture(
    scope="module",
    params=[pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in MODELS],
)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def model(name):
    """Shared by the tests that do not change it."""
    return make(name)


def weights_of(model):
    return {v.path: np.asarray(v) for v in model.weights}


def test_shapes_and_types(model):
    images = batch_of(5)["image"]
    codes = model.encode(images)
    assert codes.shape == (5, 4, 4, 3)
    assert model.decode(codes).shape == images.shape
    assert model.reconstruct(images).shape == images.shape
    assert model(images).shape == images.shape
    assert model.classify(images).shape == (5, CLASSES)
    for method in ("lerp", "slerp"):
        path = model.interpolate(images, images[::-1], steps=7, method=method)
        assert path.shape == (7, *images.shape)
        assert path.dtype == "float32"


def test_bytes_and_floats_are_the_same_images(model):
    as_bytes, as_floats = batch_of(3)["image"], batch_of(3, "float32")["image"]
    assert as_floats.min() >= -1
    assert as_floats.max() <= 1
    np.testing.assert_array_equal(model.encode(as_bytes), model.encode(as_floats))
    np.testing.assert_allclose(to_unit(np.array([0, 255], np.uint8)), [-1, 1], atol=1e-6)


def test_interpolation_begins_and_ends_at_the_reconstructions(model):
    first, last = batch_of(4)["image"], batch_of(4)["image"][::-1]
    for method in ("lerp", "slerp"):
        path = np.asarray(model.interpolate(first, last, steps=5, method=method))
        np.testing.assert_allclose(path[0], model.reconstruct(first), atol=1e-5)
        np.testing.assert_allclose(path[-1], model.reconstruct(last), atol=1e-5)


def test_new_images(name):
    """From the prior, and from a sampler fitted to codes."""
    model = make(name)
    with pytest.raises(UsageError, match="fit_sampler"):
        model.sample(2, "fitted")
    prior = model.sample(4)
    assert prior.shape == (4, *SHAPE)
    model.fit_sampler(batch_of(12)["image"])
    for kind in ("prior", "fitted"):
        images = model.sample(4, kind)
        assert images.dtype == np.float32
        assert np.isfinite(images).all()
        np.testing.assert_array_equal(images, model.sample(4, kind))
        assert not np.array_equal(images, model.sample(4, kind, seed=1))
    np.testing.assert_array_equal(model.sample(4), images)
    np.testing.assert_array_equal(model.sample(4, "prior"), prior)


def test_each_variable_has_one_player(model):
    paths = [v.path for variables in model.players().values() for v in variables]
    assert sorted(paths) == sorted(v.path for v in model.trainable_variables)
    assert len(set(paths)) == len(paths)


def test_each_loss_updates_its_own_player_only(name, monkeypatch):
    """With every loss but one player's at zero, a step moves that player's variables alone."""
    model = make(name, compiled=False)
    objectives = model.objectives
    for player in model.players():
        model.compile()  # Adam without moments of the other players

        def only(x, label, noise, player=player):
            losses, logs = objectives(x, label, noise)
            return {p: loss * (p == player) for p, loss in losses.items()}, logs

        monkeypatch.setattr(model, "objectives", only)
        before = weights_of(model)
        model.step(batch_of(8))
        moved = {
            v.path
            for v in model.trainable_variables
            # What one backward pass rounds to is far below any step that is one.
            if np.abs(np.asarray(v) - before[v.path]).max() > 1e-9
        }
        assert moved == {v.path for v in model.players()[player]}


def test_random_numbers_depend_on_seed_and_step(name, model, monkeypatch):
    """Also in compiled steps, and for a model restored at a step."""

    if not any(model.noise(StepSeed(0, 0), 8).values()):
        return

    def spied_on(seed):
        model = make(name, seed)
        original = model.noise

        def spied(key, batch):
            noise = original(key, batch)
            # MIDR-AE's samples of the prior are for two of its parts.
            values = {id(value): value for part in noise.values() for value in part.values()}
            for value in values.values():
                call_with_value(lambda v: seen.append(np.asarray(v)), value)
            return noise

        monkeypatch.setattr(model, "noise", spied)
        return model

    def drawn(model, first_step, steps, compiled=True):
        model.optimizer.iterations.assign(first_step)
        seen.clear()
        for _ in range(steps):
            (model.train_on_batch if compiled else model.step)(batch_of(8))
        return list(seen)

    seen, model = [], spied_on(seed=0)
    unbroken = drawn(model, first_step=0, steps=3)
    assert len({values.tobytes() for values in unbroken}) == len(unbroken) > 0
    other = drawn(spied_on(seed=1), first_step=0, steps=1, compiled=False)
    assert {v.tobytes() for v in other}.isdisjoint({v.tobytes() for v in unbroken})
    resumed = drawn(model, first_step=2, steps=1)
    for value, expected in zip(resumed, unbroken[-len(resumed) :], strict=True):
        np.testing.assert_array_equal(value, expected)


def test_a_step_moves_every_variable_and_counts_itself(name):
    model = make(name)
    before = weights_of(model)
    logs = model.step(batch_of(8))
    assert {*logs, "probe_accuracy"} == {metric.name for metric in model.metrics}
    assert all(np.isfinite(float(value)) for value in logs.values())
    after = weights_of(model)
    assert [p for p in before if np.array_equal(before[p], after[p])] == []
    assert int(model.optimizer.iterations) == 1


def test_fused_networks_give_the_same_step(name):
    """Losses, and of every variable the gradient by its own player's loss."""
    both = (make(name, fused=value, latent_width=2) for value in (True, False))  # two scales
    fused, straightforward = both
    data = batch_of(8)
    x, label = to_unit(data["image"]), data["label"]
    noise = fused.noise(StepSeed(0, 0), 8)
    ours = backend.player_gradients(fused, x, label, noise)
    theirs = backend.player_gradients(straightforward, x, label, noise)
    for got, expected in zip(ours[:2], theirs[:2], strict=True):
        assert set(got) == set(expected)
        for key in expected:
            assert float(got[key]) == pytest.approx(float(expected[key]), rel=1e-5, abs=1e-7), key
    assert list(ours[2]) == list(theirs[2]) == list(fused.players())
    for player, expected in theirs[2].items():
        for variable, one, other in zip(
            fused.players()[player], ours[2][player], expected, strict=True
        ):
            assert_near(one, other, 1e-5, f"{player}: {variable.path}")


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="counted on TensorFlow")
def test_arithmetic_of_a_step():
    """ACAI's step at depth 4, 8x8x3 images of one scale, per image."""
    counted = {}
    for fused in (True, False):
        model = make("acai", fused=fused)
        batch = {name: keras.ops.convert_to_tensor(v) for name, v in batch_of(8).items()}
        counted[fused] = work.flops(model.train_step, batch) / 8
    # Products of the networks as written: of a 1x1 convolution, 3x3 ones, and the probe.
    first, last = 64 * 3 * 4, 16 * 9 * 8 * 3
    encoder = 9 * (64 * (4 * 4 + 4 * 4) + 16 * 4 * 8) + last
    decoder = 9 * (16 * (3 * 4 + 4 * 4) + 64 * (4 * 4 + 4 * 3))
    probe = 48 * 10
    forward = 3 * (first + encoder) + 2 * decoder + probe
    # Backward: by all weights, and by all inputs but images; through the critic once more, from
    # the mixed image, for the autoencoder; the probe's input is nobody's.
    by_inputs = 3 * encoder + 2 * decoder
    again = encoder + first
    assert counted[False] == 2 * (2 * forward + by_inputs + again)
    assert counted[True] < 0.85 * counted[False]  # at depth 4 sums of kernels are a part of it


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="TensorFlow's loop ends otherwise")
@pytest.mark.parametrize("last", [8, 5])
def test_several_steps_at_once_take_all_batches(last):
    """Also where they are no multiple of them, and the last one is smaller."""
    model = make("baseline")
    model.steps_per_execution = 4
    counts = [8] * 5 + [last]
    model.fit((({**batch_of(count)},) for count in counts), verbose=0, shuffle=False)
    assert int(model.optimizer.iterations) == 6
    model.train_on_batch(batch_of(8))
    assert int(model.optimizer.iterations) == 7


class Rewritten(ACAI):
    """Objectives that do not use `discriminate`."""

    def objectives(self, x, label, noise):
        losses, logs = super().objectives(x, label, noise)
        losses["autoencoder"] += keras.ops.mean(self.critic.estimate(self.decoder(self.encoder(x))))
        return losses, logs


def test_which_models_share_a_backward_pass():
    assert make("acai").backward_passes() == [["autoencoder", "probe", "critic"]]
    assert make("acai", fused=False).backward_passes() == [["autoencoder"], ["probe"], ["critic"]]
    assert make("baseline").backward_passes() == [["autoencoder", "probe"]]
    model = make("acai")
    rewritten = Rewritten(model.encoder, model.decoder, classes=CLASSES)
    assert len(rewritten.backward_passes()) == 3


def test_a_seed_determines_everything(name):
    def trained(seed):
        model = make(name, seed)
        model.step(batch_of(8))
        return weights_of(model)

    one, same, other = trained(1), trained(1), trained(2)
    for path in one:
        np.testing.assert_array_equal(one[path], same[path])
    assert any(not np.array_equal(one[path], other[path]) for path in one)


def test_a_batch_of_one_and_an_odd_batch(name):
    model = make(name)
    for count in (1, 7):
        model.reset_metrics()
        logs = model.step(batch_of(count))
        assert all(np.isfinite(float(value)) for value in logs.values())
        assert np.isfinite(np.asarray(model.reconstruct(batch_of(count)["image"]))).all()


def test_saved_by_keras_and_loaded(name, tmp_path):
    model, images = make(name), batch_of(3)["image"]
    model.step(batch_of(8))
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")
    loaded, weights = keras.saving.load_model(tmp_path / "model.keras"), make(name, seed=5)
    assert int(loaded.optimizer.iterations) == 1
    weights.load_weights(tmp_path / "model.weights.h5")
    for again in (loaded, weights):
        np.testing.assert_array_equal(again.reconstruct(images), model.reconstruct(images))
    np.testing.assert_array_equal(loaded.classify(images), model.classify(images))


def test_compiled_methods_use_the_current_weights(name, monkeypatch):
    model = make(name)
    images = batch_of(5)["image"]
    reconstruct = model.compiled_method("reconstruct")
    interpolate = model.compiled_method("interpolate", steps=3, method="slerp")
    before = reconstruct(images)
    np.testing.assert_allclose(before, model.reconstruct(images), atol=1e-5)
    model.step(batch_of(8))
    after = reconstruct(images)
    assert isinstance(after, np.ndarray)
    assert not np.array_equal(after, before)
    np.testing.assert_allclose(after, model.reconstruct(images), atol=1e-5)
    path = model.interpolate(images, images[::-1], steps=3, method="slerp")
    np.testing.assert_allclose(interpolate(images, images[::-1]), path, atol=1e-4)
    assert model.compiled_method("reconstruct") is reconstruct
    monkeypatch.setattr(inference, "PART", 2 * SHAPE[0] * SHAPE[1])  # two images at a time
    model._compiled_methods.clear()
    np.testing.assert_allclose(model.compiled_method("reconstruct")(images), after, atol=1e-5)
    interpolate = model.compiled_method("interpolate", steps=3, method="slerp")
    np.testing.assert_allclose(interpolate(images, images[::-1]), path, atol=1e-4)


def test_get_config_makes_the_same_model(model):
    again = type(model).from_config(model.get_config())
    assert again.get_config() == model.get_config()
    assert {v.path: v.shape for v in again.weights} == {v.path: v.shape for v in model.weights}


def test_vae_codes_are_the_mean_unless_given_noise():
    model = make("vae")
    images = batch_of(4)["image"]
    epsilon = np.random.default_rng(0).normal(size=(4 * 200, model.code_size)).astype("float32")
    samples = np.asarray(model.encode(images.repeat(200, axis=0), epsilon=epsilon))
    samples = samples.reshape(4, 200, 4, 4, 3)
    deviation = samples.std(axis=1)
    np.testing.assert_array_equal(model.encode(images), model.encode(images))
    difference = np.abs(samples.mean(axis=1) - np.asarray(model.encode(images)))
    assert difference.max() < 5 * deviation.max() / 200**0.5
    assert deviation.min() > 0.1


def codebook(zero_debias):
    layer = Codebook(8, 2, zero_debias)
    start = np.asarray(layer.means).copy()
    near = np.array([[1.0, 2.0], [3.0, 4.0], [-1.0, 0.0]], np.float32)
    layer.update(near, np.array([2, 2, 5]))
    return layer, start, near


def test_a_codebook_started_without_bias_holds_means_of_its_vectors():
    layer, start, near = codebook(zero_debias=True)
    after = np.asarray(layer.means)
    np.testing.assert_allclose(after[2], near[:2].mean(0), rtol=1e-4)
    np.testing.assert_allclose(after[5], near[2], rtol=1e-4, atol=1e-4)
    unused = [0, 1, 3, 4, 6, 7]
    np.testing.assert_array_equal(after[unused], start[unused])
    # Two steps: each vector counts, the older by 0.999 of the newer.
    layer.update(near[:1], np.array([5]))
    expected = (0.999 * near[2] + near[0]) / 1.999
    np.testing.assert_allclose(np.asarray(layer.means)[5], expected, rtol=1e-4)


def test_the_originals_codebook_starts_with_a_bias():
    """(sums 0.999 e + 0.001 v) / (a smoothed count of 0.001): a thousandfold e, and v."""
    layer, start, near = codebook(zero_debias=False)
    after = np.asarray(layer.means)
    counts = np.zeros(8)
    counts[[2, 5]] = 0.002, 0.001
    smoothed = (counts + 1e-5) / (0.003 + 8e-5) * 0.003
    sums = 0.999 * start
    sums[2] += 0.001 * near[:2].sum(0)
    sums[5] += 0.001 * near[2]
    np.testing.assert_allclose(after, sums / smoothed[:, None], rtol=1e-4)
    assert np.abs(after[0]).max() > 1e4 * np.abs(start[0]).max()


def test_zero_debias_changes_the_codebook_alone():
    def stepped(zero_debias):
        config = Config(model="vqvae", depth=4, latent=3, z_log_size=4, zero_debias=zero_debias)
        seed_weights(0)
        model = build_model(config, SHAPE, CLASSES)
        model.compile(optimizer=adam(model, model.config.lr))
        model.step(batch_of(8))
        return weights_of(model)

    left, right = stepped(False), stepped(True)
    differ = {path for path in left if not np.array_equal(left[path], right[path])}
    assert differ == {"codebook/means", "codebook/ema_sums"}


def test_aae_discriminator_learns_at_its_own_rate():
    def first_step(**settings):
        config = Config(model="aae", depth=4, latent=3, latent_width=4, lr=1e-4, **settings)
        seed_weights(0)
        model = build_model(config, SHAPE, CLASSES)
        model.compile(optimizer=adam(model, model.config.lr))
        before = weights_of(model)
        model.step(batch_of(8))
        return {p: np.abs(w - before[p]).max() for p, w in weights_of(model).items()}

    same, faster = first_step(), first_step(adversary_lr=1e-3)
    for path in same:  # Adam's first step is as long as the learning rate
        expected = 1e-3 if path.startswith("discriminator/") else 1e-4
        assert faster[path] == pytest.approx(expected, rel=0.1), path
        assert same[path] == pytest.approx(1e-4, rel=0.1), path


def test_a_learning_rate_of_zero_stops_its_players_alone():
    model = build_model(Config(model="aae", depth=4, latent=3, lr=0.0), SHAPE, CLASSES)
    model.compile(optimizer=adam(model, model.config.lr))
    before = weights_of(model)
    model.step(batch_of(8))
    moved = {p for p, w in weights_of(model).items() if not np.array_equal(w, before[p])}
    assert moved == {v.path for v in model.players()["discriminator"]}


@pytest.mark.parametrize("sizes", ["", "100,", "0", "a", "10,-3", "99999999999"])
def test_bad_layer_sizes_are_refused(sizes):
    with pytest.raises(UsageError, match=r"--disc_layer_sizes.*layer sizes"):
        Config(disc_layer_sizes=sizes)


def test_bfloat16_is_for_convolutions_and_nothing_else(name):
    """Weights, codes, images and losses are float32, and near those of float32."""
    exact = make(name)
    rounded = make(name, dtype_policy="mixed_bfloat16")
    kinds = {layer.compute_dtype for layer in rounded.encoder.layers + rounded.decoder.layers}
    assert kinds == {"bfloat16", "float32"}
    assert {v.dtype for v in rounded.weights} == {"float32"}
    images = batch_of(8)["image"]
    # Of two codes of a codebook that are as near, rounding chooses.
    for method in ("encode",) if name == "vqvae" else ("encode", "reconstruct", "classify"):
        theirs, ours = (np.asarray(getattr(m, method)(images)) for m in (exact, rounded))
        assert ours.dtype == np.float32
        assert np.abs(ours - theirs).max() < 0.03 * np.abs(theirs).max()
    data = batch_of(8)
    theirs, ours = exact.step(data), rounded.step(data)
    for loss in theirs:
        assert float(ours[loss]) == pytest.approx(float(theirs[loss]), rel=0.03, abs=0.01), loss
    assert any(not np.array_equal(w, weights_of(exact)[p]) for p, w in weights_of(rounded).items())
    assert keras.config.dtype_policy().name == "float32"  # of everything else


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="keras.distribution")
def test_two_devices_take_the_step_of_one(name, monkeypatch):
    """On JAX a batch over two devices is one batch: partners, codebook and all."""
    golden = Golden(name)
    with distribution.distribute(Config(batch=len(golden.x))):
        assert keras.distribution.distribution() is not None
        model = golden.model()
        monkeypatch.setattr(model, "noise", lambda seed, batch: golden.noise)
        model.train_on_batch({"image": golden.x, "label": golden.label})
        assert len(model.encoder.weights[0].value.devices()) == 2
    golden.check_weights(model, 1)


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="keras.distribution")
def test_a_batch_that_two_devices_cannot_share_is_refused():
    says = "cannot be shared evenly by 2 devices"
    with pytest.raises(UsageError, match=says), distribution.distribute(Config(batch=7)):
        pass


def test_an_unknown_model_lists_the_known_ones():
    with pytest.raises(UsageError, match=f"known: {', '.join(MODELS)}"):
        build_model(Config(model="gan"), SHAPE, CLASSES)


def test_a_setting_that_is_not_read_is_refused():
    with pytest.raises(UsageError, match="baseline does not read --advweight"):
        build_model(Config(model="baseline", advweight=1.0), SHAPE, CLASSES)


@pytest.mark.parametrize(("advdepth", "channels"), [(0, 4), (7, 7)])
def test_advdepth_sets_the_critics_width(advdepth, channels):
    config = Config(model="acai", depth=4, latent=3, advdepth=advdepth)
    model = build_model(config, SHAPE, CLASSES)
    assert model.critic.network.layers[0].kernel.shape == (1, 1, 3, channels)
    assert model.encoder.layers[0].kernel.shape == (1, 1, 3, 4)


def test_acai_partners_are_the_batch_in_reverse():
    """With alpha folded to 0, x_alpha is the decoded partner itself."""
    model = make("acai")
    x = batch_of(4, "float32")["image"]
    seen = []
    network = model.critic.network
    original = network.call
    network.call = lambda images, **kwargs: seen.append(images) or original(images, **kwargs)
    noise = {"bottleneck": {}, "critic": {"uniform": np.zeros((4, 1, 1, 1), np.float32)}}
    model.objectives(x, np.zeros(4, int), noise)
    np.testing.assert_allclose(seen[0], model.reconstruct(x[::-1]), atol=1e-6)


def test_float_images_in_0_to_1_are_warned_of_once():
    unit = np.random.default_rng(0).random((2, *SHAPE))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for images in (2 * unit - 1, unit - 0.01, 1.5 * unit, 0 * unit, np.uint8(unit)):
            inference.check_images(images, SHAPE)
        assert not caught
        for _ in range(2):
            inference.check_images(unit, SHAPE)
    assert len(caught) == 1
    assert "[-1, 1]" in str(caught[0].message)
