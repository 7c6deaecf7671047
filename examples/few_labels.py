"""Few labels: codes of a pretrained model in scikit-learn's pipeline, against raw pixels.

    python examples/few_labels.py            # MNIST, which tfds downloads
    python examples/few_labels.py digits     # scikit-learn's digits: no download, less of a gap

A minute on two cores, once the images are there. A logistic regression learns from a hundredth of
MNIST's labels, 600, on the 32 numbers of acai/mnist-d32's codes and on the 1,024 pixels, and prints
both accuracies on the test set: about 94 against 85 of 100.
"""

import sys

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import acai_tf


def main(dataset: str = "mnist", labels: int = 600, **settings) -> dict[str, float]:
    data = acai_tf.load_dataset(dataset=dataset, **settings)
    model = acai_tf.load("acai/mnist-d32")
    encode = model.compiled_method("encode")  # as model.encode, for any number of images

    def codes(images):
        return encode(images).reshape(len(images), -1)

    def pixels(images):
        return images.reshape(len(images), -1) / 255

    chosen = np.random.default_rng(0).permutation(len(data.train_labels))[:labels]
    images, classes = data.train_images[np.sort(chosen)], data.train_labels[np.sort(chosen)]
    accuracy = {}
    for features in (codes, pixels):
        pipeline = make_pipeline(
            FunctionTransformer(features),
            StandardScaler(),
            LogisticRegression(C=0.1, max_iter=1000),
        )
        pipeline.fit(images, classes)
        accuracy[features.__name__] = pipeline.score(data.test_images, data.test_labels)
        print(f"{labels} labels, {features.__name__}: {accuracy[features.__name__]:.3f}")
    return accuracy


if __name__ == "__main__":
    main(*sys.argv[1:2])
