"""An autoencoder as any other Keras model: compile, fit, evaluate, predict, save, load_model.

    python examples/plain_keras.py

Half a minute on two cores. There is no run folder and no configuration: arrays go in, Keras'
callbacks work, and the file that `save` writes is a Keras file. It prints the error on test images
(root mean squared, 0..255; about 35), the accuracy of the linear probe that is trained along (about
0.88), and that the loaded model reconstructs the same images.
"""

import os
import tempfile

import keras
import numpy as np
from keras import layers
from sklearn.datasets import load_digits

import acai_tf


def main(epochs: int = 100) -> None:
    X, y = load_digits(return_X_y=True)
    images = (X.reshape(-1, 8, 8, 1) * (255 / 16)).astype(np.uint8)  # or float in [-1, 1]
    train, test = slice(0, 1437), slice(1437, None)

    encoder = keras.Sequential(
        [keras.Input((8, 8, 1)), layers.Flatten(), layers.Dense(128, "relu"), layers.Dense(10)]
    )
    decoder = keras.Sequential(
        [keras.Input((10,)), layers.Dense(128, "relu"), layers.Dense(64), layers.Reshape((8, 8, 1))]
    )
    model = acai_tf.ACAI(encoder, decoder, classes=10)  # with classes it has a probe
    model.compile(optimizer=keras.optimizers.Adam(2e-3))
    model.fit(
        images[train],
        y[train],
        batch_size=64,
        epochs=epochs,
        validation_data=(images[test], y[test]),
        callbacks=[keras.callbacks.EarlyStopping("val_rmse", patience=15, mode="min")],
        verbose=2,
    )
    scores = model.evaluate(images[test], y[test], verbose=0, return_dict=True)
    print(f"rmse {scores['rmse']:.1f}, probe accuracy {scores['probe_accuracy']:.3f}")

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "digits.keras")
        model.save(path)
        loaded = keras.saving.load_model(path)
    reconstructions = model.predict(images[test], verbose=0)  # float32, about [-1, 1]
    same = np.array_equal(loaded.predict(images[test], verbose=0), reconstructions)
    print(f"loaded again: {'the same reconstructions' if same else 'other reconstructions'}")


if __name__ == "__main__":
    main()
