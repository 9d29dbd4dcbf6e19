"""What the built-in templates show, drawn as bubbles, as `template render` prints it."""

import io
from contextlib import redirect_stdout
from pathlib import Path
from tempfile import TemporaryDirectory

from relay.__main__ import main

CONFIG = """\
global: {telegram_bot_token: "1:x", timezone: Europe/Paris}
route: {receiver: ops}
receivers:
  - name: ops
    telegram_configs: [{chat_id: -1}]
    discord_configs: [{webhook_url: https://discord.com/api/webhooks/1/x, username: Alerts}]
"""
SAMPLES = ("three", "some resolved", "resolved")


def drawn() -> str:
    """A block of text with each sample in each platform's built-in template."""
    with TemporaryDirectory() as folder:
        config = Path(folder) / "relay.yml"
        config.write_text(CONFIG, encoding="utf-8")
        output = io.StringIO()
        with redirect_stdout(output):
            samples = [f"--sample={name}" for name in SAMPLES]
            assert (
                main(["template", "render", f"--config.file={config}", "--receiver=ops", *samples])
                == 0
            )
    return f"```text\n{output.getvalue().strip()}\n```"
