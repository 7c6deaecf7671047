"""ACAI's critic on a variational autoencoder made of plain Keras networks.

    python examples/critic_on_a_vae.py

About two minutes on two cores. It trains a VAE on scikit-learn's digits twice, with the critic and
without, and prints the path between two test images, decoded by each. Without the critic the middle
of the path is blurred; with it every image on the path has clear strokes.
"""

import keras
import numpy as np
from keras import layers

import acai_tf

SHADES = " .:-=+*#%@"  # from black to white


def networks(code_size: int = 16):
    """Encoder and decoder: any Keras models whose shapes fit will do."""
    encoder = keras.Sequential(
        [
            keras.Input((16, 16, 1)),
            layers.Conv2D(32, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2D(64, 3, strides=2, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dense(code_size),
        ]
    )
    decoder = keras.Sequential(
        [
            keras.Input((code_size,)),
            layers.Dense(4 * 4 * 64, activation="relu"),
            layers.Reshape((4, 4, 64)),
            layers.Conv2DTranspose(32, 3, strides=2, padding="same", activation="relu"),
            layers.Conv2DTranspose(1, 3, strides=2, padding="same"),
        ]
    )
    return encoder, decoder


def main(epochs: int = 100) -> None:
    data = acai_tf.load_dataset(dataset="digits", image_size=16)
    start, end = data.test_images[:1], data.test_images[5:6]
    for regularizers in ([], [acai_tf.InterpolationCritic(weight=0.5)]):
        model = acai_tf.VAE(*networks(), regularizers=regularizers)
        model.compile(optimizer=keras.optimizers.Adam(1e-3))
        model.fit(data.train_images, batch_size=64, epochs=epochs, verbose=0)
        path = model.interpolate(start, end, steps=5)  # [5, 1, 16, 16, 1], about [-1, 1]
        print("\nwith the critic" if regularizers else "\nwithout a critic")
        print(as_text(np.concatenate(path[:, 0], axis=1)))


def as_text(image: np.ndarray) -> str:
    """An image [H, W, 1] in [-1, 1] as lines of characters."""
    levels = np.round((np.clip(image[..., 0], -1, 1) + 1) / 2 * (len(SHADES) - 1)).astype(int)
    return "\n".join("".join(SHADES[level] for level in row) for row in levels)


if __name__ == "__main__":
    main()
