"""A linear probe trained on frozen codes, and what it says of their information on the class."""

import sys
import warnings

import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from acai_tf.errors import CannotEvaluate
from acai_tf.evaluation.context import Context

FRACTIONS = (0.01, 0.1, 1.0)  # of the training labels
STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0, 10.0)  # of the data against the L2 penalty
ITERATIONS = 100  # at most; a weak penalty on few images takes more, for nothing
HELD_OUT = 0.2  # of the labels in use, to choose the strength on
SCORES = {
    name + suffix: (f"{what} with {100 * fraction:g}% of the labels{of}", better)
    for fraction in FRACTIONS
    for name, what in ((f"linear_accuracy_{100 * fraction:g}", "test accuracy of a linear probe"),)
    for suffix, of, better in (("", ", 0..1", "higher"), ("_std", ": its spread over draws", ""))
} | {"linear_information_bits": ("what codes tell of the class at least, bits", "higher")}


def evaluate(context: Context, seeds: int = 3) -> dict[str, float]:
    """Multinomial logistic regression on frozen codes, scored on the test set.

    Codes of the first 60,000 training images are standardised (mean and standard deviation of
    each dimension). For each fraction of the labels and each seed: draw so many images, hold a
    fifth of them out, choose the L2 penalty of lowest cross-entropy there, fit again on all that
    were drawn. The test set is scored once, by that fit. Where a fraction holds fewer than ten
    images a class, or a draw of it only one class, it is left out. (All of the labels are the
    same in every draw; what is held out differs.)

    The cross-entropy CE of the last fit, in bits, bounds what a code tells of the class from
    below: I(code; class) >= H(class) - CE (Barber and Agakov 2003).

    Args:
        context: what is evaluated.
        seeds: how often images are drawn.

    Returns:
        {"linear_accuracy_1", "_10", "_100": mean test accuracy in 0..1 for 1%, 10% and 100% of
         the labels, each with its population standard deviation "..._std",
         "linear_information_bits": the bound, from 100% of the labels}.

    Raises:
        CannotEvaluate: there are no classes, or a code is not finite, or no fraction holds ten
            images a class.
    """
    context.check_classes()
    train, test = standardise(context.train_codes, context.test_codes)
    label, test_label = context.train_labels, context.dataset.test_labels
    values = {}
    enough = [f for f in FRACTIONS if round(f * len(train)) >= 10 * context.dataset.classes]
    show = not sys.stderr.isatty()
    # More threads than one slow a fit down: its products are small.
    with (
        threadpool_limits(1, "blas"),
        tqdm(total=len(enough) * seeds, desc="linear probe", unit="fit", disable=show) as bar,
    ):
        for fraction in enough:
            accuracies, bits = [], []
            for seed in range(seeds):
                chosen = np.random.default_rng(seed).permutation(len(train))
                chosen = chosen[: round(fraction * len(train))]
                probe = fit(train[chosen], label[chosen])
                if probe is not None:
                    accuracies.append(float(np.mean(probe.predict(test) == test_label)))
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
    """Codes with mean 0 and standard deviation 1 in `train`, dimension by dimension.

    Args:
        train: [N, d]. test: [M, d].
    """
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(train)
    return scaler.transform(train), scaler.transform(test)


def fit(codes: np.ndarray, label: np.ndarray):
    """A logistic regression whose L2 penalty is chosen on a fifth of its own training data.

    Args:
        codes: [N, d], in random order.
        label: whole numbers [N].

    Returns:
        A fitted `sklearn.linear_model.LogisticRegression`; None: too few images of a second class.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    held_out = max(1, round(HELD_OUT * len(codes)))
    rest, rest_label = codes[held_out:], label[held_out:]
    if len(np.unique(rest_label)) < 2:
        return None
    # From the strongest penalty on, each fit begins where the last one ended.
    probe = LogisticRegression(max_iter=ITERATIONS, warm_start=True)
    losses = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # what ITERATIONS are for
        for strength in STRENGTHS:
            probe.set_params(C=strength).fit(rest, rest_label)
            losses.append(cross_entropy(probe, codes[:held_out], label[:held_out]))
        best = STRENGTHS[int(np.argmin(losses))]
        return LogisticRegression(C=best, max_iter=ITERATIONS).fit(codes, label)


def cross_entropy(probe, codes: np.ndarray, label: np.ndarray) -> float:
    """Mean -log p(class | code) in nats; a class that the probe has never seen counts 1e-12."""
    p = np.full((len(codes), max(label.max(), probe.classes_.max()) + 1), 1e-12)
    p[:, probe.classes_] = np.maximum(probe.predict_proba(codes), 1e-12)
    return float(-np.mean(np.log(p[np.arange(len(label)), label])))


def information(probe, codes: np.ndarray, label: np.ndarray) -> float:
    """H(class) - cross-entropy in bits: no more than what a code tells of the class."""
    share = np.bincount(label) / len(label)
    entropy = -np.sum(share[share > 0] * np.log(share[share > 0]))
    return float((entropy - cross_entropy(probe, codes, label)) / np.log(2))
