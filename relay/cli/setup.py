"""`setup telegram|discord`: from a token or webhook to a configuration that has been tried, with or
without a terminal.
"""

import argparse
import getpass
import os
import sys
from collections.abc import Callable
from pathlib import Path

from relay.cli import send_test, setup_discord, setup_telegram
from relay.cli.base import CANNOT, FAULTY, complain, config_option, say
from relay.cli.setup_plan import Failed, Plan
from relay.config.extending import begun, extended
from relay.config.fault import render
from relay.settings.load import load

_SNIPPET = """\
In alertmanager.yml:

receivers:
  - name: alert-relay
    webhook_configs:
      - url: http://127.0.0.1:9087/alerts
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(required=True, metavar="PLATFORM")
    telegram = verbs.add_parser(
        "telegram", help="find the chats of a bot and write a receiver for them"
    )
    setup_telegram.arguments(telegram)
    discord = verbs.add_parser("discord", help="check a webhook and write a receiver for it")
    setup_discord.arguments(discord)
    for verb, plan, secret in (
        (telegram, setup_telegram.plan, "The bot's token"),
        (discord, setup_discord.plan, "The webhook's URL"),
    ):
        config_option(verb)
        verb.add_argument(
            "--no-test", dest="test", action="store_false", help="send no test message"
        )
        verb.set_defaults(run=_runner(plan, secret))


def _runner(
    plan: Callable[[argparse.Namespace, str], Plan | Failed], secret: str
) -> Callable[[argparse.Namespace], int]:
    def run(options: argparse.Namespace) -> int:
        try:
            planned = plan(
                options,
                _ask(secret) if options.secret_file is None else _read(options.secret_file),
            )
            return planned.status if isinstance(planned, Failed) else _write(planned, options)
        except (OSError, ValueError, EOFError) as error:
            complain(f"alert-relay setup: {error}")
            return CANNOT

    return run


def _ask(secret: str) -> str:
    """The secret, typed without being shown. Raises ValueError if there is no terminal."""
    if not sys.stdin.isatty():
        raise ValueError("without a terminal, name the file that holds the secret: see --help")
    return getpass.getpass(f"{secret} (it is not shown): ").strip()


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip()


def _write(plan: Plan, options: argparse.Namespace) -> int:
    """Writes the secret and the configuration, tries both, and says what is left to do."""
    config: Path = options.config_file
    old = config.read_text(encoding="utf-8") if config.exists() else ""
    text = extended(old, plan.addition) if old.strip() else begun(plan.addition)
    if options.secret_file is None:
        _keep_secret(plan.secret_path, plan.secret)
    if not _replace(config, text):
        if options.secret_file is None:
            plan.secret_path.unlink()
        return FAULTY
    if options.secret_file is None:
        say(f"wrote {plan.secret_path} (only you can read it)")
    say(f"wrote {config}: receiver {plan.addition.name}")
    if old:
        say(f"add a route to it: -  {{matchers: [...], receiver: {plan.addition.name}}}")
    say(f"\n{_SNIPPET}")
    if not options.test:
        return 0
    return send_test.run(
        argparse.Namespace(config_file=config, receiver=plan.addition.name, output="simple")
    )


def _keep_secret(path: Path, secret: str) -> None:
    """Writes a file that nobody else can ever read. Raises OSError if it exists already."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(f"{secret}\n")


def _replace(config: Path, text: str) -> bool:
    """Replaces the configuration by the text if that is valid; else says what is wrong with it."""
    new = config.with_name(f".{config.name}.new")
    try:
        new.write_text(text, encoding="utf-8")
        if config.exists():
            new.chmod(config.stat().st_mode)
        rules, faults = load(new, "serve")
        if rules is None:
            complain(
                f"alert-relay setup: nothing was written: {config} would be rejected with "
                "these faults:"
            )
            complain("\n".join(render(fault) for fault in faults).replace(str(new), str(config)))
            return False
        new.replace(config)
        return True
    finally:
        new.unlink(missing_ok=True)
