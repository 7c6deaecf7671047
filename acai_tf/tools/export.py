"""Export a model: acai-tf export --run_dir=R --out=DIR

The SavedModel needs TensorFlow alone. It takes any number of images, as uint8 or (signatures
..._float) as float32 in [-1, 1], and returns float32, images in about [-1, 1]:

    encode(images) -> latents                       [B, H, W, C] -> [B, w, w, latent]
    decode(latents) -> images                       [B, w, w, latent] -> [B, H, W, C]
    reconstruct(images) -> reconstructions          [B, H, W, C]
    interpolate(images_0, images_1, t) -> images    [K, B, H, W, C], linear, at points t [K] in 0..1
    interpolate_slerp(images_0, images_1, t) -> images    the same, spherical
    classify(images) -> logits, probabilities       [B, classes], if there are classes
    encode_indices(images) -> indices               [B, num_latents], a VQ-VAE
    decode_indices(indices) -> images               [B, H, W, C], a VQ-VAE
    estimate(images) -> alpha                       [B], ACAI's critic, with --critic
    sample(n, seed) -> images                       [n, H, W, C], new images, with --sampler

acai_tf.json describes the export.
"""

from acai_tf import cli
from acai_tf.export import FORMATS
from acai_tf.export.write import check_formats, export_run


def main() -> None:
    """The command line.

    Raises:
        UsageError: as `export_run`.
    """
    parser = cli.Parser("export", __doc__)
    parser.add_argument(
        "--run_dir", required=True, help="a run, exported weights, or a pretrained model"
    )
    parser.add_argument("--out", required=True, help="the folder to make")
    parser.add_argument("--formats", default="saved_model", help=",".join(FORMATS))
    parser.add_argument("--critic", action="store_true", help="ACAI: include the critic")
    parser.add_argument(
        "--sampler",
        action="store_true",
        help="fit a distribution to codes of training images, and include it for new images",
    )
    parser.add_argument("--data_dir", help="of the training images; default: as in training")
    parser.add_argument("--cache_dir", help="default: as in training")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing export")
    arguments = parser.parse_args()
    formats = tuple(arguments.formats.split(","))
    check_formats(formats)
    cli.load_backend()
    folder = export_run(**{**vars(arguments), "formats": formats})
    print(f"exported: {folder} ({', '.join(sorted(path.name for path in folder.iterdir()))})")
