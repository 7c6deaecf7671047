"""Flags generated from Config, and how a command line becomes a Config.

They are absl's: --name=value, --noname, --flagfile=FILE. Later values win: the defaults, the
settings of the run that --original names, the command line.
"""

import argparse
import dataclasses
import functools
import os
import sys

from absl import flags

from acai_tf import data
from acai_tf.config import DEFAULTS, TEXT, Config, limits, poolings, setting_kinds
from acai_tf.data import canonical_name, config_name, says_its_size
from acai_tf.errors import UsageError
from acai_tf.models import refuse_unread
from acai_tf.original import folder

_DEFINE = {
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    bool: flags.DEFINE_bool,
    str: flags.DEFINE_string,
}


def define(flag_values: flags.FlagValues) -> None:
    """Define one flag for each setting of Config."""
    for setting in dataclasses.fields(Config):
        by_dataset = [
            f"{' '.join(where).strip() or 'default'} {settings[setting.name]}"
            for where, settings in DEFAULTS.items()
            if setting.name in settings
        ]
        notes = "; ".join(filter(None, [limits(setting), ", ".join(by_dataset)]))
        text = setting.metadata["help"] + (f" ({notes})" if notes else "")
        kind = setting_kinds()[setting.name]
        _DEFINE[kind](setting.name, setting.default, text, flag_values=flag_values)


def asks_for_help(argv: list[str]) -> bool:
    """Whether a command line asks for help."""
    return any(word in ("-h", "--help", "--helpfull", "--helpshort") for word in argv[1:])


def help_text(description: str, flag_values: flags.FlagValues) -> str:
    """The help of a command: its description and its flags in the order of their definition."""
    parser = argparse.ArgumentParser(
        prog=os.path.basename(sys.argv[0]),
        usage="%(prog)s [--flag=value ...]",
        description=description,
        epilog="--flag=false can be written --noflag; --flagfile=FILE reads flags from a file",
        formatter_class=functools.partial(
            argparse.RawDescriptionHelpFormatter, max_help_position=30, width=100
        ),
        add_help=False,
    )
    groups = {f.name: f.metadata["group"] for f in dataclasses.fields(Config)}
    if set(flag_values) != set(groups):  # flags of another command
        groups = {}
    sections = {}
    for name in flag_values:
        flag, title = flag_values[name], groups.get(name, "options")
        section = sections.setdefault(title) or parser.add_argument_group(title)
        sections[title] = section
        default = str(flag.default).lower() if flag.boolean else flag.default
        option = f"--{name}" if default in (None, "") else f"--{name}={default}"
        section.add_argument(option, action="store_true", help=flag.help.replace("%", "%%"))
    return parser.format_help()


def parse(argv: list[str], quickstart: tuple[str, ...] = ()) -> Config:
    """The Config of a command line.

    Args:
        argv: the command line, program name first.
        quickstart: flags that precede a command line without --dataset.

    Raises:
        UsageError: an unknown flag, dataset or model; a bad value; a missing flag file; a setting
            that the model or the dataset does not read; a length that is not a whole number of
            batches.
    """
    program, *given = argv
    known = flags.FlagValues()
    define(known)
    read(known, argv, known_only=True)
    if known["original"].value:
        given = [*_of_the_original(known), *given]
    elif not known["dataset"].present:
        given = [*quickstart, *given]
    values = flags.FlagValues()
    define(values)
    read(values, [program, *given])
    settings = {name: values[name].value for name in values}
    settings["dataset"] = canonical_name(settings["dataset"])
    config = Config(**settings)
    # What does not fit is refused now, not after the data are loaded.
    config.check_length()
    if config.networks == "paper" and not says_its_size(config.dataset):
        poolings((config.image_size,) * 2, config.latent_width)
    if config.networks == "paper" and config_name(config.dataset) in TEXT:
        poolings((config.length,), config.latent_width)
    present = {name for name in values if values[name].present}
    refuse_unread(config, present)
    data.refuse_unread(config.dataset, present)
    return config


def read(flag_values: flags.FlagValues, argv: list[str], known_only: bool = False) -> None:
    """Set flags from a command line.

    Args:
        flag_values: the flags.
        argv: the command line, program name first.
        known_only: ignore everything else on it.

    Raises:
        UsageError: an unknown flag, a bad value, a word that is not a flag.
    """
    try:
        rest = flag_values(argv, known_only=known_only)[1:]
    except (flags.Error, UnicodeDecodeError) as error:
        raise UsageError(str(error)) from error
    if rest and not known_only:
        raise UsageError(f"{rest[0]!r} is not a flag; flags start with --")


def _of_the_original(known: flags.FlagValues) -> list[str]:
    """The flags that the name of the original's run folder stands for."""
    path = known["original"].value
    words = folder.settings_as_words(path)
    model = folder.parse(path)[0].model
    if known["model"].present and known["model"].value != model:
        raise UsageError(f"--original={path} is a run of {model}, not of {known['model'].value}")
    if not known["dataset"].present and not folder.dataset_of(path):
        raise UsageError(f"--dataset is needed: --original={path} is in no dataset's folder")
    return words
