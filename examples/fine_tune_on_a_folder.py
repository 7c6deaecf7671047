"""A pretrained model, fine-tuned on a folder of pictures.

    python examples/fine_tune_on_a_folder.py ~/pictures
    python examples/fine_tune_on_a_folder.py             # makes a folder of letters first

Two minutes on two cores. It trains ACAI from the weights of acai/mnist-d32, which knows digits, and
once more from random weights for as long, and prints both errors on test pictures (root mean
squared, 0..255). The one that started from weights is ahead. The same from a shell:

    python train.py --dataset=folder:~/pictures --init=acai/mnist-d32 --depth=16 --latent=2 ...
"""

import pathlib
import sys

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import acai_tf

LETTERS = "ABEKMRSX"


def draw_letters(folder: pathlib.Path, each: int = 100) -> pathlib.Path:
    """Grey pictures of letters of many sizes, in a folder for each letter."""
    rng = np.random.default_rng(0)
    for letter in LETTERS:
        (folder / letter).mkdir(parents=True, exist_ok=True)
        for number in range(each):
            picture = Image.new("L", (64, 64))
            font = ImageFont.load_default(size=int(rng.integers(40, 60)))
            place = tuple(int(x) for x in rng.integers(28, 37, 2))
            ImageDraw.Draw(picture).text(place, letter, fill=255, font=font, anchor="mm")
            picture.save(folder / letter / f"{number}.png")
    return folder


def main(folder: str = "", kimg: int = 16, runs: str = "runs/fine-tuning") -> dict[str, float]:
    folder = folder or draw_letters(pathlib.Path(runs, "letters"))
    errors = {}
    for init in ("acai/mnist-d32", ""):
        run_dir = f"{runs}/{'from-mnist' if init else 'from-nothing'}"
        acai_tf.train(
            dataset=f"folder:{folder}",
            init=init,
            depth=16,  # the shape of the networks of acai/mnist-d32
            latent=2,
            total_kimg=kimg,
            report_kimg=kimg,
            run_dir=run_dir,
        )
        scores = acai_tf.evaluate(run_dir, ["reconstruction"])
        errors[init or "random weights"] = scores["test_rmse"]
    print("\n".join(f"from {start}: rmse {error:.1f}" for start, error in errors.items()))
    return errors


if __name__ == "__main__":
    main(*sys.argv[1:2])
