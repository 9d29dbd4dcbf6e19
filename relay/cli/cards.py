"""`cards list|close`: the open cards of the chats."""

import argparse
import time

import msgspec

from relay.cli.asking import answered, link_of
from relay.cli.base import GOOD, output_option, say, say_json, storage_option
from relay.cli.paths import spell
from relay.cli.printing import age, table
from relay.store.history import Cards, CloseCard, ClosedCard, ListCards, OpenCard

_HEAD = ("CARD", "SINCE", "SEVERITY", "ALERTS", "FIRING", "RECEIVER", "CHAT", "LINK")


def arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    listing = verbs.add_parser("list", help="list the open cards")
    closing = verbs.add_parser(
        "close",
        help="close cards by hand: their messages say that the alerts are no longer reported",
    )
    closing.add_argument("numbers", nargs="+", type=_number, metavar="CARD")
    for verb, run in ((listing, list_), (closing, close)):
        storage_option(verb)
        verb.set_defaults(run=run)
    output_option(listing)


def list_(options: argparse.Namespace) -> int:
    """Lists all cards, in several requests if they are many."""
    cards: list[OpenCard] = []
    after = 0
    while True:
        page = answered(options, ListCards(after), Cards)
        if isinstance(page, int):
            return page
        cards += page.cards
        after = page.next
        if not after:
            break
    if options.output == "json":
        shown = [msgspec.to_builtins(card) | _place(card) for card in cards]
        say_json(msgspec.json.format(msgspec.json.encode(shown)).decode())
        return GOOD
    now = time.time()
    if cards:
        say(table(_HEAD, [_row(card, now) for card in cards]))
    say(f"{len(cards)} open")
    return GOOD


def close(options: argparse.Namespace) -> int:
    """Closes cards, one after the other. Returns the worst status."""
    status = GOOD
    for number in options.numbers:
        answer = answered(options, CloseCard(number), ClosedCard)
        if isinstance(answer, int):
            status = max(status, answer)
        else:
            say(f"card {number} closed; {spell(answer.lane)} is told")
    return status


def _place(card: OpenCard) -> dict[str, str]:
    link = link_of(card.lane, card.message, card.guild)
    return {"chat": spell(card.lane), "link": link}


def _row(card: OpenCard, now: float) -> tuple[str, ...]:
    place = _place(card)
    return (
        str(card.number),
        age(now - card.since),
        card.severity,
        ",".join(card.alerts),
        str(card.firing),
        card.receiver,
        place["chat"],
        place["link"] or ("in the digest" if card.in_digest else ""),
    )


def _number(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not the number of a card")
    return int(text)
