"""A Watchdog from a real Prometheus through a real Alertmanager to the relay, each of them stopped
in turn. The intervals are those of the documentation in seconds instead of minutes.
"""

import signal
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from relay.sandbox.server import Sandbox
from tests.acceptance.acting import CHAT, SPARE, Acting, acting
from tests.acceptance.processes import (
    Process,
    Processes,
    alertmanager_program,
    fetch,
    free_port,
    processes,
    until,
)
from tests.need import need_program

pytestmark = [pytest.mark.slow, pytest.mark.alertmanager]
EVERY, GRACE = 3, 5
HEARTBEAT = f"""\
heartbeats:
  - {{name: prometheus, matchers: [alertname="Watchdog"], every: {EVERY}s, grace: {GRACE}s,
     receiver: leads}}
"""
RULES = """\
groups:
  - name: meta
    rules:
      - {alert: Watchdog, expr: vector(1), labels: {severity: none}}
"""


@dataclass
class Chain:
    """Prometheus and Alertmanager on ports that outlive them."""

    running: Processes
    webhook: str
    alertmanager_port: int
    prometheus_port: int

    async def start_alertmanager(self) -> Process:
        """As the documentation has the route of a heartbeat."""
        config = self.running.folder / "alertmanager.yml"
        config.write_text(f"""\
route:
  receiver: relay
  routes:
    - matchers: [alertname="Watchdog"]
      receiver: relay
      group_wait: 0s
      group_interval: 1s
      repeat_interval: 1s
receivers:
  - name: relay
    webhook_configs: [{{url: "{self.webhook}", send_resolved: false}}]
""")
        found = await self.running.start(
            "alertmanager", alertmanager_program(), f"--config.file={config}",
            f"--storage.path={self.running.folder / 'alertmanager'}",
            f"--web.listen-address=127.0.0.1:{self.alertmanager_port}",
            "--cluster.listen-address=",
        )  # fmt: skip
        await self.ready(self.alertmanager_port)
        return found

    async def start_prometheus(self) -> Process:
        """It forgets an alert that is not sent again after four seconds."""
        rules = self.running.folder / "rules.yml"
        rules.write_text(RULES)
        config = self.running.folder / "prometheus.yml"
        config.write_text(f"""\
global: {{evaluation_interval: 1s}}
rule_files: ["{rules}"]
alerting:
  alertmanagers:
    - static_configs: [{{targets: ["127.0.0.1:{self.alertmanager_port}"]}}]
""")
        found = await self.running.start(
            "prometheus", need_program("prometheus", "prometheus"), f"--config.file={config}",
            f"--storage.tsdb.path={self.running.folder / 'prometheus'}",
            f"--web.listen-address=127.0.0.1:{self.prometheus_port}",
            "--rules.alert.resend-delay=1s",
        )  # fmt: skip
        await self.ready(self.prometheus_port)
        return found

    @staticmethod
    async def ready(port: int) -> None:
        async def answers() -> bool:
            try:
                return (await fetch("GET", f"http://127.0.0.1:{port}/-/ready"))[0] == 200
            except aiohttp.ClientConnectionError:
                return False

        await until(f"port {port} is ready", answers, within=30.0)


def told(here: Acting) -> list[str]:
    """What the leads read of the heartbeat."""
    return [message.text for message in here.sandbox.telegram.messages(SPARE)]


async def heard_at(here: Acting) -> float:
    beats = await here.running._writer.run(here.running._store.acting.beats)
    return max((beat.seen_at for beat in beats if beat.heard), default=0.0)


async def is_heard(here: Acting) -> None:
    """Waits until it is heard once more."""
    before = await heard_at(here)

    async def newer() -> bool:
        return await heard_at(here) > before

    await until("it is heard", newer, within=30.0)


async def test_each_link_of_the_chain_that_stops_is_told_and_so_is_its_return(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    port = free_port()
    async with (
        acting(sandbox, tmp_path, more=HEARTBEAT, has_alertmanager=False, port=port) as here,
        processes(tmp_path, lambda: "\n".join(told(here))) as running,
    ):
        chain = Chain(running, f"http://127.0.0.1:{port}/alerts", free_port(), free_port())
        alertmanager = await chain.start_alertmanager()
        prometheus = await chain.start_prometheus()
        await is_heard(here)
        await is_heard(here)
        assert told(here) == []

        prometheus.signal(signal.SIGTERM)
        await prometheus.ended()
        await until("Prometheus is missed", lambda: len(told(here)) == 1, within=30.0)
        assert told(here)[0].startswith("🔴")
        assert "NO NEWS from prometheus since" in told(here)[0]
        await here.post("a")
        await here.shows("Crash", "no news from prometheus since")
        prometheus = await chain.start_prometheus()
        await until("its return is told", lambda: "🟢" in told(here)[0], within=30.0)

        await until("the end is told", lambda: len(told(here)) == 2)
        before = len(told(here))
        alertmanager.signal(signal.SIGTERM)
        await alertmanager.ended()
        await until("Alertmanager is missed", lambda: len(told(here)) > before, within=30.0)
        assert "NO NEWS from prometheus since" in told(here)[-1]
        alertmanager = await chain.start_alertmanager()
        await until("its return is told as well", lambda: "🟢" in told(here)[before], within=30.0)

        await here.stop()
        # the relay sleeps longer than the heartbeat may be silent
        await chain.ready(chain.prometheus_port)
        await until_passed(sandbox, EVERY + GRACE + 2.0)
        await here.start()
        await is_heard(here)
        await until_passed(sandbox, EVERY + GRACE + 2.0)
        assert not any("🔴" in text for text in told(here))
        assert not any("Watchdog" in text for text in here.texts(CHAT))


async def until_passed(sandbox: Sandbox, seconds: float) -> None:
    end = sandbox.clock() + seconds
    await until("the time has passed", lambda: sandbox.clock() >= end, within=seconds + 5.0)
