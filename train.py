"""Train an autoencoder: python train.py --dataset=svhn; the same as `acai-tf train`."""

import sys

from acai_tf.training import preemption

if __name__ == "__main__":
    preemption.end_at_once()  # during the imports too
    from acai_tf import cli
    from acai_tf.tools.train import main

    sys.exit(cli.run(main))
