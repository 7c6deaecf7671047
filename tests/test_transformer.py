"""The scikit-learn transformer: scikit-learn's estimator checks, and codes in a pipeline."""

import pickle
import random

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

from acai_tf import LatentTransformer
from acai_tf.training.rows import Signals

TINY = LatentTransformer(model="baseline", kimg=0.1, depth=2, latent=1, batch=16)
SMALL = {"kimg": 4, "depth": 4, "latent_width": 8, "lr": 5e-3}
SEEN_ALWAYS = {
    *("check_estimator_cloneable", "check_no_attributes_set_in_init", "check_estimators_unfitted"),
    *("check_estimators_nan_inf", "check_transformers_unfitted", "check_fit2d_1sample"),
    "check_n_features_in",
}


def checks():
    for estimator, check in estimator_checks_generator(TINY):
        name = check.func.__name__
        marks = () if name in SEEN_ALWAYS else pytest.mark.slow
        yield pytest.param(estimator, check, id=name, marks=marks)


@pytest.mark.parametrize(("estimator", "check"), list(checks()))
def test_what_scikit_learn_expects(estimator, check):
    check(estimator)


def test_codes_in_a_pipeline():
    X, y = load_digits(return_X_y=True)
    train, test = slice(0, 1400), slice(1400, None)
    codes = LatentTransformer(model="baseline", kimg=32, depth=4, value_range=(0, 16))
    state = random.getstate(), np.random.get_state()[1].copy()
    pipe = make_pipeline(codes, StandardScaler(), LogisticRegression(max_iter=500))
    pipe.fit(X[train], y[train])
    assert random.getstate() == state[0]  # the caller's generators are left alone
    np.testing.assert_array_equal(np.random.get_state()[1], state[1])
    assert pipe.score(X[test], y[test]) > 0.8
    z = codes.transform(X[test])
    assert z.shape == (397, 32)
    assert codes.get_feature_names_out()[-1] == "latenttransformer31"
    again = codes.inverse_transform(z)
    assert again.shape == X[test].shape
    assert again.min() >= 0
    assert again.max() <= 16
    error = np.sqrt(np.mean((again - X[test]) ** 2))
    assert error < 0.85 * np.std(X[test] - X[train].mean(0))  # better than the mean image
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(codes)).transform(X[test]), z)
    with pytest.raises(ValueError, match=r"codes are \[N, 32\], these are \[397, 64\]"):
        codes.inverse_transform(X[test])
    codes.set_params(latent_width=8)  # it stays as it was fitted
    np.testing.assert_array_equal(codes.transform(X[test]), z)


def test_images_are_placed_in_the_middle_and_come_back():
    rng = np.random.default_rng(0)
    X = rng.uniform(5, 9, (6, 7 * 5 * 3))
    transformer = LatentTransformer(model="baseline", kimg=0.01, depth=1, image_shape=(7, 5, 3))
    transformer.fit(X)
    images = transformer._rows.elements(X, 8)
    assert images.shape == (6, 8, 8, 3)
    picture = images[:, 0:7, 1:6]
    low, high = transformer.value_range_
    np.testing.assert_allclose(
        (picture + 1) / 2 * (high - low) + low, X.reshape(6, 7, 5, 3), atol=1e-5
    )
    picture[:] = -1
    assert np.all(images == -1)


def test_signals_in_any_unit_come_back():
    """Two channels of ten samples, which networks see as sixteen."""
    t = np.arange(10) / 10 + np.random.default_rng(0).random((64, 1))
    wave = 2 * np.pi * t
    X = np.stack([36 + np.sin(wave), 900 + 80 * np.cos(wave)], axis=-1).reshape(64, 20)
    codes = LatentTransformer("baseline", image_shape=(10, 2), **SMALL).fit(X)
    channels = X.reshape(-1, 2)
    np.testing.assert_allclose(codes.value_range_, [channels.min(0), channels.max(0)])
    padded = codes._rows.elements(X, 16)
    np.testing.assert_array_equal(padded[:, 9:], padded[:, 9:10].repeat(7, 1))  # the last sample
    again = codes.inverse_transform(codes.transform(X))
    error = np.sqrt(np.mean((again - X).reshape(-1, 2) ** 2, axis=0))
    assert (error < 0.5 * channels.std(0)).all()  # in each channel's unit
    same = pickle.loads(pickle.dumps(codes))
    np.testing.assert_array_equal(same.inverse_transform(same.transform(X)), again)
    offset, factor = Signals((10, 2), 0, [40, 1000]).units
    np.testing.assert_array_equal([offset, factor], [[20, 500], [20, 500]])


def test_tokens_come_back_as_tokens():
    """Of 6 values, of which `fit` sees 4; rows of 10 are read as 16."""
    X = np.array([[0] * 5 + [1] * 5, [2] * 5 + [3] * 5] * 32)
    codes = LatentTransformer("baseline", image_shape=(10,), value_range=(0, 5), **SMALL).fit(X)
    assert codes.model_.network_shape == (16, 6)
    Z = codes.transform(X.astype(float))
    again = codes.inverse_transform(Z)
    assert again.dtype.kind == "i"
    assert np.mean(again == X) > 0.9
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(codes)).inverse_transform(Z), again)
    for bad in (X + 0.5, X - 1, X + 3):
        with pytest.raises(ValueError, match="whole numbers from 0 to 5"):
            codes.transform(bad)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"value_range": (16, 0)}, "low < high"),
        ({"value_range": (0, float("nan"))}, "low < high"),
        ({"kimg": 0}, "kimg must be greater than 0"),
        ({"model": "gan"}, "known: baseline"),
        ({"image_shape": (2, 2, 1)}, r"image_shape=\(2, 2, 1\) is not that of 9 features"),
        ({"image_shape": (3, 3, 1, 1)}, "of tokens"),
        ({"image_shape": (9,), "value_range": (1, 2)}, "whole numbers from 0"),
    ],
)
def test_settings_that_make_no_sense(settings, says):
    with pytest.raises(ValueError, match=says):
        LatentTransformer(**settings).fit(np.eye(9))
