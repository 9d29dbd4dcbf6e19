"""`demo --config.file`: the user's configuration, templates and routes with the local Telegram and
Discord.
"""

import asyncio
import json
import os
import tempfile
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from relay.app import App, Options
from relay.cli.base import CANNOT, FAULTY, GOOD, complain, say
from relay.cli.demo_shown import LOOK_EVERY, Drawn, versions
from relay.cli.payloads import Body, NoPayloads, bodies_of, firing_groups
from relay.config.fault import Fault, render
from relay.config.rules import Rules
from relay.core.alert import Labels
from relay.core.routing.sample_labels import labels_for_chats
from relay.sandbox import incident, server
from relay.sandbox.front import Front
from relay.sandbox.loopback import stay_on_this_machine
from relay.sandbox.own_chats import OwnChats, lead_to_sandbox, set_up
from relay.settings.load import load
from relay.settings.watch import Watch
from relay.store.data_dir import CannotStart

WATCH_EVERY = 0.5  # seconds
FAIL_SECONDS = 30.0
_BETWEEN = 1.0  # seconds between payloads
_PATIENCE = 60.0  # seconds for the chats to settle
_STILL = 5  # checks in a row without a change
_NEVER = "0001-01-01T00:00:00Z"


class OwnDemo(Struct, frozen=True):
    """The options of the demo with the user's configuration."""

    config: Path
    once: bool
    page_port: int
    payloads: tuple[Path, ...]
    alertmanager: str
    address: tuple[str, int] | None


def play_own(options: OwnDemo) -> int:
    """Plays until Ctrl-C, or once. Status 1 if the file has faults or an alert was lost, 2 if the
    demo cannot start.

    Firing alerts of an Alertmanager are asked for first; after that nothing outside is called.
    """
    try:
        bodies = [body for path in options.payloads for body in bodies_of(path)]
        if options.alertmanager:
            bodies += firing_groups(options.alertmanager)
    except NoPayloads as error:
        complain(f"alert-relay demo: {error}")
        return CANNOT
    if not options.config.is_file():
        complain(f"alert-relay demo: no configuration at {options.config}")
        return CANNOT
    stay_on_this_machine()
    with tempfile.TemporaryDirectory(prefix="alert-relay-demo-") as folder:
        return asyncio.run(_RunningDemo(options, Path(folder)).run(bodies))


