"""`import`: Go templates become Jinja2 that says the same, secrets become files, and files around
an alertmanager.yml are recognised.
"""

import json
import re
import subprocess
from pathlib import Path

import pytest

from relay.__main__ import main
from relay.config.go.parser import parse
from relay.config.go.translate import translate
from relay.core.text.markup import MarkupName
from relay.core.text.markup import parse as parse_markup
from tests import canary
from tests.need import need_program
from tests.shared import need_case

GO = Path(__file__).parents[1] / "importing" / "go"
TEXTS = {
    "sections": ("telegram", {"body": '{{ template "chat.sections" . }}'}),
    "entities": ("telegram", {"body": '{{ template "chat.entities" . }}'}),
    "redefined": ("telegram", {"body": '{{ template "telegram.default.message" . }}'}),
    "lines": ("telegram", {}),
    "times": ("telegram", {}),
    "titles": (
        "discord",
        {"title": '{{ template "chat.title" . }}', "body": '{{ template "chat.message" . }}'},
    ),
}

WRITTEN: dict[str, MarkupName] = {
    "sections": "html", "entities": "html", "redefined": "markdownv2",
}  # fmt: skip


def imported(file: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What is said about an import into a folder, which passes check-config."""
    assert main(["import", str(file), f"--out={folder}"]) == 0
    err = capsys.readouterr().err
    assert main(["check-config", str(folder / "relay.yml")]) == 0, capsys.readouterr().out
    canary.forget()
    capsys.readouterr()
    return err


@pytest.mark.alertmanager
@pytest.mark.parametrize("payload", ["payload", "ended"])
@pytest.mark.parametrize("case", TEXTS)
def test_a_translated_message_says_what_alertmanager_says(
    case: str, payload: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Up to white space; the judge is `amtool template render`."""
    receiver, texts = TEXTS[case]
    said = imported(GO / case / "alertmanager.yml", tmp_path / "out", capsys)
    assert "Everything was converted." in said
    if not texts:
        message = (GO / case / "alertmanager.yml").read_text().partition("message: |\n")[2]
        texts = {"body": re.sub(r"^ {10}", "", message, flags=re.MULTILINE)}
    expected = {name: by_amtool(GO / case, text, payload) for name, text in texts.items()}
    config = f"--config.file={tmp_path / 'out/relay.yml'}"
    rendering = ["template", "render", config, f"--receiver={receiver}", "-o", "json"]
    assert main([*rendering, f"--payload={GO / payload}.json"]) == 0
    (shown,) = json.loads(capsys.readouterr().out)
    body = shown["body"]
    found = (
        {"title": body["embeds"][0]["title"], "body": body["embeds"][0]["description"]}
        if receiver == "discord"
        else {"body": body["text"]}
    )
    for name, text in expected.items():
        as_shown = parse_markup(text, WRITTEN[case]).text if case in WRITTEN else text
        plain = re.sub(r"\\([^\w\s])", r"\1", found[name])  # Discord's escapes
        assert plain.split() == as_shown.split()


def by_amtool(folder: Path, text: str, payload: str) -> str:
    amtool = need_program("amtool", "prometheus-alertmanager")
    source = next(iter(folder.glob("*.tmpl")), folder / "alertmanager.yml")
    if source.suffix == ".yml":  # no file of templates: one that defines nothing
        source = folder.parent / "none.tmpl"
    done = subprocess.run(
        [amtool, "template", "render", f"--template.glob={source}", f"--template.text={text}",
         f"--template.data={folder.parent / payload}.json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


TRANSLATED = {
    "a value": ("{{ .Status }}", "{{ status }}"),
    "a label": ("{{ .CommonLabels.alertname }}", "{{ common_labels.alertname }}"),
    "a label with the name of a method": (
        '{{ .CommonLabels.items }}',
        '{{ common_labels["items"] }}',
    ),
    "a pipeline": ("{{ .Status | toUpper | title }}", "{{ status | toUpper | title }}"),
    "a loop": (
        "{{ range .Alerts }}{{ .Labels.x }}{{ else }}-{{ end }}",
        "{% for alert in alerts %}{{ alert.labels.x }}{% else %}-{% endfor %}",
    ),
    "a loop in a loop": (
        "{{ range .Alerts }}{{ range .Labels.Names }}{{ . }}{{ $.Status }}{{ end }}{{ end }}",
        ("{% for alert in alerts %}{% for item2 in alert.labels.Names %}{{ item2 }}{{ status }}"
        "{% endfor %}{% endfor %}"),
    ),
    "a condition": (
        '{{ if eq .Status "firing" "x" }}a{{ else if .Receiver }}b{{ else }}c{{ end }}',
        '{% if status == "firing" or status == "x" %}a{% elif receiver %}b{% else %}c{% endif %}',
    ),
    "trimmed white space": ("a \n {{- .Status -}} \n b", "a{{ status }}b"),
    "a line break behind a tag": ("{{ if .Status }}\nx{{ end }}", "{% if status +%}\nx{% endif %}"),
    "a comment": ("a{{/* no */}}b", "ab"),
    "printf": ('{{ printf "<b>%s</b> %d%%" .Status 5 }}', "<b>{{ status }}</b> {{ 5 }}%"),
    "printf within": (
        '{{ printf "%s-%s" .Status .Receiver | toUpper }}',
        '{{ (status ~ "-" ~ receiver) | toUpper }}',
    ),
    "a variable": (
        "{{ $x := .Status }}{{ $x }}",
        "{% set var_x_0 = status %}{{ var_x_0 }}",
    ),
    "with": ("{{ with .Receiver }}{{ . }}{{ end }}", "{% if receiver %}{{ receiver }}{% endif %}"),
    "markup of Jinja2": ("{% x %}", '{{ "{%" }} x {{ "%}" }}'),
    "define and template": (
        ('{{ define "a" }}[{{ .Labels.x }}]{{ end }}{{ range .Alerts }}{{ template "a" . }}'
        "{{ end }}"),
        "{% for alert in alerts %}[{{ alert.labels.x }}]{% endfor %}",
    ),
    "a time that is printed": (
        "{{ range .Alerts }}{{ .StartsAt }}{{ end }}",
        ("{% for alert in alerts %}{{ alert.starts_at | "
        'date("2006-01-02 15:04:05.999999999 -0700 MST") }}{% endfor %}'),
    ),
    "an end that is not known": (
        "{{ range .Alerts }}{{ if not .EndsAt.IsZero }}x{{ end }}{{ end }}",
        "{% for alert in alerts %}{% if not (not alert.ends_at) %}x{% endif %}{% endfor %}",
    ),
    "times that are compared": (
        "{{ range .Alerts }}{{ if .EndsAt.After .StartsAt }}x{{ end }}{{ end }}",
        ("{% for alert in alerts %}{% if alert.ends_at.unix > alert.starts_at.unix %}x{% endif %}"
        "{% endfor %}"),
    ),
    "how long it fired": (
        ("{{ range .Alerts }}{{ $d := .EndsAt.Sub .StartsAt }}{{ if lt $d 60000000000 }}-{{ end }}"
        "{{ $d.Round 1000000000 | humanizeDuration }}{{ end }}"),
        ("{% for alert in alerts %}"
        "{% set var_d_1 = (alert.ends_at.unix - alert.starts_at.unix) | duration %}"
        "{% if var_d_1 < 60 %}-{% endif %}{{ var_d_1 | humanizeDuration }}{% endfor %}"),
    ),
    "a duration beside a number of the data": (
        "{{ if gt (since (index .Alerts 0).StartsAt) (len .Alerts) }}x{{ end }}",
        "{% if (alerts[0].starts_at | since) > ((alerts | length) / 1e+09) %}x{% endif %}",
    ),
    "safeHtml": ("{{ .Receiver | safeHtml }}", "{{ receiver | markup }}"),
    "braces in a text": ('{{ "}}" }}', '{{ "}}" }}'),
}  # fmt: skip


@pytest.mark.parametrize(("go", "jinja"), TRANSLATED.values(), ids=TRANSLATED)
def test_the_common_forms_have_a_counterpart(go: str, jinja: str) -> None:
    file = parse(go)
    done = translate(file.body, file.defined)
    assert (done.text, done.left) == (jinja, ())


LEFT = {
    "an unknown function": ("{{ now }}", "the function now has no counterpart here"),
    "an unknown field": ("{{ .Values.B }}", "the field Values has no counterpart here"),
    "a format": ('{{ printf "%.2f" 1.5 }}', "printf's %.2f has no counterpart here"),
    "an unknown template": ('{{ template "x" . }}', 'no template "x" is defined'),
    "a template in itself": ('{{ define "x" }}{{ template "x" . }}{{ end }}{{ template "x" . }}',
                             "templates that include each other"),
    "a variable of outside": ("{{ $x := 1 }}{{ range .Alerts }}{{ $x = 2 }}{{ end }}",
                              "a variable of outside changes in a loop"),
    "a condition": ("{{ if now }}kept{{ end }}", "the function now has no counterpart here"),
    "what nobody can read": ("{{ .Status ? }}", "cannot read ?"),
}  # fmt: skip


@pytest.mark.parametrize(("go", "why"), LEFT.values(), ids=LEFT)
def test_what_has_no_counterpart_is_marked_where_it_stood(go: str, why: str) -> None:
    file = parse(f"before\n{go} after")
    done = translate(file.body, file.defined)
    assert why in done.left[0].why
    assert done.text.startswith("before\n")
    assert done.text.endswith(" after")
    assert "{# not translated: {{ " in done.text
    if "kept" in go:
        assert "kept" in done.text


def test_what_was_not_translated_is_named_with_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.tmpl").write_text('{{ define "a" }}\n\n{{ .X }}{{ end }}\n')
    (tmp_path / "alertmanager.yml").write_text(
        "route: {receiver: r}\ntemplates: [a.tmpl]\nreceivers:\n  - name: r\n"
        "    telegram_configs:\n      - chat_id: -1\n        bot_token_file: f\n"
        '        message: |\n          text\n          {{ now }}{{ template "a" . }}\n'
    )
    said = imported(tmp_path / "alertmanager.yml", tmp_path / "out", capsys)
    assert "alertmanager.yml:10:1: warning: not translated: {{ now }}: the function now" in said
    assert "a.tmpl:3:1: warning: not translated: {{ .X }}: the field X" in said
    text = (tmp_path / "out/templates/r-telegram.html.j2").read_text()
    assert "text\n{# not translated: {{ now }} #}" in text


def test_markup_that_never_ends_is_told_where_it_stands_now(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Telegram refuses such a message from Alertmanager, whenever that branch is drawn."""
    (tmp_path / "alertmanager.yml").write_text(
        "route: {receiver: r}\nreceivers:\n  - name: r\n    telegram_configs:\n"
        "      - {chat_id: -1, bot_token_file: f, parse_mode: HTML, message: '<b>{{ .Status }}'}\n"
    )
    (tmp_path / "out").mkdir()
    (tmp_path / "out/f").write_text("1000001:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
    assert main(["import", str(tmp_path / "alertmanager.yml"), f"--out={tmp_path / 'out'}"]) == 0
    said = capsys.readouterr().err
    assert "To be mended before relay.yml can be served (1):" in said
    assert "templates/r-telegram.html.j2:1:1: block card: <b> is never closed" in said


@pytest.mark.parametrize(
    ("case", "says"),
    [
        ("import-amconfig", "this is an AlertmanagerConfig: import what the operator makes"),
        ("import-secret", "a Secret holds the alertmanager.yml under stringData"),
        ("import-helm-values", ("this is a file of Helm values, with the alertmanager.yml under "
                               "alertmanager.config")),
        ("import-webhook-relay", "webhook_configs of another relay"),
    ],
)  # fmt: skip
def test_a_file_around_an_alertmanager_yml_is_recognised(
    case: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["import", str(need_case(f"{case}.yml"))]) == 1
    assert says in capsys.readouterr().err


def test_secrets_become_files_of_their_owner_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = need_case("import-operator-generated.yml")
    said = imported(file, tmp_path / "out", capsys)
    secrets = sorted((tmp_path / "out/secrets").iterdir())
    assert [path.name for path in secrets] == ["discord-900000000000000000", "telegram-123456789"]
    assert [path.stat().st_mode & 0o777 for path in secrets] == [0o600, 0o600]
    assert secrets[1].read_text().strip() in file.read_text()
    config = (tmp_path / "out/relay.yml").read_text()
    assert "bot_token_file: secrets/telegram-123456789" in config
    assert secrets[1].read_text().strip() not in config + said
    assert 'proxy_from_environment: the environment is not read, write "proxy_url"' in said
    assert "warning: follow_redirects" not in said


def test_slack_entries_that_post_to_discord_become_discord_entries(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    imported(need_case("import-slack-discord.yml"), tmp_path / "out", capsys)
    config = (tmp_path / "out/relay.yml").read_text()
    assert "webhook_url_file: secrets/discord-900000000000000000\n" in config
    assert "username: Alertmanager\n" in config
    assert "send_resolved: false\n" in config  # Slack's sender says nothing unless it is told to
    url = (tmp_path / "out/secrets/discord-900000000000000000").read_text()
    assert not url.strip().endswith("/slack")
    title = (tmp_path / "out/templates/discord-discord.md.j2").read_text()
    assert title == "{% block title %}{{ common_annotations.summary }}{% endblock %}\n"


def test_placeholders_stay_as_faults(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "alertmanager.yml").write_text(
        "route: {receiver: r}\nreceivers:\n  - name: r\n    telegram_configs:\n"
        "      - {chat_id: 0, bot_token: '<bot token>'}\n      - bot_token: 1:abc\n"
        "    discord_configs:\n      - webhook_url: https://discord.com/api/webhooks/ID/TOKEN\n"
    )
    assert main(["import", str(tmp_path / "alertmanager.yml"), f"--out={tmp_path / 'o'}"]) == 0
    err = capsys.readouterr().err
    assert "Missing, and to be written into relay.yml before it can be served (4):" in err
    assert main(["check-config", str(tmp_path / "o/relay.yml")]) == 1
    out = capsys.readouterr().out
    assert "FAILED: 4 faults" in out
    canary.forget()


def test_nothing_that_is_there_is_written_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "relay.yml").write_text("mine")
    file = need_case("import-operator-generated.yml")
    assert main(["import", str(file), f"--out={tmp_path}"]) == 2
    assert "relay.yml exists already: name an empty folder" in capsys.readouterr().err
    assert (tmp_path / "relay.yml").read_text() == "mine"
    assert not (tmp_path / "secrets").exists()


def test_the_kubernetes_stack_needs_no_more_than_its_templates(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A message whose template is elsewhere keeps the built-in one, not an empty one."""
    said = imported(need_case("import-kps.yml"), tmp_path / "out", capsys)
    assert 'no template "telegram.message" is defined in the files read' in said
    config = (tmp_path / "out/relay.yml").read_text()
    assert "template" not in config
    assert config.count("discard: true") == 2
