"""Linear probe: a linear classifier of frozen codes, and their information on the class."""

import sys
import warnings

import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from acai_tf.errors import CannotEvaluate
from acai_tf.evaluation.context import Context

FRACTIONS = (0.01, 0.1, 1.0)  # of the training labels
STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0, 10.0)  # of the data relative to the L2 penalty
ITERATIONS = 100  # at most; a weak penalty on few images would take more, to no benefit
HELD_OUT = 0.2  # of the labels in use, to choose the strength
SCORES = {
    "linear_accuracy_1": ("linear probe, 1% of labels, %", "higher"),
    "linear_accuracy_1_std": ("std over draws of 1% of labels, %", ""),
    "linear_accuracy_10": ("linear probe, 10% of labels, %", "higher"),
    "linear_accuracy_10_std": ("std over draws of 10% of labels, %", ""),
    "linear_accuracy_100": ("linear probe, %", "higher"),
    "linear_accuracy_100_std": ("linear probe, std over held-out parts, %", ""),
    "linear_information_bits": ("information about the class, bits", "higher"),
}


def evaluate(context: Context, seeds: int = 3) -> dict[str, float]:
    """Multinomial logistic regression on frozen codes, scored on the test set.

    Codes of the first 60,000 training images are standardized (mean and standard deviation of
    each dimension). For each fraction of the labels and each of 3 random draws of images: hold out
    a fifth of them, choose the L2 penalty of lowest cross-entropy there, and fit again on the whole
    draw. The test set is scored once, by that fit; mean and population standard deviation are over
    draws. Fractions with fewer than ten images per class, or a draw of one class only, are left
    out. (With all labels every draw is the same; the part held out differs.)

    The cross-entropy CE of the last fit, in bits, gives a lower bound on a code's information:
    I(code; class) >= H(class) - CE (Barber and Agakov 2003).
    """
    context.check_classes()
    train, test = standardise(context.train_codes, context.test_codes)
    label, test_label = context.train_labels, context.dataset.test_labels
    values = {}
    enough = [f for f in FRACTIONS if round(f * len(train)) >= 10 * context.dataset.classes]
    quiet = not sys.stderr.isatty()
    # More than one thread slows a fit down: its products are small.
    with (
        threadpool_limits(1, "blas"),
        tqdm(total=len(enough) * seeds, desc="linear probe", unit="fit", disable=quiet) as bar,
    ):
        for fraction in enough:
            accuracies, bits = [], []
            for seed in range(seeds):
                chosen = np.random.default_rng(seed).permutation(len(train))
                chosen = chosen[: round(fraction * len(train))]
                probe = fit(train[chosen], label[chosen])
                if probe is not None:
                    accuracies.append(probe.score(test, test_label))
                    bits.append(information(probe, test, test_label))
                bar.update()
            if len(accuracies) == seeds:
                name = f"linear_accuracy_{100 * fraction:g}"
                values[name] = float(np.mean(accuracies))
                values[f"{name}_std"] = float(np.std(accuracies))
                values["linear_information_bits"] = float(np.mean(bits))
    if not values:
        raise CannotEvaluate(
            f"{len(train)} training images are too few for {context.dataset.classes} classes"
        )
    return values


def standardise(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Codes [N, d] and [M, d] with mean 0 and standard deviation 1 in each dimension of `train`."""
    from sklearn.preprocessing import StandardScaler  # takes seconds to import

    scaler = StandardScaler().fit(train)
    return scaler.transform(train), scaler.transform(test)


def fit(codes: np.ndarray, label: np.ndarray):
    """A fitted `sklearn.linear_model.LogisticRegression` of codes [N, d], in random order, and
    labels [N], with the L2 penalty chosen on a fifth of them; None if they have only one class."""
    from sklearn.exceptions import ConvergenceWarning  # takes seconds to import
    from sklearn.linear_model import LogisticRegression

    held_out = max(1, round(HELD_OUT * len(codes)))
    rest, rest_label = codes[held_out:], label[held_out:]
    if len(np.unique(rest_label)) < 2:
        return None
    # From the strongest penalty on, each fit starts from the previous one.
    probe = LogisticRegression(max_iter=ITERATIONS, warm_start=True)
    losses = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # intended, see ITERATIONS
        for strength in STRENGTHS:
            probe.set_params(C=strength).fit(rest, rest_label)
            losses.append(cross_entropy(probe, codes[:held_out], label[:held_out]))
        best = STRENGTHS[int(np.argmin(losses))]
        return LogisticRegression(C=best, max_iter=ITERATIONS).fit(codes, label)


def cross_entropy(probe, codes: np.ndarray, label: np.ndarray) -> float:
    """Mean -log p(class | code) in nats; p is at least 1e-12, also of classes never seen."""
    p = np.full((len(codes), max(label.max(), probe.classes_.max()) + 1), 1e-12)
    p[:, probe.classes_] = np.maximum(probe.predict_proba(codes), 1e-12)
    return float(-np.mean(np.log(p[np.arange(len(label)), label])))


def information(probe, codes: np.ndarray, label: np.ndarray) -> float:
    """H(class) - cross-entropy in bits: a lower bound on a code's information."""
    share = np.bincount(label) / len(label)
    entropy = -np.sum(share[share > 0] * np.log(share[share > 0]))
    return float((entropy - cross_entropy(probe, codes, label)) / np.log(2))
