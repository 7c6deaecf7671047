"""Train an autoencoder: acai-tf train --dataset=svhn, or python train.py --dataset=svhn.

Every dataset has the settings of its published runs; flags given here win. Without --dataset, a
small ACAI is trained on synthetic lines in a few minutes. A finished run is exported as a
SavedModel.
"""

import sys

from absl import flags as absl_flags

from acai_tf import cli, flags

QUICKSTART = (  # where no dataset is named; configs/quickstart.cfg says what to expect
    *("--dataset=lines", "--depth=8", "--batch=32", "--lr=1e-3"),
    *("--total_kimg=128", "--report_kimg=16"),
)


def main() -> None:
    """The command line.

    Raises:
        UsageError: as `acai_tf.flags.parse` and `acai_tf.train`.
    """
    known = absl_flags.FlagValues()
    flags.define(known)
    if flags.asks_for_help(sys.argv):
        return print(flags.help_text(__doc__, known))
    config = flags.parse(sys.argv, known, QUICKSTART)
    # Only now: --help and a mistyped flag are answered at once.
    cli.load_backend(config)
    from acai_tf.training.train import train

    train(config)
