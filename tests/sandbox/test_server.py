"""The sandbox as a server: its page and what the page reads."""

import re

from relay.sandbox import incident
from tests.sandbox.client import GROUP, T0, Client

HOSTILE = "<img src=x onerror=alert(1)>"


async def test_the_page_stands_alone(client: Client) -> None:
    async with client.session.get(client.sandbox.url) as response:
        page = await response.text()
        policy = response.headers["Content-Security-Policy"]
    assert response.content_type == "text/html"
    assert policy.startswith("default-src 'none'")
    assert not re.search(r"""(src|href)=["']|@import|url\(""", page), (
        "nothing is fetched from elsewhere"
    )
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", page)


async def test_the_picture_has_every_chat_and_is_sent_only_when_it_changed(client: Client) -> None:
    await client.say(text=f"<b>{'x' * 3}</b> 😀", parse_mode="HTML")
    await client.discord("POST", {"content": HOSTILE, "embeds": [{"title": "**T**", "color": 255}]})
    async with client.session.get(f"{client.sandbox.url}/state") as response:
        picture = await response.json()
    assert [chat["name"] for chat in picture["chats"]] == [
        "Ada",
        "Team",
        "Forum",
        "News",
        "ops",
        "posts",
    ]
    (telegram,), (discord,) = picture["chats"][1]["messages"], picture["chats"][4]["messages"]
    assert telegram["text"] == {
        "text": "xxx 😀",
        "styles": [{"kind": "bold", "start": 0, "end": 3, "value": ""}],
    }
    assert discord["text"] == {"text": HOSTILE, "styles": []}
    assert discord["embeds"][0]["title"]["text"] == "T"
    async with client.session.get(
        f"{client.sandbox.url}/state?since={picture['revision']}"
    ) as response:
        assert response.status == 204
    client.clock.now += 5
    await client.telegram("editMessageText", chat_id=GROUP, message_id=1, text="edited")
    async with client.session.get(
        f"{client.sandbox.url}/state?since={picture['revision']}"
    ) as response:
        edited = (await response.json())["chats"][1]["messages"][0]
    assert (edited["text"]["text"], edited["at"], edited["edited"]) == ("edited", T0, T0 + 5)


async def test_a_sandbox_can_be_furnished_for_the_incident(client: Client) -> None:
    incident.set_up_chats(client.sandbox.telegram, client.sandbox.discord)
    sent = await client.call(
        "POST", f"/bot{incident.TOKEN}/sendMessage", json={"chat_id": incident.DBA, "text": "x"}
    )
    hook = f"{incident.OPS_HOOK}/{incident.HOOK_TOKEN}"
    assert (sent.status, (await client.discord("POST", {"content": "x"}, hook=hook)).status) == (
        200,
        200,
    )
