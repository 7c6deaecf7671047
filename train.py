"""Train an autoencoder: python train.py --dataset=svhn; the same as `acai-tf train`."""

import sys

from acai_tf.training import preemption

if __name__ == "__main__":
    preemption.end_at_once()  # a signal during the imports ends the process cleanly
    from acai_tf import cli
    from acai_tf.tools import train

    sys.exit(cli.run(train.main))
