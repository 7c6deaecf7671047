"""tensorflow-datasets' builders: prepared, or prepared now, or one line on what is missing."""

import contextlib
import difflib
import pathlib
import socket
import urllib.parse
import urllib.request
from collections.abc import Iterator

from acai_tf.errors import UsageError
from acai_tf.lazy import tf


def import_tfds(name: str) -> None:
    """Import tensorflow-datasets, and TensorFlow beneath it.

    Raises:
        UsageError: one of them is not installed; says how the images get here without.
    """
    try:
        import keras
        import tensorflow  # noqa: F401 - only to see that they are there
        import tensorflow_datasets  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"{name} is read by tensorflow-datasets, which cannot be imported ({error}); where it"
            f" can, acai-tf data {name} --npz={name}.npz writes a file for"
            f" --dataset=npz:{name}.npz here"
        ) from error
    if keras.backend.backend() != "tensorflow":
        with contextlib.suppress(RuntimeError):  # a caller uses TensorFlow already
            tf.config.set_visible_devices([], "GPU")  # it would take all of their memory


def prepared_builder(tfds_name: str, data_dir: str):
    """tfds' builder, its data downloaded and prepared if they were not.

    Raises:
        UsageError: they are not there and cannot be had; says which files to put where.
    """
    import tensorflow_datasets as tfds

    builder = _builder(tfds_name, data_dir)
    if builder.is_prepared():
        return builder
    # <root>/<name>/<version>, or <root>/<name>/<variant>/<version>
    root = pathlib.Path(builder.data_path).parents[builder.info.full_name.count("/")]
    by_hand = root / "downloads" / "manual"  # where tfds looks before it downloads
    files = builder.url_infos or {}
    remedy = _remedy(builder, files, by_hand) + ", and run this again"
    missing = f"{tfds_name} is not prepared in {root}"
    fetched = _fetched_by_hand(builder, files, by_hand)
    if not fetched and not _any_host_resolves(list(files)):
        raise UsageError(f"{missing} and there is no network; {remedy}")
    print(f"{missing}; preparing it")
    try:
        builder.download_and_prepare(
            download_config=tfds.download.DownloadConfig(manual_dir=by_hand if fetched else None)
        )
    except Exception as error:  # tfds and its downloader raise many kinds
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UsageError(f"{missing} and preparing it failed ({reason}); {remedy}") from error
    return builder


def _builder(tfds_name: str, data_dir: str):
    """tfds' builder, by its name.

    Raises:
        UsageError: tfds does not know it (says what is like it), or cannot make it.
    """
    import tensorflow_datasets as tfds

    try:
        return tfds.builder(tfds_name, data_dir=data_dir or None)
    except tfds.core.registered.DatasetNotFoundError:
        like = difflib.get_close_matches(tfds_name, tfds.list_builders(), n=5)
        hint = f"did you mean {', '.join(like)}?" if like else "https://www.tensorflow.org/datasets"
        raise UsageError(f"tfds has no dataset {tfds_name!r}; {hint}") from None
    except Exception as error:  # a variant that is not there, a package that it needs
        raise UsageError(f"tfds cannot read {tfds_name!r} ({error})") from error


def _remedy(builder, files: dict, by_hand: pathlib.Path) -> str:
    """What to do for data that are not there."""
    if builder.MANUAL_DOWNLOAD_INSTRUCTIONS:
        return f"put into {by_hand} what tfds asks for: {builder.MANUAL_DOWNLOAD_INSTRUCTIONS}"
    if not files:
        return f"prepare it with tfds in {by_hand.parents[1]}"
    named = [
        url if url.endswith(f"/{info.filename}") else f"{url} (as {info.filename})"
        for url, info in files.items()
    ]
    return f"fetch {', '.join(named)} into {by_hand}"


def _fetched_by_hand(builder, files: dict, by_hand: pathlib.Path) -> bool:
    """Whether all files of a dataset are there; others' files may lie beside them."""
    if builder.MANUAL_DOWNLOAD_INSTRUCTIONS:
        return by_hand.is_dir() and any(by_hand.iterdir())
    return bool(files) and all((by_hand / info.filename).exists() for info in files.values())


def _any_host_resolves(urls: list[str]) -> bool:
    """False only where a download is hopeless: tfds would retry for minutes before saying so."""
    if urllib.request.getproxies() or not urls:
        return True
    for host in {urllib.parse.urlparse(url).hostname for url in urls}:
        try:
            socket.getaddrinfo(host, 443)
            return True
        except OSError:
            continue
    return False


def undamaged(parts: Iterator, builder) -> Iterator:
    """What `parts`, read from a builder's files, gives.

    Raises:
        UsageError: the files are damaged.
    """
    try:
        yield from parts
    except tf.errors.OpError as error:
        reason = " ".join(str(error).split())[:200]
        raise UsageError(
            f"the prepared data in {builder.data_path} are damaged ({reason}); remove that folder"
            " and run this again"
        ) from error
