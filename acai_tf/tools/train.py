"""Train an autoencoder: acai-tf train --dataset=svhn, or python train.py --dataset=svhn.

The defaults for a dataset are the published settings. Without --dataset, a small ACAI is trained on
synthetic lines in a few minutes. A finished run is exported as a SavedModel. --model, --networks,
--regularizers, --corruption and --dataset also take your own parts by path:
my_package.my_module:Name.
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
    if flags.asks_for_help(sys.argv):
        known = absl_flags.FlagValues()
        flags.define(known)
        return print(flags.help_text(__doc__, known))
    config = flags.parse(sys.argv, QUICKSTART)
    cli.load_backend(config)
    from acai_tf.training.train import train  # seconds; bad flags are answered at once

    train(config)
