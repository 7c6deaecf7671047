"""Samplers: draws by hand, fits of known distributions, files and exports."""

import types

import keras
import numpy as np
import pytest

import acai_tf
from acai_tf.errors import UsageError
from acai_tf.models import samplers
from tests.test_models import batch_of, make

needs_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="a SavedModel is TensorFlow's"
)
INDEX = np.array([[0, 1, 5], [0, 2, 6], [3, 4, 5], [0, 1, 7]])


def draw(sampler, uniform, normal=()):
    uniform = np.asarray(uniform, np.float32)
    normal = np.asarray(normal, np.float32).reshape(len(uniform), -1)
    return keras.ops.convert_to_numpy(sampler.draw(uniform, normal))


def test_a_draw_of_a_mixture_by_hand():
    """uniform chooses the component, up to its edges; normal becomes mean + L normal."""
    factor = [[[1, 0], [0, 1]], [[2, 0], [3, 4]]]
    mixture = acai_tf.Mixture([0.25, 0.75], [[0, 0], [10, 20]], factor, (1, 2))
    uniform = [[0], [0.2499], [0.25], [0.9999], [1]]
    drawn = draw(mixture, uniform, [[1, -1]] * 5)
    assert drawn.shape == (5, 1, 2)
    # L (1, -1) = (2, 3 - 4)
    np.testing.assert_allclose(drawn[:, 0], [[1, -1], [1, -1], [12, 19], [12, 19], [12, 19]])


def test_a_fit_finds_a_known_mixture():
    rng, few = np.random.default_rng(0), 1500
    factor = np.array([[2, 0], [1.5, 0.5]])
    codes = np.concatenate(
        [[100, -3] + rng.normal(size=(2 * few, 2)) @ factor.T, rng.normal(size=(few, 2))]
    )
    mixture = acai_tf.Mixture.fit(codes, components=2)
    order = np.argsort(-mixture.weight)
    np.testing.assert_allclose(mixture.weight[order], [2 / 3, 1 / 3], atol=0.03)
    np.testing.assert_allclose(mixture.mean[order], [[100, -3], [0, 0]], atol=0.15)
    covariance = mixture.factor[order] @ mixture.factor[order].swapaxes(1, 2)
    np.testing.assert_allclose(covariance, [factor @ factor.T, np.eye(2)], atol=0.25)
    drawn = mixture.sample(3000)
    np.testing.assert_allclose(drawn.mean(0), codes.mean(0), atol=3)
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(codes.T), rtol=0.1)


def test_values_that_do_not_vary_stay():
    codes = np.random.default_rng(0).normal(size=(200, 2, 2, 1)).astype(np.float32)
    codes[:, 0, 1], codes[:, 1, 1] = 7, 1000 + 0.01 * codes[:, 1, 1]
    drawn = acai_tf.Mixture.fit(codes).sample(1000)
    np.testing.assert_allclose(drawn[:, 0, 1], 7, atol=0.01)
    assert drawn[:, 1, 1].std() == pytest.approx(0.01, rel=0.2)
    constant = np.full((50, 3), -2.0)
    np.testing.assert_allclose(acai_tf.Mixture.fit(constant).sample(100), -2, atol=0.01)


@pytest.mark.parametrize("count", [2, 3, 7])
def test_fewer_codes_than_components(count):
    codes = np.random.default_rng(0).normal(size=(count, 4))
    mixture = acai_tf.Mixture.fit(codes)
    assert len(mixture.weight) <= count
    assert np.isfinite(mixture.sample(20)).all()


def test_covariances_follow_the_likelihood():
    """Diagonal where codes are too few for d (d + 1) / 2 numbers, full where values correlate."""
    off_diagonal = ~np.eye(30, dtype=bool)
    few = acai_tf.Mixture.fit(np.random.default_rng(0).normal(size=(60, 30)), components=2)
    assert (few.factor[:, off_diagonal] == 0).all()
    codes = np.random.default_rng(0).normal(size=(1500, 1)) + np.zeros(30)
    codes += np.random.default_rng(1).normal(size=codes.shape)
    assert (acai_tf.Mixture.fit(codes, components=1).factor[:, off_diagonal] != 0).any()


def test_a_chain_of_indices_by_hand():
    """Of rows 0, 1 and 3, which begin with 0, the middle third of [0, 1) is row 1; and so on."""
    codebook = acai_tf.IndexChain(INDEX)
    uniform = [[0, 0, 0], [0.3, 0.34, 0.5], [0.5, 0.9, 0.9], [0.99, 0.67, 0.51], [1, 1, 1]]
    expected = [[0, 1, 5], [0, 2, 6], [3, 4, 5], [0, 1, 7], [0, 1, 7]]
    np.testing.assert_array_equal(draw(codebook, uniform), expected)


