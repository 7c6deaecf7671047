"""absl flags generated from Config, and how a command line becomes a Config.

Later wins: Config's defaults, then the settings of the run that --original names, then the command
line (flag files named there are expanded in place).
"""

import dataclasses

from absl import flags

from acai_tf import data
from acai_tf.config import DEFAULTS, Config, poolings, setting_kinds
from acai_tf.data import canonical_name, says_its_size
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
        holder = _DEFINE[setting_kinds()[setting.name]](
            setting.name, setting.default, _help(setting), flag_values=flag_values
        )
        flags.declare_key_flag(holder.name, flag_values=flag_values)


def asks_for_help(argv: list[str]) -> bool:
    """Whether a command line asks for help."""
    return any(word in ("-h", "--help", "--helpfull", "--helpshort") for word in argv[1:])


def help_text(description: str, flag_values: flags.FlagValues) -> str:
    """The help of a command: its description and all its flags."""
    return f"{description}\n{flag_values.get_help(include_special_flags=False)}"


def _help(setting: dataclasses.Field) -> str:
    """A setting's help, with the defaults that depend on the dataset."""
    by_dataset = [
        f"{' '.join(where).strip() or 'default'} {settings[setting.name]}"
        for where, settings in DEFAULTS.items()
        if setting.name in settings
    ]
    return setting.metadata["help"] + (f" ({', '.join(by_dataset)})" if by_dataset else "")


def parse(
    argv: list[str],
    flag_values: flags.FlagValues | None = None,
    quickstart: tuple[str, ...] = (),
) -> Config:
    """The Config of a command line.

    Args:
        argv: the command line, program name first.
        flag_values: flags defined by `define`; made here if not given.
        quickstart: flags that precede a command line which names no dataset.

    Raises:
        UsageError: an unknown flag, dataset or model, a bad value, a flag file that is not there,
            a setting that the model does not read, a length that is no whole number of batches.
    """
    program, *given = argv
    named = _scan(argv)
    if named["original"].value:
        given = [*_of_the_original(named), *given]
    elif not named["dataset"].present:
        given = [*quickstart, *given]
    if flag_values is None:
        flag_values = flags.FlagValues()
        define(flag_values)
    read(flag_values, [program, *given])
    values = {s.name: flag_values[s.name].value for s in dataclasses.fields(Config)}
    values["dataset"] = canonical_name(values["dataset"])
    config = Config(**values)
    # Refuse what does not fit now, not in a minute.
    _ = config.reports, config.steps_per_report
    if config.networks == "paper" and not says_its_size(config.dataset):
        poolings((config.image_size,) * 2, config.latent_width)
    present = {name for name in values if flag_values[name].present}
    refuse_unread(config.model, present, config.regularizers)
    data.refuse_unread(config.dataset, present)
    return config


def read(flag_values: flags.FlagValues, argv: list[str], known_only: bool = False) -> None:
    """Give flags the values of a command line.

    Args:
        flag_values: the flags.
        argv: the command line, program name first.
        known_only: pass over what is not one of these flags.

    Raises:
        UsageError: an unknown flag, a bad value, a word that is no flag.
    """
    try:
        rest = flag_values(argv, known_only=known_only)[1:]
    except (flags.Error, UnicodeDecodeError) as error:
        raise UsageError(str(error)) from error
    if rest and not known_only:
        raise UsageError(f"{rest[0]!r} is not a flag; flags start with --")


def _of_the_original(named: flags.FlagValues) -> list[str]:
    """What the run that --original names says of itself, where the command line agrees."""
    path = named["original"].value
    words = folder.settings_as_words(path)
    model = folder.parse(path)[0].model
    if named["model"].present and named["model"].value != model:
        raise UsageError(f"--original={path} is a run of {model}, not of {named['model'].value}")
    if not named["dataset"].present and not folder.dataset_of(path):
        raise UsageError(f"--dataset is needed: the folder of --original={path} names none")
    return words


def _scan(argv: list[str]) -> flags.FlagValues:
    """The flags that are ours, whatever else is on the command line."""
    scratch = flags.FlagValues()
    define(scratch)
    read(scratch, argv, known_only=True)
    return scratch
