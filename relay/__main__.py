"""The command line `alert-relay`: finds the file of a verb and hands it the options."""

import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from relay import __version__
from relay.cli.base import CANNOT, Parser

# Each verb, the module with its `arguments(parser)`, and its line in the help. Only the module in
# use is imported.
VERBS = (
    (
        "demo",
        "relay.cli.demo",
        "play an incident on a local Telegram and Discord: no account, no network",
    ),
    ("serve", "relay.cli.serve", "run the relay"),
    ("check-config", "relay.cli.check", "check configuration files and run their tests"),
    ("routes", "relay.cli.routes", "show the route tree, or where an alert goes"),
    ("send-test", "relay.cli.send_test", "send a marked test message to each chat of a receiver"),
    ("template", "relay.cli.template", "show messages as the chats would get them"),
    (
        "queue",
        "relay.cli.queue",
        "list, show, retry and drop deliveries that did not reach their chat",
    ),
    ("history", "relay.cli.history", "show how alerts were delivered, or why they were not"),
    ("status", "relay.cli.status", "show the relay, its sources, chats and open cards"),
    ("cards", "relay.cli.cards", "list open cards, or close one by hand"),
    ("backup", "relay.cli.backup", "copy the storage, also of a running relay"),
    ("storage", "relay.cli.storage", "copy the storage from SQLite to PostgreSQL, and back"),
    ("import", "relay.cli.import_", "make a relay configuration from an alertmanager.yml"),
    (
        "setup",
        "relay.cli.setup",
        "find chats or check a webhook, and write them into a configuration",
    ),
    ("invite", "relay.cli.invite", "make links by which people subscribe to alerts"),
    ("subscriptions", "relay.cli.subscriptions", "list and end subscriptions"),
    ("chats", "relay.cli.chats", "list the groups and channels that the bots are in"),
    ("bots", "relay.cli.bots", "show how each bot receives updates, and what prevents it"),
    ("config", "relay.cli.config", "print the JSON Schema of the configuration"),
)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one verb. Exit status 0: good; 1: what was checked is faulty; 2: wrong use, or it cannot
    start.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        options = _parser(words).parse_args(words)
        status: int = options.run(options)
        sys.stdout.flush()
    except SystemExit as end:  # how argparse ends, for --help too
        return end.code if isinstance(end.code, int) else CANNOT
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader, such as `head`, has closed the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return status


def _parser(words: Sequence[str]) -> Parser:
    parser = Parser(
        prog="alert-relay", description="Alertmanager's webhooks to Telegram and Discord."
    )
    parser.add_argument("--version", action="version", version=f"alert-relay {__version__}")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    chosen = next((word for word in words if not word.startswith("-")), "")
    for name, module, line in VERBS:
        verb = verbs.add_parser(name, help=line, description=f"{line[0].upper()}{line[1:]}.")
        if name == chosen:
            if name == "serve":  # they would find nothing yet; `serve` turns them on again
                gc.disable()
            import_module(module).arguments(verb)
    return parser


if __name__ == "__main__":
    sys.exit(main())
