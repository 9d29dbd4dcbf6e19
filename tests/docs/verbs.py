"""The reference of the command line, out of its parsers."""

import argparse
from collections.abc import Iterator
from importlib import import_module

from relay.__main__ import VERBS
from relay.cli.base import Parser


def tables() -> str:
    """A section for each verb with a row for each option."""
    return "\n".join(
        line for name, parser, text in verbs() for line in _section(name, parser, text)
    )


def verbs() -> Iterator[tuple[str, argparse.ArgumentParser, str]]:
    """Every verb that runs something, such as `routes test`, with its parser and its line of
    help.
    """
    for name, module, text in VERBS:
        parser = Parser(prog=f"alert-relay {name}")
        import_module(module).arguments(parser)
        below = list(_below(parser))
        if not below:
            yield name, parser, text
        for inner, inner_parser, inner_text in below:
            yield f"{name} {inner}", inner_parser, inner_text


def options(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """The arguments and flags of a parser."""
    return [
        action for action in parser._actions if not isinstance(action, argparse._SubParsersAction)
    ]


def _below(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser, str]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            lines = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, inner in action.choices.items():
                yield name, inner, lines[name]


def _section(name: str, parser: argparse.ArgumentParser, text: str) -> Iterator[str]:
    yield f"### {name}"
    yield f"{text[0].upper()}{text[1:]}."
    yield ""
    rows = [row for action in options(parser) if (row := _row(action))]
    if rows:
        yield "| option | |"
        yield "|---|---|"
        yield from rows
        yield ""


def _row(action: argparse.Action) -> str:
    flag = action.option_strings[-1] if action.option_strings else ""
    if flag == "--help":
        return ""
    if not flag:
        many = " ..." if action.nargs in ("*", "+") else ""
        return f"| `{action.metavar}{many}` | {_text(action)} |"
    choices = "\\|".join(map(str, action.choices)) if action.choices else action.metavar
    value = "" if action.nargs == 0 else f"={choices}"
    return f"| `{flag}{value}` | {_text(action)} |"


def _text(action: argparse.Action) -> str:
    text = action.help or (f"default: {action.default}" if action.default else "")
    return text % {"default": action.default} if "%(" in text else text


def commands(block: str) -> list[str]:
    """The lines of a block that call the program, with lines put together that end in a
    backslash.
    """
    lines = (line.removeprefix("$ ").strip() for line in block.replace("\\\n", " ").splitlines())
    parts = (part.strip().removeprefix("xargs ") for line in lines for part in line.split(" | "))
    return [part for part in parts if part.startswith(("alert-relay ", "./run "))]


def understood(words: list[str]) -> bool:
    """Whether the program takes these words: its verb, its flags, its arguments."""
    known = {name: parser for name, parser, _ in verbs()}
    verb = next((name for name in (" ".join(words[:2]), words[0]) if name in known), None)
    if verb is None:
        return False
    rest = words[len(verb.split()) :]
    try:
        known[verb].parse_args(rest if rest or verb != "queue retry" else ["ID"])
    except SystemExit:
        return False
    return True
