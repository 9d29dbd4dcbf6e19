"""`queue list|show|retry|drop|salvage`: the deliveries that have not reached their chats, and
commands for them.
"""

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec.structs import replace

from relay.cli.base import (
    CANNOT,
    FAULTY,
    GOOD,
    complain,
    output_option,
    say,
    say_json,
    storage_of,
    storage_option,
)
from relay.cli.paths import spell
from relay.cli.printing import age, safe, table, time_of
from relay.cli.prompts import ask
from relay.core.alert import Alert, Notification
from relay.operate.admin_socket import AdminAnswer, AdminRequest, Drop, Failed, Retry, Salvage, Show
from relay.store.data_dir import CannotStart
from relay.store.queue import (
    LARGEST_SHOWN,
    MOST_LISTED,
    Dropped,
    Page,
    Query,
    Queued,
    Refused,
    Retried,
    Whole,
)
from relay.store.recover import Salvaged

_MANY = """\
Everything that is dead for one receiver, tried again:
  alert-relay queue list --state=dead --receiver=NAME --limit=10000 -o json |
    jq -r '.deliveries[].id' | xargs -r alert-relay queue retry
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    listing = verbs.add_parser("list", help="list pending deliveries, then dead ones")
    listing.add_argument(
        "--receiver", default="", metavar="NAME", help="only deliveries of this receiver"
    )
    listing.add_argument(
        "--state", choices=("pending", "dead"), help="only deliveries in this state"
    )
    listing.add_argument(
        "--limit",
        type=_count,
        default=50,
        metavar="N",
        help="largest number of deliveries (default: 50)",
    )
    listing.add_argument(
        "--after", default="", metavar="PLACE", help="continue after the previous page"
    )
    showing = verbs.add_parser("show", help="show one delivery with its alerts")
    showing.add_argument("id", metavar="ID")
    trying = verbs.add_parser(
        "retry",
        help="try dead deliveries again, or pending ones at once",
        epilog=_MANY,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    giving_up = verbs.add_parser(
        "drop", help="give up pending deliveries: they end as dead, their chats get no message"
    )
    for verb in (trying, giving_up):
        verb.add_argument("ids", nargs="+", metavar="ID")
    salvaging = verbs.add_parser(
        "salvage", help="restore deliveries and cards from a damaged storage"
    )
    salvaging.add_argument(
        "file", type=Path, metavar="FILE", help="relay.db.damaged-TIME, as the log named it"
    )
    runs = (
        (listing, list_),
        (showing, show),
        (trying, retry),
        (giving_up, drop),
        (salvaging, salvage),
    )
    for verb, run in runs:
        storage_option(verb)
        verb.set_defaults(run=run)
    output_option(listing)
    output_option(showing)


def list_(options: argparse.Namespace) -> int:
    """Lists up to `--limit` deliveries, a page for each request."""
    query = Query(options.receiver, options.state, options.after)
    found = _asked(options, replace(query, limit=min(options.limit, MOST_LISTED)))
    if not isinstance(found, Page):
        return _said(found)
    page = found
    while page.next and len(page.deliveries) < options.limit:
        limit = min(options.limit - len(page.deliveries), MOST_LISTED)
        found = _asked(options, replace(query, after=page.next, limit=limit))
        if not isinstance(found, Page):
            return _said(found)
        page = replace(found, deliveries=page.deliveries + found.deliveries)
    _print(page, options)
    return GOOD


def show(options: argparse.Namespace) -> int:
    found = _asked(options, Show(options.id))
    if not isinstance(found, Whole):
        return _said(found)
    if options.output == "json":
        say_json(_json(found))
    else:
        say("\n".join(_described(found, time.time())))
    return GOOD


def retry(options: argparse.Namespace) -> int:
    """Tries deliveries again, one after the other."""
    return _each(options, Retry)


def drop(options: argparse.Namespace) -> int:
    """Gives up deliveries, one after the other."""
    return _each(options, Drop)


def salvage(options: argparse.Namespace) -> int:
    """Salvages a damaged storage, which stays unchanged."""
    if not options.file.is_file():
        complain(f"alert-relay queue: there is no file {options.file}")
        return CANNOT
    return _said(_asked(options, Salvage(str(options.file.resolve()))))


def _each(options: argparse.Namespace, request: Callable[[str], AdminRequest]) -> int:
    """Makes a request for each delivery and returns the worst status. If the storage cannot be
    asked at all, stops.
    """
    status = GOOD
    for delivery_id in options.ids:
        status = max(status, _said(_asked(options, request(delivery_id))))
        if status == CANNOT:
            break
    return status


def _asked(options: argparse.Namespace, request: AdminRequest) -> AdminAnswer:
    try:
        return ask(storage_of(options), request)
    except CannotStart as error:
        return Failed(str(error))


def _said(answer: AdminAnswer) -> int:
    """Prints the result of a request. Returns the exit status."""
    match answer:
        case Retried(id, new):
            say(f"{id} is tried at once" if id == new else f"{id} retried as {new}")
        case Dropped(id):
            say(f"{id} dropped")
        case Salvaged():
            _say_salvaged(answer)
        case Refused(why):
            complain(f"alert-relay queue: {safe(why)}")
            return FAULTY
        case Failed(why):
            complain(f"alert-relay queue: {safe(why)}")
            return CANNOT
        case _:
            say_json(_json(answer))
    return GOOD


def _say_salvaged(found: Salvaged) -> None:
    say(f"{found.deliveries} deliveries accepted anew, {found.cards} cards restored")
    if found.invites or found.subscriptions or found.chats:
        people = f"{found.invites} invitations, {found.subscriptions} subscriptions"
        say(f"{people} and {found.chats} chats of the registry restored")
    if found.outdated:
        say(f"{found.outdated} deliveries skipped: their chats got newer ones")
    if found.unreadable:
        say(f"{found.unreadable} deliveries could not be read")
    if found.strangers:
        say(f"{found.strangers} invitations, subscriptions, chats and bots could not be read")


def _print(page: Page, options: argparse.Namespace) -> None:
    if options.output == "json":
        say_json(_json(page))
        return
    if page.deliveries:
        now = time.time()
        say(table(_HEAD, [_row(each, now) for each in page.deliveries]))
    say(
        f"{page.pending} pending, {page.dead} "
        f"dead{f' for {options.receiver}' if options.receiver else ''}"
    )
    if page.others:
        others = safe(", ".join(page.others))
        complain(
            f"alert-relay queue: {options.receiver} never had a delivery; these receivers had "
            f"some: {others}"
        )
    if page.next:
        say(f"the next page: --after={page.next}")


_HEAD = ("ID", "STATE", "AGE", "RECEIVER", "CHAT", "ALERTS", "WHY")


def _row(each: Queued, now: float) -> tuple[str, ...]:
    return (
        each.id,
        each.state,
        age(now - each.accepted_at),
        _receiver(each),
        spell(each.lane),
        _names(each),
        _why(each, now),
    )


def _receiver(each: Queued) -> str:
    return f"{each.receiver} (to {each.fallback})" if each.fallback else each.receiver


def _names(each: Queued) -> str:
    if not each.count:
        return "(absent)"
    names = ",".join(each.alerts)
    return f"{names} ({each.count})" if each.count > 1 else names


def _why(each: Queued, now: float) -> str:
    tries = f"{each.attempts} failed" if each.attempts else ""
    wait = "" if each.retry_at is None else f"next try in {age(each.retry_at - now)}"
    return "; ".join(filter(None, (each.why, tries, wait)))


def _described(whole: Whole, now: float) -> list[str]:
    each = whole.delivery
    group = each.group
    facts = {
        "ID": each.id,
        "State": each.state,
        "Why": _why(each, now),
        "Receiver": _receiver(each),
        "Chat": f"{spell(each.lane)} at {each.lane.api}",
        "Accepted": f"{time_of(each.accepted_at)} ({age(now - each.accepted_at)} ago)",
        "Group": group.group_key,
        "From": f"Alertmanager's receiver {group.receiver}"
        + (f", source {group.source}" if group.source else ""),
        "Alerts": str(each.count),
    }
    lines = [f"{name:<10} {safe(value)}" for name, value in facts.items()]
    if whole.notification is None:
        return [
            *lines,
            f"  (a payload of {whole.size} bytes: over the {LARGEST_SHOWN} that are shown)",
        ]
    return lines + [f"  {safe(_alert(alert))}" for alert in _worst_first(whole.notification)]


def _worst_first(notification: Notification) -> list[Alert]:
    return sorted(
        notification.alerts, key=lambda alert: (alert.status != "firing", alert.starts_at)
    )


def _alert(alert: Alert) -> str:
    labels = ",".join(
        f"{name}={json.dumps(value, ensure_ascii=False)}"
        for name, value in alert.labels.items()
        if name != "alertname"
    )
    return f"{alert.status:<8} {alert.name}{{{labels}}} since {time_of(alert.starts_at)}"


def _json(answer: AdminAnswer) -> str:
    return msgspec.json.format(msgspec.json.encode(answer)).decode()


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of deliveries")
    return int(text)