def test_pairs_of_indices_occur_in_training_as_often():
    index = np.random.default_rng(0).integers(0, 5, (40, 4)) ** 2
    drawn = acai_tf.IndexChain(index).sample(2000)
    for i in range(3):
        seen = {tuple(pair) for pair in index[:, i : i + 2]}
        assert {tuple(pair) for pair in drawn[:, i : i + 2]} <= seen
    drawn = acai_tf.IndexChain(INDEX).sample(20_000)
    found = [np.mean((drawn == row).all(1)) for row in ([0, 1, 5], [0, 1, 7], [0, 2, 6], [3, 4, 5])]
    # p(0) p(1 | 0) p(5 | 1) = 3/4 2/3 1/2, ...
    np.testing.assert_allclose(found, [1 / 4, 1 / 4, 1 / 4, 1 / 4], atol=0.015)
    drawn = acai_tf.IndexChain([[0, 1], [0, 1], [0, 2], [3, 4]]).sample(20_000)
    found = [np.mean((drawn == row).all(1)) for row in ([0, 1], [0, 2], [3, 4])]
    np.testing.assert_allclose(found, [1 / 2, 1 / 4, 1 / 4], atol=0.015)


def test_the_prior_is_a_unit_normal():
    drawn = acai_tf.Prior((2, 2, 3)).sample(5000).reshape(5000, -1)
    np.testing.assert_allclose(drawn.mean(0), 0, atol=0.06)
    np.testing.assert_allclose(np.cov(drawn.T), np.eye(12), atol=0.08)


@pytest.mark.parametrize(
    "codes", [np.zeros((1, 4)), np.array([[0.0], [np.nan]]), np.array([[0.0], [np.inf]])]
)
def test_codes_that_give_no_mixture_are_refused(codes):
    with pytest.raises(UsageError, match=r"at least 2|finite"):
        acai_tf.Mixture.fit(codes)


def test_what_cannot_be_sampled_is_refused():
    model = make("baseline", compiled=False)
    for words, says in (
        ((0,), "at least 1"),
        ((2.0,), "whole number"),
        ((2, "normal"), "unknown sampler 'normal'; known: prior, fitted"),
        ((2, 7), "unknown sampler 7"),
        ((2, "fitted"), "fit_sampler"),
        ((2, acai_tf.IndexChain(INDEX)), "no codebook"),
        ((2, acai_tf.Prior((3,))), "decodes latents"),
        ((2, None, -1), "seed"),
        ((2, None, 1.5), "seed"),
    ):
        with pytest.raises(UsageError, match=says):
            model.sample(*words)
    with pytest.raises(UsageError, match="at least 2"):
        model.fit_sampler(batch_of(1)["image"])
    with pytest.raises(UsageError, match="no images"):
        model.fit_sampler(batch_of(1)["image"][:0])


def test_training_removes_the_sampler():
    """It is of the weights before."""
    model = make("baseline")
    images = batch_of(12)["image"]
    model.fit_sampler(images)
    model.fit(images, batch_of(12)["label"], batch_size=4, epochs=1, verbose=0)
    assert model.sampler is None


def test_a_sampler_of_ones_own_is_not_written(tmp_path):
    class Mine(acai_tf.Sampler):
        pass

    with pytest.raises(UsageError, match="Mine"):
        samplers.save(Mine(), tmp_path / "sampler.npz")
    assert not list(tmp_path.iterdir())


def test_indices_decode_to_the_reconstruction():
    model = make("vqvae", compiled=False)
    images = batch_of(6)["image"]
    index = np.asarray(model.encode_indices(images))
    assert index.shape == (6, model.bottleneck.num_latents)
    assert np.issubdtype(index.dtype, np.integer)
    np.testing.assert_allclose(model.decode_indices(index), model.reconstruct(images), atol=1e-6)
    for bad in (index[:, 1:], index.astype(float), index - 10**6, index + 10**6, index.tolist()):
        with pytest.raises(UsageError, match="decodes indices"):
            model.decode_indices(bad)
    other = make("baseline", compiled=False)
    with pytest.raises(UsageError, match="no codebook"):
        other.encode_indices(images)
    with pytest.raises(UsageError, match="no codebook"):
        other.decode_indices(index)


def assert_same(one, other):
    assert type(one) is type(other)
    assert one.arrays().keys() == other.arrays().keys()
    for name, array in one.arrays().items():
        np.testing.assert_array_equal(array, other.arrays()[name])


@pytest.mark.parametrize(
    "sampler",
    [
        acai_tf.Prior((4, 4, 3)),
        acai_tf.Mixture([1], [[1, 2]], [[[1, 0], [2, 3]]], (1, 2)),
        acai_tf.IndexChain(INDEX),
    ],
    ids=lambda one: type(one).__name__,
)
def test_a_file_gives_the_sampler_back(sampler, tmp_path):
    path = tmp_path / "sampler.npz"
    assert samplers.load(path) is None
    samplers.save(sampler, path)
    found = samplers.load(path)
    assert_same(found, sampler)
    np.testing.assert_array_equal(found.sample(9, seed=3), sampler.sample(9, seed=3))
    whole = path.read_bytes()
    middle = len(whole) // 3
    damaged = [b"", b"?" * 50, whole[:-9], whole[:middle] + bytes(20) + whole[middle + 20 :]]
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(UsageError, match=r"sampler\.npz cannot be read"):
            samplers.load(path)


