"""A third platform needs its folder and a line in the registry: no other file of the product."""

import json
from functools import partial
from pathlib import Path

import pytest
from aiohttp import web
from pytest_aiohttp import AiohttpServer

from relay.app import App, Options
from relay.config.schema import file_model
from relay.platforms import PLATFORMS
from relay.platforms.contract import Platforms, registry
from relay.settings.load import load
from tests.acceptance.processes import fetch, until
from tests.platforms import toy

ALL: Platforms = registry(**PLATFORMS, toy=toy)


@pytest.fixture
def rooms() -> list[dict[str, object]]:
    """What was said to the service, oldest first; an edit takes the place of what it edits."""
    return []


@pytest.fixture
async def url(rooms: list[dict[str, object]], aiohttp_server: AiohttpServer) -> str:
    """The address of the service: two calls, one key."""

    async def post(request: web.Request) -> web.Response:
        rooms.append(await request.json())
        return web.json_response({"id": len(rooms)})

    async def edit(request: web.Request) -> web.Response:
        rooms[int(request.match_info["id"]) - 1] = await request.json()
        return web.json_response({"id": int(request.match_info["id"])})

    app = web.Application()
    app.add_routes([web.post("/key/messages", post), web.patch("/key/messages/{id}", edit)])
    server = await aiohttp_server(app)
    return str(server.make_url("")).rstrip("/")


def furnish(folder: Path, url: str) -> Path:
    (folder / "toy.key").write_text("key\n")
    path = folder / "relay.yml"
    path.write_text(
        f'global: {{toy_url: "{url}"}}\n'
        "limits: {toy: {room: 9/1s}}\n"
        "route: {receiver: ops}\n"
        "receivers:\n"
        "- {name: ops, toy_configs: [{room: on-call, toy_key_file: toy.key}]}\n"
    )
    return path


@pytest.mark.medium
async def test_an_alert_is_delivered_and_resolved_in_a_room_of_a_third_platform(
    url: str, rooms: list[dict[str, object]], tmp_path: Path
) -> None:
    app = App(Options(furnish(tmp_path, url), tmp_path / "data", port=0), platforms=ALL)
    address = await app.start()
    try:
        for status in ("firing", "resolved"):
            alert = {"labels": {"alertname": "DiskFull"}, "startsAt": "2026-11-22T10:00:00Z"}
            body = {"alerts": [{"status": status, **alert}], "groupKey": "g"}
            assert (await fetch("POST", f"http://{address}/alerts", body))[0] == 200
            await until(f"the room shows {status}", partial(shows, rooms, status))
    finally:
        await app.stop()
    assert {said["room"] for said in rooms} == {"on-call"}


def shows(rooms: list[dict[str, object]], status: str) -> bool:
    text = str(rooms[0]["text"]) if rooms else ""
    return "DiskFull" in text and status in text.lower()


def test_its_keys_are_checked_as_those_of_the_others(tmp_path: Path) -> None:
    config = furnish(tmp_path, "https://toy.example.org")
    rules, faults = load(config, "serve", ALL)
    assert (rules is not None, faults) == (True, ())
    config.write_text(config.read_text().replace("toy_key_file: toy.key", "toy_keyfile: k"))
    assert [fault.message for fault in load(config, "serve", ALL)[1]] == [
        'unknown key "toy_keyfile", did you mean "toy_key_file"?',
    ]
    assert load(furnish(tmp_path, "https://toy.example.org"), "serve")[0] is None


def test_its_keys_are_in_the_schema() -> None:
    schema = json.dumps(file_model(ALL).model_json_schema())
    assert '"toy_configs"' in schema
    assert '"toy_url"' in schema
    assert "Toy rooms." in schema


def test_it_is_short() -> None:
    assert len(Path(toy.__file__).read_text().splitlines()) < 300
