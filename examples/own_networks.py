"""Networks of your own in a run of train.py, named by their dotted path.

    PYTHONPATH=examples python train.py --dataset=digits --model=acai --latent=16 \
        --networks="own_networks:build(width=32)" --total_kimg=32 --lr=1e-3
    python examples/own_networks.py        # the same from Python

A minute on two cores. The run has everything that runs have: it resumes, reports, is exported and
evaluated. At the end it prints how well a linear classifier reads the class from the codes (about
90 of 100).
"""

import keras
from keras import layers

import acai_tf


def build(image_shape, latent, width=16):
    """Strided convolutions around a flat code of `latent` numbers.

    train.py calls this with image_shape and whichever of depth, latent, latent_width and fused it
    names; other arguments, width here, come from --networks.
    """
    height, rest = divmod(image_shape[0], 4)
    if rest or image_shape[1] % 4:
        raise ValueError(f"height and width must be multiples of 4, got {image_shape}")
    small = (height, image_shape[1] // 4, 2 * width)
    encoder = keras.Sequential(
        [
            keras.Input(image_shape),
            layers.Conv2D(width, 4, strides=2, padding="same", activation="silu"),
            layers.Conv2D(2 * width, 4, strides=2, padding="same", activation="silu"),
            layers.Flatten(),
            layers.Dense(latent),
        ]
    )
    decoder = keras.Sequential(
        [
            keras.Input((latent,)),
            layers.Dense(small[0] * small[1] * small[2], activation="silu"),
            layers.Reshape(small),
            layers.Conv2DTranspose(width, 4, strides=2, padding="same", activation="silu"),
            layers.Conv2DTranspose(image_shape[-1], 4, strides=2, padding="same"),
        ]
    )
    return encoder, decoder


def main(kimg: int = 32, width: int = 32, run_dir: str = "runs/digits/own-networks") -> None:
    acai_tf.train(
        dataset="digits",
        model="acai",
        latent=16,
        networks=f"own_networks:build(width={width})",
        lr=1e-3,
        total_kimg=kimg,
        report_kimg=kimg,
        run_dir=run_dir,
    )
    scores = acai_tf.evaluate(run_dir, ["linear"])
    print(f"a linear classifier on the codes: {scores['linear_accuracy_100']:.3f}")


if __name__ == "__main__":
    main()
