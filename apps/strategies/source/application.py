"""Numbers become parameters: at their places in the syntax tree, never by looking for text."""

import ast
import io
import json
import re
import tokenize
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from apps.strategies.contract.parameters import read_schema
from apps.strategies.source.edits import Edit, Places
from apps.strategies.source.extraction import Literal, find_parameters, read_family
from apps.strategies.source.numbers import list_numbers
from apps.strategies.source.outline import find_attribute, parse
from apps.strategies.source.parameters import ATTRIBUTE, list_entries

#: A comment, or a character that means something.
_SIGNIFICANT = re.compile(r"#[^\r\n]*|(\S)")

Entries = Mapping[str, Mapping[str, Any]]


class NotApplicable(Exception):
    """What was chosen does not fit the code, or each other; nothing was changed."""


def apply_parameters(code: str, chosen: Sequence[Literal]) -> str:
    """Write each chosen number as `self.params["name"]` and declare it in STRATEGY_PARAMS; numbers of one
    name become one parameter. What is applied already stays as it is. Raises NotApplicable, and Unreadable
    for code without one strategy."""
    family = read_family(code)
    applied = {parameter.name: parameter.entry for parameter in find_parameters(code)}
    wanted = {name: entry for name, entry in _join(chosen).items() if applied.get(name) != entry}
    if not wanted:
        return code
    declaration = find_attribute(family, ATTRIBUTE)
    for _key, name, _value in list_entries(declaration):
        if name in wanted:
            raise NotApplicable(f"There is a parameter {name} already. Choose another name.")
    places = Places(code)
    edits = list(_replace_numbers(family, [one for one in chosen if one.name in wanted], places))
    if declaration is None:
        edits.append(_declare(code, family[0], wanted, places))
    elif isinstance(declaration, ast.Dict):
        edits += _add_entries(declaration, wanted, places)
    else:
        raise NotApplicable(f"{ATTRIBUTE} is not written out as a dictionary. Do that first.")
    result = places.apply(edits)
    parse(result)
    return result


def _join(chosen: Sequence[Literal]) -> dict[str, dict[str, Any]]:
    """The complete entry of each name."""
    entries: dict[str, dict[str, Any]] = {}
    for literal in chosen:
        try:
            entry = read_schema({literal.name: literal.entry})[literal.name]
        except ValueError as error:
            raise NotApplicable(str(error)) from error
        if entries.setdefault(literal.name, entry) != entry:
            message = f"{literal.name} would be two parameters. Numbers that differ need names that differ."
            raise NotApplicable(message)
    return entries


def _replace_numbers(
    family: list[ast.ClassDef], chosen: Sequence[Literal], places: Places
) -> Iterator[Edit]:
    numbers = {(one.node.lineno, one.node.col_offset): one for one in list_numbers(family)}
    for literal in {(one.line, one.column): one for one in chosen}.values():
        number = numbers.get((literal.line, literal.column))
        if number is None or repr(number.value) != repr(literal.value):
            message = (
                f"Line {literal.line} has no {literal.value} there any more: the code has changed."
            )
            raise NotApplicable(message)
        yield places.replace(number.node, f"self.params[{_quote(literal.name)}]")


def _declare(code: str, strategy: ast.ClassDef, entries: Entries, places: Places) -> Edit:
    """A dictionary at the top of the class, below its docstring."""
    first = strategy.body[0]
    has_docstring = ast.get_docstring(strategy, clean=False) is not None
    above = _end_of_statement(code, (first.end_lineno or 1) if has_docstring else strategy.lineno)
    indent = _indentation(places, first)
    if indent.strip():
        raise NotApplicable(f"Put what is in {strategy.name} on lines of its own first.")
    newline = _newline(code)
    unit = "\t" if "\t" in indent else "    "
    lines = [f"{indent}{unit}{line}" for line in _render(entries)]
    block = [f"{indent}{ATTRIBUTE} = {{", *lines, f"{indent}}}", ""]
    start = places.line(above + 1)
    if has_docstring:
        block = ["", *block]
    if places.text(start, places.line(above + 2)).strip():
        block.append("")
    return Edit(start, start, newline.join(block))


def _add_entries(declaration: ast.Dict, entries: Entries, places: Places) -> Iterator[Edit]:
    """After the last entry; on lines of their own where the closing brace has one."""
    brace = places.end(declaration) - 1
    start = (
        places.end(declaration.values[-1]) if declaration.values else places.start(declaration) + 1
    )
    between = places.text(start, brace)
    significant = [found for found in _SIGNIFICANT.finditer(between) if found[1]]
    if declaration.values and (not significant or significant[-1][1] != ","):
        end = significant[-1].end() if significant else 0
        comma = start + len(between[:end].encode())
        yield Edit(comma, comma, ",")
    tail = between.rpartition("\n")[2]
    if "\n" in between and not tail.strip():
        key = declaration.keys[-1] if declaration.keys else None
        column = key.col_offset if key else len(tail) + 4
        indent = ("\t" if "\t" in tail else " ") * column
        newline = "\r\n" if "\r\n" in between else "\n"
        place = brace - len(tail)
        yield Edit(place, place, "".join(f"{indent}{line}{newline}" for line in _render(entries)))
    else:
        gap = " " if declaration.values else ""
        yield Edit(brace, brace, gap + " ".join(_render(entries)).removesuffix(","))


def _render(entries: Entries) -> Iterator[str]:
    for name, entry in entries.items():
        written = ", ".join(
            f"{_quote(key)}: {_quote(value) if isinstance(value, str) else repr(value)}"
            for key, value in entry.items()
            if value is not None
        )
        yield f"{_quote(name)}: {{{written}}},"


def _end_of_statement(code: str, line: int) -> int:
    """The line on which the statement that begins or ends on `line` ends."""
    for token in tokenize.generate_tokens(io.StringIO(code, newline=None).readline):
        if token.type == tokenize.NEWLINE and token.start[0] >= line:
            return token.start[0]
    return line


def _indentation(places: Places, statement: ast.stmt) -> str:
    start = places.line(statement.lineno)
    return places.text(start, start + statement.col_offset)


def _newline(code: str) -> str:
    return "\r\n" if "\r\n" in code else "\n"


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
