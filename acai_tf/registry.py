"""Parts by name: registered ones, and any other by a dotted path, `my_package.module:Name`.

A name may come with arguments, as in Python: "interpolation_critic(weight=64)",
"my_nets:build(width=32)". Arguments are literals; nothing is evaluated.
"""

import ast
import importlib
import re
from typing import Any, NamedTuple

from acai_tf.errors import UsageError


class Named(NamedTuple):
    """A part as it is asked for: its name or dotted path, and its arguments."""

    name: str
    arguments: dict[str, Any]


def parse(text: str) -> Named:
    """ "name(key=value, ...)" or "name" as its parts; raises UsageError where it is neither."""
    name, parenthesis, rest = text.strip().partition("(")
    try:
        call = ast.parse(f"f({rest}" if parenthesis else "f()", mode="eval").body
        if not isinstance(call, ast.Call) or call.args or not re.fullmatch(r"[\w.:-]+", name):
            raise ValueError
        return Named(name, {one.arg or "": ast.literal_eval(one.value) for one in call.keywords})
    except (SyntaxError, ValueError):
        raise UsageError(
            f"{text!r} is not understood; write name, or name(key=value, ...) with plain values"
        ) from None


def parse_list(text: str) -> list[Named]:
    """Several of them, separated by commas outside of parentheses."""
    return [parse(one) for one in re.findall(r"(?:[^,(]|\([^)]*\)?)+", text)]


def find(kind: str, name: str, registered: dict[str, str]):
    """What a name or a dotted path stands for.

    Args:
        kind: "model", "regularizer", ...; for messages.
        name: a registered name, or "module:attribute".
        registered: name -> dotted path.

    Raises:
        UsageError: neither; the known names are listed, or what could not be imported.
    """
    path = registered.get(name, name)
    module, colon, attribute = path.partition(":")
    if not colon:
        raise UsageError(
            f"unknown {kind} {name!r}; known: {', '.join(registered)}, or a dotted path such as"
            f" my_package.my_module:My{kind.title()}"
        )
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageError(f"{kind} {name!r} cannot be imported ({error})") from error


def call(kind: str, part: Named, function, *arguments, **options):
    """Call what `find` gave with a part's own arguments; raises UsageError where it refuses."""
    try:
        return function(*arguments, **{**options, **part.arguments})
    except UsageError:
        raise
    except (TypeError, ValueError) as error:
        raise UsageError(f"{kind} {part.name} cannot be made ({error})") from error
