"""The pages on which a template or a changed configuration is tried. Nothing in force changes; the
work is done in a separate process, one at a time.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, get_args

import msgspec

from relay.active_config import CurrentConfig
from relay.console.drawn import DrawnMessage, drawn
from relay.core.alert import Alert, Labels, Notification, own_fingerprint
from relay.core.history import Trace
from relay.core.routing.explain import Reached
from relay.core.template import sample
from relay.core.template.preview import views
from relay.core.template.template import render
from relay.core.text.markup import MarkupName
from relay.operate.paced import Paced
from relay.platforms.contract import Platforms
from relay.settings.load import BUILTIN
from relay.settings.looked_at import LookedAt, look_at
from relay.settings.playground import (
    Answer,
    ConfigTried,
    Made,
    PlaygroundRequest,
    TemplateTried,
    TryConfig,
    TryTemplate,
    carry_out,
    messages,
)
from relay.store.history import StoredPayload
from relay.store.protocol import Store
from relay.store.writer import Transactions

MARKUPS: tuple[MarkupName, ...] = get_args(MarkupName)
MOST_TEMPLATE = 200_000  # characters
_MARKUP_OF = {"telegram.md.j2": "markdown", "telegram.md2.j2": "markdownv2",
              "discord.md.j2": "discord", "plain.txt.j2": "none"}  # fmt: skip
_FRESH = 10.0  # seconds for which a reading of the file is shared
_MOST_PAYLOADS, _MOST_BYTES, _WEEK = 5000, 24 << 20, 7 * 86400.0
_MOST_CHATS = 8  # previews of one alert
Values = dict[str, Any]


class Workshop:
    """Makes the contents of these pages; the console draws them."""

    def __init__(
        self,
        store: Store,
        transactions: Transactions,
        paced: Paced,
        config: CurrentConfig,
        config_file: Callable[[], str],
        clock: Callable[[], float],
        platforms: Platforms,
    ) -> None:
        self._store = store
        self._transactions = transactions
        self._paced = paced
        self._config = config
        self._config_file = config_file
        self._clock = clock
        self._platforms = platforms
        self._one = asyncio.Lock()
        self._looking = asyncio.Lock()
        self._looked: tuple[float, LookedAt] | None = None

    async def templates(self, given: Mapping[str, str], *, tried: bool, language: str) -> Values:
        """The playground: what was typed, or the template of that name, and the result."""
        looked = await self._look()
        known = looked.builtin | looked.templates or _built_in()
        name = given.get("name", "")
        chosen = name if name in known else "telegram.html.j2"
        text = given.get("template", "") if tried else known.get(chosen, "")
        markup = given.get("markup", "")
        markup = markup if markup in MARKUPS else _MARKUP_OF.get(chosen, "html")
        shown = given.get("sample", "") if given.get("sample") in sample.VIEWS else "one"
        payload, fault = await self._payload(given.get("payload", "").strip())
        values: Values = {
            "names": sorted(known),
            "chosen": chosen,
            "template": text[:MOST_TEMPLATE],
            "markups": MARKUPS,
            "markup": markup,
            "samples": tuple(sample.VIEWS),
            "sample": shown,
            "payload": given.get("payload", "").strip(),
            "fault": fault,
            "faults": (),
            "made": (),
        }
        if fault or not text:
            return values
        attempt = TryTemplate(
            text[:MOST_TEMPLATE],
            msgspec.convert(markup, MarkupName),
            tuple(_built_in().items()),
            language,
            self._config.current.personal.timezone,
            self._clock(),
            shown,
            payload,
        )
        if not tried:
            return values | {"made": await self._in_force(chosen, attempt)}
        answer = await self._try(attempt)
        if not isinstance(answer, TemplateTried):
            return values | {"fault": "took_too_much"}
        return values | {"faults": answer.faults, "made": _drawn(answer.made)}

    async def _in_force(self, name: str, attempt: TryTemplate) -> list[DrawnMessage]:
        """The result of a template in force, unchanged; nothing for another one until somebody
        tries it.
        """
        templates = self._config.current.templates
        known = templates.by_name.get(name)
        if known is None or known.source != attempt.source:
            return []
        return _drawn(await asyncio.to_thread(lambda: [*messages(templates, name, attempt)]))

    async def configuration(self, new: str | None) -> Values:
        """The file on disk, and, if a new one is given, what it would do to the stored payloads."""
        looked = await self._look()
        values: Values = {
            "looked": looked,
            "sha256": self._config.current.sha256,
            "same": sha256(looked.data).hexdigest() == self._config.current.sha256,
            "tried": None,
            "new": new is not None,
            "fault": "",
        }
        if new is None:
            return values
        attempt = TryConfig(
            "relay.yml",
            looked.data,
            new.encode(),
            looked.builtin or _built_in(),
            looked.templates,
            await self._payloads(),
        )
        answer = await self._try(attempt)
        if not isinstance(answer, ConfigTried):
            return values | {"fault": "took_too_much"}
        return values | {"tried": answer}

    async def previews(self, labels: Labels, ends: Sequence[Reached]) -> list[DrawnMessage]:
        """The message for each chat, with the annotations of the alert's last arrival, if there was
        one.
        """
        told = await self._as_it_came(labels)
        config, now = self._config.current, self._clock()
        made: list[DrawnMessage] = []
        for end in ends:
            for target in config.routing.targets.get(end.receiver, ()):
                platform = self._platforms[target.lane.platform]
                for view in views((told,), target.policy, target.when, now):
                    form, policy = platform.FORM, target.policy
                    found = render(config.templates, policy, view, "card", None, form)
                    chat = platform.spell(target.lane)
                    name = target.lane.platform
                    made.append(drawn(chat, name, found.message, found.failed))
                if len(made) >= _MOST_CHATS:
                    return made
        return made

    async def _as_it_came(self, labels: Labels) -> Notification:
        heard = partial(self._store.last_heard, labels.get("alertname", ""), None)
        last = await self._transactions.run_unsynced(heard)
        found = await self._stored(last.payload) if last.payload else None
        if found is not None:
            told = msgspec.json.decode(found.body, type=Notification)
            for alert in told.alerts:
                if labels.items() <= alert.labels.items():
                    alone = msgspec.structs.replace(alert, status="firing", ends_at=None)
                    return msgspec.structs.replace(told, alerts=(alone,), part=0, parts=1)
        return _made_up(labels, self._clock())

    async def _payload(self, number: str) -> tuple[bytes, str]:
        """The payload with that number, and the word for what is wrong."""
        if not number:
            return b"", ""
        if not number.isdecimal() or len(number) > 18:
            return b"", "no_payload"
        found = await self._stored(int(number))
        return (found.body, "") if found else (b"", "no_payload")

    async def _stored(self, number: int) -> StoredPayload | None:
        run = self._transactions.run_unsynced
        trace = await run(partial(self._store.traced, str(number)))
        if not isinstance(trace, Trace):
            return None
        page = await run(partial(self._store.stored_payloads, trace.at, number - 1))
        return next((each for each in page if each.number == number), None)

    async def _payloads(self) -> tuple[tuple[float, bytes], ...]:
        """The payloads of a week, the newest ones within the limits."""
        since, after, size = self._clock() - _WEEK, 0, 0
        kept: list[tuple[float, bytes]] = []
        while page := await self._paced.run(partial(self._store.stored_payloads, since, after)):
            kept += ((each.accepted_at, each.body) for each in page)
            size += sum(len(each.body) for each in page)
            after = page[-1].number
            while kept and (len(kept) > _MOST_PAYLOADS or size > _MOST_BYTES):
                size -= len(kept.pop(0)[1])
        return tuple(kept)

    async def _try(self, attempt: PlaygroundRequest) -> Answer:
        async with self._one:
            return await asyncio.to_thread(carry_out, attempt)

    async def _look(self) -> LookedAt:
        async with self._looking:
            if self._looked is None or self._clock() >= self._looked[0] + _FRESH:
                targets = self._config.current.routing.all_targets
                secrets = tuple(secret for each in targets for secret in each.endpoint.secrets)
                path = Path(self._config_file())
                found = await asyncio.to_thread(look_at, path, self._platforms, secrets)
                self._looked = (self._clock(), found)
            return self._looked[1]


def _drawn(made: Iterable[Made]) -> list[DrawnMessage]:
    return [drawn(each.platform, each.platform, each.message, each.failed) for each in made]


def _built_in() -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(BUILTIN.glob("*.j2"))}


def _made_up(labels: Labels, now: float) -> Notification:
    """A notification with one alert of these labels that begins now."""
    alone = Alert("firing", labels, {}, now, None, "", own_fingerprint(labels))
    return Notification(
        source="",
        receiver="",
        group_key="",
        status="firing",
        alerts=(alone,),
        group_labels={},
        common_labels=labels,
        common_annotations={},
        route_labels={},
        external_url="",
        reason="",
        truncated=0,
        state=0,
    )
