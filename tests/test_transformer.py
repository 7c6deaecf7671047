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

TINY = LatentTransformer(model="baseline", kimg=0.1, depth=2, latent=1, batch=16)
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


def test_images_are_placed_in_the_middle_and_come_back():
    rng = np.random.default_rng(0)
    X = rng.uniform(5, 9, (6, 7 * 5 * 3))
    transformer = LatentTransformer(model="baseline", kimg=0.01, depth=1, image_shape=(7, 5, 3))
    transformer.fit(X)
    images = transformer._images(X, 8)
    assert images.shape == (6, 8, 8, 3)
    picture = images[:, 0:7, 1:6]
    low, high = transformer.value_range_
    np.testing.assert_allclose(
        (picture + 1) / 2 * (high - low) + low, X.reshape(6, 7, 5, 3), atol=1e-5
    )
    picture[:] = -1
    assert np.all(images == -1)


def test_a_shape_that_is_not_that_of_the_features():
    with pytest.raises(ValueError, match=r"image_shape=\(4, 4, 1\) is not that of 10 features"):
        LatentTransformer(image_shape=(4, 4, 1)).fit(np.zeros((3, 10)))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"value_range": (16, 0)}, "black < white"),
        ({"value_range": (0, float("nan"))}, "black < white"),
        ({"kimg": 0}, "kimg must be greater than 0"),
        ({"model": "gan"}, "known: baseline"),
    ],
)
def test_settings_that_make_no_sense(settings, says):
    with pytest.raises(ValueError, match=says):
        LatentTransformer(**settings).fit(np.eye(9))


def test_a_fitted_transformer_is_as_it_was_fitted():
    transformer = LatentTransformer(model="baseline", kimg=0.01, depth=1).fit(np.eye(64))
    z = transformer.transform(np.eye(64))
    np.testing.assert_array_equal(transformer.set_params(latent_width=8).transform(np.eye(64)), z)
    with pytest.raises(ValueError, match=r"codes are \[N, 32\], these are \[3, 64\]"):
        transformer.inverse_transform(np.zeros((3, 64)))
