"""People's own instructions as templates: a small part of Jinja's language, with nothing in it that could do anything.

Allowed are values, their fields, ``if``, ``for`` over a list that is given, comparisons and a few filters. There are no
calls, no assignments, no macros, no includes: a template cannot run code, read a file, or go on for ever. An unknown
name is an error with file and line, never an empty place.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from functools import cache, lru_cache
from types import CodeType
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from fleet.core.errors import PermanentError

FILTERS = ("join", "length", "lower", "upper", "title", "sort", "first", "last")
_LOOPS = 2  # one inside the other
_ALLOWED = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Getattr, nodes.Getitem, nodes.Const, nodes.If,
    nodes.For, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.CondExpr, nodes.Filter,
)  # fmt: skip
_HINT = (
    "Allowed are {{ agent.name }}, {% if … %}, {% for … in … %}. For braces as they are: {% raw %}{{ … }}{% endraw %}"
)


def fill(text: str, name: str, values: Mapping[str, Any]) -> str:
    """The text with its places filled in; ``name`` is how errors call the file.

    Raises PermanentError FLT-AGT-130 with file and line for what is not allowed or not known.
    """
    code = _compiled(text, name)
    try:
        return Template.from_code(_environment(), code, {}, None).render(values)
    except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
        raise _refusal(name, _line_of(error, name), str(error)) from error


@lru_cache(maxsize=64)
def _compiled(text: str, name: str) -> CodeType:
    """The checked text as code; the same texts are filled at every start."""
    environment = _environment()
    try:
        tree = environment.parse(text, name, name)
        _check(tree, name)
        return environment.compile(tree, name, name)
    except TemplateSyntaxError as error:
        raise _refusal(name, error.lineno, error.message or "it is not a template") from error


@cache
def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, keep_trailing_newline=True, trim_blocks=True, lstrip_blocks=True, autoescape=False
    )
    environment.globals.clear()
    environment.filters = {known: environment.filters[known] for known in FILTERS}
    environment.tests.clear()
    return environment


def _check(tree: nodes.Template, name: str) -> None:
    """Refuse every part of the language that is not on the list."""
    waiting: list[tuple[nodes.Node, int]] = [(tree, 0)]
    while waiting:
        node, loops = waiting.pop()
        if not isinstance(node, _ALLOWED):
            raise _refusal(name, node.lineno, f"{type(node).__name__.lower()} is not possible in instructions")
        if isinstance(node, nodes.Filter) and node.name not in FILTERS:
            raise _refusal(name, node.lineno, f"there is no filter {node.name!r}; there are {', '.join(FILTERS)}")
        if isinstance(node, nodes.For):
            loops += 1
            if loops > _LOOPS or node.recursive or not isinstance(node.iter, nodes.Name | nodes.Getattr):
                raise _refusal(name, node.lineno, "a loop goes over a list that is given, at most two deep")
        if isinstance(node, nodes.Name | nodes.Getattr | nodes.Getitem) and _hidden(node):
            raise _refusal(name, node.lineno, "names that begin with _ are not there")
        waiting.extend((child, loops) for child in node.iter_child_nodes())


def _hidden(node: nodes.Name | nodes.Getattr | nodes.Getitem) -> bool:
    if isinstance(node, nodes.Getitem):
        return not isinstance(node.arg, nodes.Const) or str(node.arg.value).startswith("_")
    return (node.name if isinstance(node, nodes.Name) else node.attr).startswith("_")


def _line_of(error: Exception, name: str) -> int:
    """The line of the template at which it failed."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == name]
    return lines[-1] or 1 if lines else 1


def _refusal(name: str, line: int, what: str) -> PermanentError:
    return PermanentError("FLT-AGT-130", f"the instructions cannot be used: {what}", where=f"{name}:{line}", hint=_HINT)