class _RunningDemo:
    """A relay that starts anew with each change of the configuration, and what stays: the local
    chats, the address and the last payloads.
    """

    def __init__(self, options: OwnDemo, folder: Path) -> None:
        self._options = options
        self._folder = folder
        self._front = Front()
        self._app: App | None = None
        self._chats: OwnChats | None = None
        self._starts = 0
        self._sandbox: server.Sandbox
        self._drawn: Drawn

    async def run(self, bodies: list[Body]) -> int:
        """The whole demo. Returns the exit status."""
        try:
            self._sandbox = await server.start(port=self._options.page_port)
            host, port = self._options.address or ("127.0.0.1", 0)
            address = await self._front.listen(host, port)
        except OSError as error:
            why = os.strerror(error.errno) if error.errno else str(error)
            complain(f"alert-relay demo: cannot listen: {why}; name another port")
            return CANNOT
        self._drawn = Drawn(self._sandbox, time.time())
        try:
            faults = await self._start()
            if faults:
                complain("\n".join(faults))
                return FAULTY
            return await self._play(bodies, address)
        except CannotStart as error:
            complain(f"alert-relay demo: {error}")
            return CANNOT
        finally:
            await self._stop()
            await self._front.stop()
            await self._sandbox.stop()

    async def _play(self, bodies: list[Body], address: str) -> int:
        self._sandbox.controls |= {
            "fire": self._fire, "resolve": self._resolve, "fail": self._fail,
        }  # fmt: skip
        say(f"The relay listens on http://{address}/alerts; its chats are at {self._sandbox.url}/")
        say("No message leaves this machine. Changes of the file and its templates are followed.\n")
        watching = [asyncio.create_task(self._follow()), asyncio.create_task(self._drawn.watch())]
        posted = 0
        try:
            if bodies:
                posted = await self._post_all(bodies)
            elif self._options.address is None:
                posted = await self._incident()
            lost = await self._come_to_rest()
            if self._options.once:
                self._summary(posted, lost)
                return FAULTY if lost or not posted else GOOD
            say(f"The chats stay at {self._sandbox.url}/ until you press Ctrl-C.")
            await asyncio.Event().wait()
        finally:
            for task in watching:
                task.cancel()
            await asyncio.gather(*watching, return_exceptions=True)
        return GOOD

    async def _start(self) -> tuple[str, ...]:
        """Starts a relay on the present configuration, with an empty storage and empty chats.
        Returns the faults if it cannot be served; then nothing has changed.
        """
        rules, faults = await asyncio.to_thread(load, self._options.config, "check")
        if rules is None:
            return tuple(render(each) for each in faults if each.severity == "fault")
        await self._stop()
        self._chats = lead_to_sandbox(rules.active, self._sandbox.url)
        set_up(self._chats, self._sandbox.telegram, self._sandbox.discord)
        led = replace(rules, active=self._chats.active, routing=self._chats.active.routing)

        def load_led(_: Path) -> tuple[Rules | None, tuple[Fault, ...]]:
            return led, ()

        self._starts += 1
        storage = self._folder / str(self._starts)
        options = Options(self._options.config, storage, port=0)
        self._app = App(options, load=load_led)
        self._front.relay = await self._app.start()
        return ()

    async def _stop(self) -> None:
        self._front.relay = ""
        if self._app is not None:
            app, self._app = self._app, None
            await app.stop()

    async def _follow(self) -> None:
        """Starts anew at each change, with the payloads posted so far, for ever."""
        watch = Watch(self._options.config)
        while True:
            await asyncio.sleep(WATCH_EVERY)
            if not await asyncio.to_thread(watch.changed):
                continue
            try:
                faults = await self._start()
            except CannotStart as error:
                faults = (str(error),)
            self._sandbox.notes = faults
            self._sandbox.telegram.revision += 1
            if faults:
                self._drawn.remark("the changed configuration has faults, the old one stays:")
                say("\n".join(faults))
            else:
                self._drawn.remark("the configuration has changed: everything is drawn again")
                await self._front.post_again()

    async def _post_all(self, bodies: Iterable[Body]) -> int:
        posted = 0
        for body in bodies:
            posted += await self._front.post(body) == 200
            await asyncio.sleep(_BETWEEN)
        return posted

    async def _incident(self) -> int:
        """Posts one alert for each chat, the built-in incident by the routes of the file, and the
        end of all alerts.
        """
        began = time.time()
        await self._fire({})
        posted = 1
        for beat in incident.SCRIPT:
            await asyncio.sleep(max(0.0, began + beat.at - time.time()))
            posted += await self._front.post(incident.payload(beat, began)) == 200
        await self._resolve({})
        return posted

    async def _fire(self, _: dict[str, str]) -> None:
        """Posts an alert for each chat that an alert can reach."""
        if self._chats is None:
            return
        found = labels_for_chats(self._chats.active.routing)
        for lane in self._chats.before:
            if lane not in found:
                self._drawn.remark(f"no alert was found that reaches {lane.chat or lane.account}")
        at = _now()
        for number, labels in enumerate(_once(found.values())):
            await self._front.post(_body(labels, number, at))

    async def _resolve(self, _: dict[str, str]) -> None:
        """Posts the end of every alert that was posted."""
        at = _now()
        for (path, _key), data in tuple(self._front.latest.items()):
            body: Body = json.loads(data)
            alerts = [
                {**each, "status": "resolved", "endsAt": at}
                if each.get("status") != "resolved"
                else each
                for each in body["alerts"]
            ]
            await self._front.post({**body, "status": "resolved", "alerts": alerts}, path)

    async def _fail(self, wanted: dict[str, str]) -> None:
        """Lets a chat of the page answer 500 for some time."""
        now = time.time()
        for platform in ("telegram", "discord"):
            if wanted.get("platform") == platform:
                target = wanted.get("chat", "")
                until = now + FAIL_SECONDS
                self._sandbox.faults.add(platform, target, "500", since=now, until=until)
                self._drawn.remark(f"{platform} chat {target} fails for {FAIL_SECONDS:.0f} s")

    async def _come_to_rest(self) -> int:
        """Waits until nothing is pending and the chats no longer change. Returns how many
        deliveries were lost or are still pending.
        """
        until, still, before = time.time() + _PATIENCE, 0, -1
        while time.time() < until and still < _STILL and self._app is not None:
            await asyncio.sleep(LOOK_EVERY)
            rows, now = await self._app.balance(), sum(1 for _ in versions(self._sandbox))
            quiet = now == before and not sum(row.pending for row in rows)
            still, before = still + 1 if quiet else 0, now
        if self._app is None:
            return 0
        return sum(row.lost + row.pending for row in await self._app.balance())

    def _summary(self, posted: int, lost: int) -> None:
        shown: dict[str, int] = {}
        for where, key, _ in versions(self._sandbox):
            shown[where] = shown.get(where, 0) + key.endswith(".0")
        for where, messages in shown.items():
            say(f"{where}: {messages} messages")
        say(f"received={posted} notifications")
        say(f"lost={lost}")


def _once(label_sets: Iterable[Labels]) -> list[Labels]:
    return list({json.dumps(each, sort_keys=True): each for each in label_sets}.values())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _body(labels: Labels, number: int, at: str) -> Body:
    """The webhook body of a firing alert with these labels, in a group of its own."""
    where = ", ".join(f'{name}="{value}"' for name, value in labels.items())
    notes = {"summary": "This alert was made up by the demo", "description": where}
    alert = {
        "status": "firing",
        "labels": labels,
        "annotations": notes,
        "startsAt": at,
        "endsAt": _NEVER,
        "generatorURL": "http://prometheus.example.org/graph",
    }
    return {
        "version": "4",
        "receiver": "alert-relay",
        "status": "firing",
        "groupKey": f'{{}}:{{example="{number}"}}',
        "groupLabels": {"alertname": labels["alertname"]},
        "commonLabels": labels,
        "commonAnnotations": notes,
        "externalURL": incident.EXTERNAL,
        "truncatedAlerts": 0,
        "alerts": [alert],
    }