@pytest.mark.parametrize(
    "arrays",
    [
        {"kind": "Sampler"},
        {"kind": "Prior"},
        {"kind": "Prior", "shape": [2], "index": [1]},
        {"kind": "Mixture", "weight": [1], "mean": [1, 2], "factor": [1], "shape": [2]},
        {"kind": "IndexChain", "index": np.zeros((0, 3), int)},
        {"kind": "IndexChain", "index": [1, 2]},
    ],
)
def test_a_file_of_something_else_is_refused(arrays, tmp_path):
    np.savez(tmp_path / "sampler.npz", **arrays)
    with pytest.raises(UsageError, match=r"sampler\.npz cannot be read"):
        samplers.load(tmp_path / "sampler.npz")


@pytest.fixture(
    scope="module",
    params=["vqvae", *(pytest.param(n, marks=pytest.mark.slow) for n in ("baseline", "vae"))],
)
def exported(request, tmp_path_factory):
    """A model with a sampler, and its export in the formats that acai_tf loads."""
    from acai_tf.export.write import export

    model = make(request.param, compiled=False)
    model.fit_sampler(batch_of(12)["image"])
    if request.param == "vqvae":
        model.sampler = acai_tf.IndexChain(model.encode_indices(batch_of(12)["image"]))
    if request.param == "vae":
        model.sampler = acai_tf.Prior(model.latent_shape)
    formats = ("weights", "keras", *(["saved_model"] * (keras.backend.backend() == "tensorflow")))
    folder = export(model, tmp_path_factory.mktemp("exported") / "export", formats)
    return types.SimpleNamespace(model=model, folder=folder)


@needs_tensorflow
def test_the_signature_decodes_draws_of_its_noise(exported):
    """With TensorFlow alone; and `sample` of the loaded export gives the model's images."""
    import tensorflow as tf

    model = exported.model
    function = tf.saved_model.load(str(exported.folder)).signatures["sample"]
    images = function(n=tf.constant(5), seed=tf.constant(3))["images"]
    uniform = tf.random.stateless_uniform((5, model.sampler.uniforms), (3, 0))
    normal = tf.random.stateless_normal((5, model.sampler.normals), (3, 1))
    expected = getattr(model, model.sampler.decodes)(model.sampler.draw(uniform, normal))
    np.testing.assert_allclose(images, expected, atol=1e-5)
    other = function(n=tf.constant(5), seed=tf.constant(4))["images"]
    assert not np.allclose(images, other)
    loaded = acai_tf.load(exported.folder)
    for kind in (None, "prior"):
        np.testing.assert_allclose(loaded.sample(4, kind), model.sample(4, kind), atol=1e-5)
    images = batch_of(12)["image"]
    if model.discrete:
        index = loaded.encode_indices(images)
        np.testing.assert_array_equal(index, model.encode_indices(images))
        np.testing.assert_allclose(
            loaded.decode_indices(index), model.decode_indices(index), atol=1e-5
        )
        with pytest.raises(UsageError, match="decodes indices"):
            loaded.decode_indices(index[:, 1:])
    else:
        for method in (loaded.encode_indices, loaded.decode_indices):
            with pytest.raises(UsageError, match="no codebook"):
                method(images)


def test_weights_and_exports_of_exports_keep_the_sampler(exported, tmp_path):
    from acai_tf.export.write import export_run

    again = export_run(str(exported.folder), str(tmp_path / "weights"), ("weights",))
    files = export_run(str(again), str(tmp_path / "keras"), ("keras",))
    for folder in (exported.folder, again, files):
        loaded = acai_tf.load(folder, weights=True)
        assert_same(loaded.sampler, exported.model.sampler)
        np.testing.assert_allclose(loaded.sample(3), exported.model.sample(3), atol=1e-5)
    (again / "sampler.npz").write_bytes(b"?")
    with pytest.raises(UsageError, match=r"sampler\.npz cannot be read"):
        acai_tf.load(again)


def test_export_fits_a_sampler_to_the_training_images(tmp_path):
    from acai_tf.export.write import export, export_run
    from acai_tf.models import build_model

    config = acai_tf.Config(dataset="digits", image_size=16, depth=2, latent=2)
    data = acai_tf.load_dataset(config)
    model = build_model(config, data.image_shape, data.classes)
    plain = export(model, tmp_path / "plain", ("weights",))
    assert acai_tf.load(plain).sampler is None
    folder = export_run(str(plain), str(tmp_path / "out"), ("weights",), sampler=True)
    assert_same(acai_tf.load(folder).sampler, model.fit_sampler(data.train_images))
    export(acai_tf.load(plain), folder, ("weights",), overwrite=True)  # and none is left over
    assert acai_tf.load(folder).sampler is None
