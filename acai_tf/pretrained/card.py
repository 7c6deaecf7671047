"""What a pretrained model's card says."""

import dataclasses
import pathlib
import shlex

from acai_tf import flags
from acai_tf.config import EXECUTION_SETTINGS, KIMG, Config
from acai_tf.evaluation import all_scores, format_score
from acai_tf.export.exported import read_about

CARD, PICTURE = "README.md", "lerp.png"
_PLACES = {"original", *EXECUTION_SETTINGS}


def training_command(config: Config) -> str:
    """The shortest command line that trains `config`, anywhere."""
    words = ["train.py", f"--dataset={config.dataset}", f"--model={config.model}"]
    plain = flags.parse(words)
    for setting in dataclasses.fields(Config):
        value = getattr(config, setting.name)
        if setting.name not in _PLACES and value != getattr(plain, setting.name):
            words.append(f"--{setting.name}={value}")
    return shlex.join(["python", *words])


def write(folder: pathlib.Path, name: str) -> None:
    """Write the card of the model in a folder, from its acai_tf.json."""
    about = read_about(str(folder))
    config, scores = about["config"], about["scores"]
    kimg = about["step"] * config.batch / KIMG
    known = all_scores()
    names = {score: known.get(score, (score, ""))[0] for score in scores}
    rows = [
        f"| {names[score]} | {format_score(value, names[score])} |"
        for score, value in scores.items()
        if value is not None
    ]
    height, width, colors = about["image_shape"]
    made = ", ".join(f"{package} {number}" for package, number in about.get("versions", {}).items())
    lines = [
        f"# {name}",
        "",
        f"`acai_tf.load({name!r})`: {config.model} on {config.dataset}, images of"
        f" {height}x{width}x{colors}, codes of {config.code_size} numbers"
        f" ({'x'.join(map(str, about['latent_shape']))}).",
        "",
        f"![each row: from one test image to another]({PICTURE})",
        "",
        f"Trained for {kimg:,.0f} kimg, {about['step']:,} steps (published runs: 16,384 kimg):",
        "",
        f"```sh\n{training_command(config)}\n```",
        "",
        f"Classes: {', '.join(about.get('class_names', ())) or 'none'}. The training images'"
        f" fingerprint: `{about.get('images')}`. Made with {made}.",
        "",
        "On the test set, of these very weights, which are kept in 16 bits:",
        "",
        "| | |",
        "| --- | --- |",
        *rows,
    ]
    (folder / CARD).write_text("\n".join(lines) + "\n", "utf-8")
