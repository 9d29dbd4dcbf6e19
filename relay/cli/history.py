"""`history`: how alerts were handled, the newest first, and one of them in sentences."""

import argparse
import json
import time
from datetime import UTC, datetime

from relay.cli.asking import answered, place_of
from relay.cli.base import (
    CANNOT,
    FAULTY,
    GOOD,
    complain,
    duration,
    output_option,
    say,
    say_json,
    storage_option,
)
from relay.cli.printing import safe, table, time_of
from relay.core.history import (
    OUTCOMES,
    DeliveryTrace,
    DiscardTrace,
    HistoryRow,
    LastHeard,
    PressTrace,
    Refusal,
    Trace,
    outcome_of,
    outcomes_of,
)
from relay.core.told_history import Place, chain, never_came, told
from relay.store.history import MOST_ROWS, AskLastHeard, HistoryPage, HistoryQuery, ShowTrace

_HEAD = ("ID", "TIME", "SOURCE", "ALERT", "RECEIVER", "CHAT", "OUTCOME", "WHY")
_WHY = """\
The time is that of acceptance (UTC). An ID is a payload's; the log has it as id=ID.
  alert-relay history alertname=DiskFull --since=12h
  alert-relay history --outcome=discarded
  alert-relay history show 1234
"""
Json = dict[str, object]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog, parser.formatter_class = _WHY, argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add(
        "words",
        nargs="*",
        metavar="NAME=VALUE",
        help="only alerts with these labels; or `show ID`: the trace of a payload or delivery",
    )
    add(
        "--since",
        type=duration,
        metavar="DURATION",
        help="only alerts accepted within this time, such as 12h (default: all that are kept)",
    )
    add("--receiver", default="", metavar="NAME", help="only alerts for this receiver")
    add("--outcome", choices=OUTCOMES, default="", help="only alerts with this outcome")
    add("--source", metavar="NAME", help='only this source; "" is that of POST /alerts')
    add(
        "--limit", type=_count, default=50, metavar="N", help="largest number of rows (default: 50)"
    )
    storage_option(parser)
    output_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Lists the history, or shows one payload."""
    if options.words[:1] == ["show"]:
        if len(options.words) != 2:
            complain("alert-relay history: write `history show ID`, with one id")
            return CANNOT
        return show(options)
    labels = [word.partition("=") for word in options.words]
    wrong = next((name for name, equals, _ in labels if not (name and equals)), None)
    if wrong is not None:
        complain(f"alert-relay history: {safe(wrong)!r} is not a label: write NAME=VALUE")
        return CANNOT
    return list_(options, tuple((name, value.strip('"')) for name, _, value in labels))


def list_(options: argparse.Namespace, labels: tuple[tuple[str, str], ...]) -> int:
    """Lists rows, in several requests if finding them takes long."""
    query = HistoryQuery(
        labels=labels,
        since=time.time() - options.since if options.since else 0.0,
        receiver=options.receiver,
        outcome=options.outcome,
        source=options.source,
        limit=min(options.limit, MOST_ROWS),
    )
    rows: list[HistoryRow] = []
    after = ""
    while len(rows) < options.limit:
        page = answered(options, _behind(query, after), HistoryPage)
        if isinstance(page, int):
            return page
        rows += page.rows
        after = page.next
        if not after:
            break
    rows = rows[: options.limit]
    if not rows:
        return _nothing(options, dict(labels).get("alertname", ""))
    if options.output == "json":
        say_json(_dumped([json_of(row) for row in rows]))
    else:
        say(table(_HEAD, [_row(row) for row in rows]))
    return GOOD


def _behind(query: HistoryQuery, after: str) -> HistoryQuery:
    return HistoryQuery(
        query.labels, query.since, query.receiver, query.outcome, query.source, query.limit, after
    )


def _nothing(options: argparse.Namespace, alertname: str) -> int:
    """Says when the alerts in question were last heard."""
    heard = answered(options, AskLastHeard(alertname, options.source), LastHeard)
    if isinstance(heard, int):
        return heard
    said = never_came(heard, time.time())
    if options.output == "json":
        say_json("[]")
        complain("\n".join(map(safe, said)))
    else:
        say("\n".join(("Nothing was found.", *map(safe, said))))
    return FAULTY


def show(options: argparse.Namespace) -> int:
    """Says what followed from one payload."""
    trace = answered(options, ShowTrace(options.words[1]), Trace)
    if isinstance(trace, int):
        return trace
    places = {each.id: place_of(each) for each in trace.deliveries}
    sentences = chain(trace, places)
    if options.output == "json":
        say_json(_dumped(trace_json(trace, sentences)))
    else:
        say("\n".join(map(safe, sentences)))
    return GOOD


def trace_json(trace: Trace, sentences: tuple[str, ...]) -> Json:
    """A trace as JSON."""
    config = trace.config
    return {
        "id": str(trace.id),
        "time": _time(trace.at),
        "source": trace.group.source,
        "group_key": trace.group.group_key,
        "alertmanager_receiver": trace.group.receiver,
        "alerts": list(trace.alerts),
        "firing": trace.firing,
        "resolved": trace.resolved,
        "config": config
        and {
            "generation": config.generation,
            "sha256": config.sha256,
            "since": _time(config.since),
        },
        "rows": [*map(json_of, trace.discarded), *map(json_of, trace.deliveries)],
        "sentences": list(sentences),
    }


def json_of(row: HistoryRow) -> Json:
    """A row as JSON."""
    place = place_of(row) if isinstance(row, DeliveryTrace) else Place("")
    common: Json = {
        "id": _id(row),
        "time": _time(row.at),
        "source": row.source,
        "outcome": outcome_of(row),
        "beside": sorted(outcomes_of(row) - {outcome_of(row)}),
        "why": told(row, place),
        "alerts": [],
        "count": 0,
        "receiver": "",
        "chat": place.chat,
        "link": place.link,
        "route": "",
    }
    match row:
        case Refusal():
            refusal = {"code": row.code, "size": row.size, "peer": row.peer, "why": row.why}
            return common | refusal
        case PressTrace():
            press = {"platform": row.platform, "person": row.person, "name": row.name}
            asked = {"verb": row.verb, "result": row.result, "answer": row.answer}
            return common | press | asked | {"chat": row.chat, "alert_keys": list(row.keys)}
        case DiscardTrace():
            return common | _of_alerts(row)
        case DeliveryTrace():
            ended = None if row.ended_at is None else _time(row.ended_at)
            return (
                common
                | _of_alerts(row)
                | {
                    "receiver": row.owner,
                    "fallback": row.receiver if row.receiver != row.owner else "",
                    "delivery": row.id,
                    "into": row.into,
                    "retried": row.retried,
                    "ended": ended,
                    "reason": row.why or row.waits,
                }
            )


def _of_alerts(row: DeliveryTrace | DiscardTrace) -> Json:
    return {
        "alerts": list(row.alerts),
        "count": row.count,
        "receiver": row.receiver,
        "route": row.route,
    }


def _id(row: HistoryRow) -> str:
    match row:
        case Refusal():
            return f"refused-{row.id}"
        case PressTrace():
            return f"pressed-{row.id}"
        case _:
            return str(row.payload)


def _row(row: HistoryRow) -> tuple[str, ...]:
    place = place_of(row) if isinstance(row, DeliveryTrace) else Place("")
    words = ",".join((outcome_of(row), *sorted(outcomes_of(row) - {outcome_of(row)})))
    head = (_id(row), time_of(row.at), row.source)
    if isinstance(row, Refusal):
        return (*head, "", "", "", words, told(row, None))
    if isinstance(row, PressTrace):
        return (*head, "", "", f"{row.platform} {row.chat}", words, told(row, None))
    names = ",".join(row.alerts)
    alerts = f"{names} ({row.count})" if row.count > 1 else names
    return (*head, alerts, _receiver(row), place.chat, words, told(row, place))


def _receiver(row: DeliveryTrace | DiscardTrace) -> str:
    if isinstance(row, DiscardTrace) or row.owner == row.receiver:
        return row.receiver
    return f"{row.owner} (to {row.receiver})"


def _time(seconds: float) -> str:
    said = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return said.replace("+00:00", "Z")


def _dumped(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of rows")
    return int(text)
