"""Export a model: acai-tf export --run_dir=R --out=DIR.

The SavedModel loads with TensorFlow alone. Images go in as uint8, or (signatures ..._float) as
float32 in [-1, 1], any number of them; what comes out is float32, images in about [-1, 1].

    encode(images) -> latents            [B, H, W, C] -> [B, w, w, latent]
    decode(latents) -> images
    reconstruct(images) -> reconstructions
    interpolate(images_0, images_1, t) -> images    [K, B, H, W, C]: decoded at the points t [K],
                                         0..1, of the straight line between the images' codes
    interpolate_slerp(images_0, images_1, t)        the same on the great arc
    classify(images) -> logits, probabilities       [B, classes], where there are classes
    estimate(images) -> alpha            [B], ACAI's critic, with --critic

Players that none of these needs are left out. acai_tf.json says what was exported.
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
    parser.add_argument("--run_dir", required=True, help="a run, or a pretrained model")
    parser.add_argument("--out", required=True, help="the folder to make")
    parser.add_argument(
        "--formats", default="saved_model", help=f"some of {','.join(FORMATS)}; default saved_model"
    )
    parser.add_argument("--critic", action="store_true", help="ACAI: with its critic")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace the export there, all formats"
    )
    arguments = parser.parse_args()
    formats = tuple(arguments.formats.split(","))
    check_formats(formats)
    cli.load_backend()
    folder = export_run(
        arguments.run_dir, arguments.out, formats, arguments.overwrite, arguments.critic
    )
    print(f"exported: {folder} ({', '.join(sorted(path.name for path in folder.iterdir()))})")
