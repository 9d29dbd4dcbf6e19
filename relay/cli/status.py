"""`status`: the relay, its sources, chats and open cards, on one screen."""

import argparse
import time

import msgspec

from relay.cli.asking import answered
from relay.cli.base import GOOD, output_option, say, say_json, storage_option
from relay.cli.paths import spell
from relay.cli.printing import age, safe, table, time_of
from relay.store.history import AskStatus, ChatStatus, Durability, Status, StorageStatus

_CHATS = ("CHAT", "STATE", "PENDING", "OLDEST", "LAST MESSAGE", "NEXT CALL", "WAITS FOR")
_SILENT = 30.0  # seconds: one that runs says so several times within them


def arguments(parser: argparse.ArgumentParser) -> None:
    storage_option(parser)
    output_option(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Prints the status."""
    status = answered(options, AskStatus(), Status)
    if isinstance(status, int):
        return status
    if options.output == "json":
        say_json(msgspec.json.format(msgspec.json.encode(status)).decode())
    else:
        say("\n".join(_lines(status, time.time())))
    return GOOD


def _lines(status: Status, now: float) -> list[str]:
    relay, storage = status.relay, status.storage
    if relay:
        loaded = f"loaded {age(now - relay.loaded_at)} ago"
        head = {
            "Relay": f"version {relay.version}, up {age(now - relay.started_at)}",
            "Configuration": f"{relay.config_file}, {relay.sha256[:12]}, {loaded}",
        }
    else:
        config = storage.config
        last = f"{config.sha256[:12]}, since {time_of(config.since)}" if config else "not known"
        head = {"Relay": _replicas(storage), "Configuration": f"last {last}"}
    heard = [f"{each.source or '(default)'} {age(now - each.at)} ago" for each in storage.sources]
    beats = [f"{name} {age(now - at)} ago" for name, at in storage.heartbeats]
    cards = [f"{count} {severity}" for severity, count in storage.open_cards]
    head |= {
        "Sources": ", ".join(heard) or "none has posted yet",
        **({"Heartbeats": ", ".join(beats)} if beats else {}),
        "Open cards": ", ".join(cards) or "none",
        **({"Commits": _commits(storage.durability)} if storage.durability.level else {}),
    }
    lines = [f"{name:<14} {safe(value)}" for name, value in head.items()]
    if not storage.chats:
        return [*lines, "Chats          none got a message yet"]
    return [*lines, "", table(_CHATS, [_chat(chat, now) for chat in storage.chats])]


def _replicas(storage: StorageStatus) -> str:
    """The replicas, each with how long ago it was heard of if that is long."""
    running = sum(each.silent_for < _SILENT for each in storage.replicas)
    if not running:
        return "none runs on this storage"
    told = [
        f"{each.name} {each.version}"
        + (" (leads)" if each.leads else "")
        + (f" (not heard of for {age(each.silent_for)})" if each.silent_for >= _SILENT else "")
        for each in storage.replicas
    ]
    return f"{running} {'replica' if running == 1 else 'replicas'}: {', '.join(told)}"


def _commits(told: Durability) -> str:
    """What a failover of the database can lose."""
    where = "on a synchronous standby too" if told.level == "remote" else "on one machine"
    lag = "" if told.lag is None else f", the nearest standby is {told.lag} bytes behind"
    return where + lag


def _chat(chat: ChatStatus, now: float) -> tuple[str, ...]:
    ago = "" if chat.last_message is None else f"{age(now - chat.last_message)} ago"
    due = chat.next_call
    call = "" if due is None else "now" if due <= now else f"in {age(due - now)}"
    return (
        spell(chat.lane),
        "down" if chat.down else "up",
        str(chat.pending),
        "" if chat.oldest is None else age(now - chat.oldest),
        ago,
        call,
        chat.waits,
    )
