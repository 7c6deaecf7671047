"""Parts by name: a registered one, or any other by its dotted path, `my_package.module:Name`.

A name may have arguments, as in Python: "interpolation_critic(weight=64)",
"my_nets:build(width=32)". They must be literals; nothing is evaluated.
"""

import ast
import importlib
import re
from typing import Any, NamedTuple

from acai_tf.errors import UsageError


class Named(NamedTuple):
    """A part as the user names it: its name or dotted path, and its arguments."""

    name: str
    arguments: dict[str, Any]


def parse(text: str) -> Named:
    """Parse "name" or "name(key=value, ...)", or raise UsageError."""
    name, parenthesis, rest = text.strip().partition("(")
    try:
        call = ast.parse(f"f({rest}" if parenthesis else "f()", mode="eval").body
        if not isinstance(call, ast.Call) or call.args or not re.fullmatch(r"[\w.:-]+", name):
            raise ValueError
        return Named(name, {one.arg or "": ast.literal_eval(one.value) for one in call.keywords})
    except (SyntaxError, ValueError):
        raise UsageError(
            f"cannot read {text!r}; write name, or name(key=value, ...) with values such as 0.5,"
            " True or 'mask'"
        ) from None


def parse_list(text: str) -> list[Named]:
    """Parse several of them, separated by commas outside parentheses."""
    return [parse(one) for one in re.findall(r"(?:[^,(]|\([^)]*\)?)+", text)]


def path(kind: str, name: str, registered: dict[str, str]) -> str:
    """The dotted path of a registered name, or of a dotted path itself.

    Any other name raises a UsageError that lists the `registered` ones, {name: dotted path}.
    """
    found = registered.get(name, name)
    if ":" not in found:
        known = f"known: {', '.join(registered)}, or a dotted path" if registered else "use a path"
        raise UsageError(
            f"unknown {kind} {name!r}; {known} such as my_package.my_module:My{kind.title()}"
        )
    return found


def find(kind: str, name: str, registered: dict[str, str]):
    """Import the part with this name; as `path`, and UsageError if it cannot be imported."""
    module, _, attribute = path(kind, name, registered).partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageError(f"cannot import {kind} {name!r} ({error})") from error


def call(kind: str, part: Named, function, *arguments, **options):
    """Call what `find` returned with the part's arguments; UsageError if it does not take them."""
    try:
        return function(*arguments, **{**options, **part.arguments})
    except (TypeError, ValueError) as error:
        if isinstance(error, UsageError):
            raise
        raise UsageError(f"cannot make {kind} {part.name} ({error})") from error
