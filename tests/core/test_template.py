"""Templates: compiled at load, rendered at run time, never silent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from relay.core.card.step import ReplyKind
from relay.core.card.view import AlertView, View
from relay.core.routing.lane import MentionRule, Policy
from relay.core.routing.matcher import parse
from relay.core.template import sample, template
from relay.core.template.context import ContextShape, TemplateContext
from relay.core.text.markup import MarkupName
from relay.core.text.message import Field, Form, Mention, Message
from relay.core.text.richtext import CLOSE, OPEN, RichText, Span, clean, plain, styled
from relay.platforms import discord, telegram
from relay.settings.load import BUILTIN

SOURCES = {path.name: path.read_text() for path in BUILTIN.glob("*.j2")}
BUILT_IN, _ = template.compile(SOURCES)
REPLIES: tuple[ReplyKind, ...] = ("joined", "repeated", "resolved", "again")
THREE = sample.VIEWS["three"]


def _policy(name: str = "t", markup: MarkupName = "html") -> Policy:
    return Policy(receiver="ops", template=name, markup=markup, timezone="Europe/Paris")


def _templates(source: str) -> template.Templates:
    own, faults = template.compile({"t": source})
    assert faults == ()
    return template.Templates({**BUILT_IN.by_name, **own.by_name})


def _card(
    source: str, view: View = THREE, markup: MarkupName = "html", room: int = 4096
) -> template.Rendered:
    return template.render(
        _templates(source), _policy("t", markup), view, "card", None, _room(room)
    )


def _room(room: int) -> Form:
    return Form(lambda message: max(0, len(message.body.text) - room))


def test_the_built_in_templates_are_those_that_stand_in_the_folder() -> None:
    assert set(SOURCES) == set(template.BUILT_IN)


@pytest.mark.medium
@pytest.mark.parametrize("name", template.BUILT_IN)
def test_the_built_in_templates_pass_their_own_check(name: str) -> None:
    assert template.compile(SOURCES)[1] == ()
    assert template.check(BUILT_IN, name, template.BUILT_IN[name]) == ()


@pytest.mark.parametrize("name", template.BUILT_IN)
def test_the_built_in_templates_are_short_enough_to_copy(name: str) -> None:
    assert len(SOURCES[name].splitlines()) <= 80


@pytest.mark.parametrize("view", sample.VIEWS)
def test_the_telegram_templates_say_the_same_in_every_markup(view: str) -> None:
    said = {
        template.render(
            BUILT_IN, _policy(name, markup), sample.VIEWS[view], "card", None, _room(60000)
        ).message.body.text
        for name, markup in template.BUILT_IN.items()
        if markup != "discord"
    }
    assert len(said) == 1


@pytest.mark.parametrize("begin", ["", "https://runbooks.example.org/disk "])
def test_a_long_text_with_a_link_is_shortened_as_little_as_one_without(begin: str) -> None:
    text = begin + "word " * 1000
    view = sample.view((sample.alert(0, annotations={"description": text}),), now=60)
    shown = _card("{{ description }}", view, room=1100).message.body
    assert 900 < len(shown.text) <= 1100
    assert bool(shown.spans) == bool(begin)


def test_a_value_is_never_markup() -> None:
    body = _card("<b>{{ '</b><i>*_`&lt;' }}</b>{{ '<i>' ~ 'x' }}").message.body
    assert body == RichText("</b><i>*_`&lt;<i>x", (Span("bold", 0, 14),))


@pytest.mark.parametrize("markup", ["html", "markdownv2", "markdown", "discord", "none"])
@given(value=st.text(max_size=200))
def test_whatever_a_label_holds_stands_in_the_message_as_it_is(
    markup: MarkupName, value: str
) -> None:
    view = replace(THREE, common_labels={"x": value})
    rendered = template.render(_VALUE, _policy("t", markup), view, "card", None, _room(10000))
    assert rendered.failed == ""
    shown = clean(value).replace(OPEN, "\ufffd").replace(CLOSE, "\ufffd")
    assert rendered.message.body == plain(f"v{shown}v")


_VALUE = _templates("v{{ common_labels.x }}v")


def test_a_block_has_what_it_uses_of_its_file_and_no_more() -> None:
    """Each block compiles the macros that it uses, and those that these use."""
    head = (
        "{% set dash = '-' %}"
        "{% macro inner() %}{{ dash }}{% endmacro %}"
        "{% macro unused() %}{{ inner() }}{{ common_labels.x }}{% endmacro %}"
        "{% macro outer() %}{{ inner() }}{% endmacro %}"
    )
    source = head + "{% block card %}a{{ outer() }}b{% endblock %}{% block reply %}c{% endblock %}"
    assert _card(source).message.body.text == "a-b"
    parts = _templates(source).parts("t", "html", frozenset({"card", "reply"}))
    assert {"dash", "inner", "outer"} <= parts["card"].uses
    assert "unused" not in parts["card"].uses
    assert parts["reply"].uses == {"dash"}


def test_a_macro_prints_markup_and_its_values_stay_values() -> None:
    source = "{% macro m(x) %}\n<b>{{ x }}</b>\n{% endmacro %}\n{{ m('<i>') }}!"
    assert _card(source).message.body == RichText("<i>!", (Span("bold", 0, 3),))


def test_the_name_of_alertmanager_for_everything() -> None:
    source = (
        "{{ Status }} {{ Receiver }} {{ Alerts.Firing | length }} {{ Alerts.Resolved | length }}"
        " {{ GroupLabels.cluster }} {{ CommonLabels.SortedPairs[0].Name }}={{ "
        "CommonLabels.SortedPairs[0].Value }}"
        " {{ CommonAnnotations.summary }}"
        " {{ ExternalURL }} {{ GroupKey | length }} {{ TruncatedAlerts }} {{ NotificationReason "
        "}} {{ RouteLabels }}"
        "{% for a in Alerts %} {{ a.Labels.pod }} {{ a.Status }} {{ a.StartsAt.unix | int }} {{ "
        "a.EndsAt.unix | int }}"
        " {{ a.Annotations.summary }} {{ a.GeneratorURL }} {{ a.Fingerprint | length }}{% endfor %}"
        " {{ CommonLabels.Remove(stringSlice('alertname', 'cluster', 'severity', 'job')) }}"
        " {{ CommonLabels.Names | join(',') }} {{ CommonLabels.Values | join(',') }}"
    )
    text = _card(source).message.body.text
    assert text.startswith(
        "firing ops 3 0 prod-1 alertname=KubePodCrashLooping Pod is crash looping https://alertmanager"
    )
    assert (
        " worker-11 firing 1795345560 0 Pod is crash looping https://prometheus.example.org/"
        in text
    )
    assert text.endswith(
        "namespace=payments alertname,cluster,job,namespace,severity"
        " KubePodCrashLooping,prod-1,kube-state-metrics,payments,critical"
    )


def test_a_label_that_is_not_there_is_empty_and_a_name_that_is_not_there_is_a_fault() -> None:
    assert _card(
        "[{{ alerts[0].labels.nope }}{{ common_annotations['no-pe'] }}]"
    ).message.body == plain("[]")
    _, faults = template.compile({"t": "{{ nope }}"})
    assert faults[0].message.startswith("'nope' is undefined")


# What a template leaves out


def test_blocks_that_are_left_out_have_the_built_in_default() -> None:
    rendered = _card("{% block reply %}<i>{{ reply }}</i>{% endblock %}").message
    own = template.render(
        BUILT_IN, _policy("telegram.html.j2"), THREE, "card", None, _room(4096)
    ).message
    assert rendered == own
    reply = template.render(
        _templates("{% block card %}x{% endblock %}"),
        _policy(),
        THREE,
        "reply",
        "repeated",
        _room(99),
    )
    assert reply.message.body.text == (
        "🔁 critical KubePodCrashLooping · payments, prod-1 · still firing after 2\u00a0min"
    )


def test_a_whole_file_is_the_card_and_has_no_second_title() -> None:
    message = _card("**{{ name }}**", markup="discord").message
    assert (message.body, message.title) == (styled("bold", "KubePodCrashLooping"), plain(""))
    assert (message.footer, message.color) == (plain("ops"), 0xE01E5A)


def test_all_blocks_of_an_embed() -> None:
    source = """{% set hello = "hi" %}
{% block title %}{{ link(name, "https://example.org/") }} of {{ hello }}{% endblock %}
{% block card %}**body**{% endblock %}
{% block content %}above{% endblock %}
{% block footer %}below{% endblock %}
{% block color %}#0000ff{% endblock %}
{% block fields %}
State: *{{ state }}*
Labels: {{ "a\nb: c" }}
Empty: {{ "" }}
{% endblock %}"""
    message = _card(source, markup="discord").message
    assert message == Message(
        body=styled("bold", "body"),
        title=plain("KubePodCrashLooping of hi"),
        title_url="https://example.org/",
        fields=(
            Field(plain("State"), styled("italic", "critical")),
            Field(plain("Labels"), plain("a\nb: c")),
        ),
        footer=plain("below"),
        content=plain("above"),
        color=0x0000FF,
        timestamp=THREE.since,
    )


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("{% block color %}reddish{% endblock %}", "write a colour such as #E01E5A"),
        ("{% block color %}99999999{% endblock %}", "write a colour such as #E01E5A"),
        ("{% block fields %}just text{% endblock %}", "each line is `Name: value`"),
        (
            "\n{% block fields %}\nA: b\nCluster {{ name }}{{ state }}.{% endblock %}",
            "t:4: block fields: each line is `Name: value`, not 'Cluster ….'",
        ),
        ("\n\n<b>{{ name }}", "t:3: block card: <b> is never closed"),
        ("{# nothing #}", "it prints nothing"),
    ],
)
def test_what_no_platform_would_take_is_a_failure(source: str, why: str) -> None:
    assert why in _card(source).failed


# What fails


def test_a_failing_template_gives_the_plain_text_and_says_so_in_one_line() -> None:
    rendered = _card("{{ alerts[0].lables.pod }}", sample.VIEWS["one"])
    assert rendered.failed == "t:1: alert has no 'lables'; did you mean 'labels'?"
    lines = rendered.message.body.text.splitlines()
    assert lines[0] == "🔴 critical HighErrorRate · api-7f9c · eu-west-1, payments"
    assert lines[-1] == "(template t failed: alert has no 'lables'; did you mean 'labels'?)"


def test_a_template_that_is_gone_gives_the_plain_text() -> None:
    rendered = template.render(BUILT_IN, _policy("gone.j2"), THREE, "card", None, _room(4096))
    assert rendered.failed == "gone.j2:1: there is no template 'gone.j2'"
    assert rendered.message.body.text.startswith(
        "🔴 critical KubePodCrashLooping ×3 · payments, prod-1\nPod is crash looping\n"
    )


@pytest.mark.parametrize("room", [0, 1, 5, 20, 50, 100, 300, 1000])
def test_even_the_plain_text_is_made_to_fit(room: int) -> None:
    rendered = _card("{{ alerts[0].nope }}", sample.VIEWS["huge"], room=room)
    assert len(rendered.message.body.text) <= max(room, 1)
    assert len(rendered.named) + len(rendered.counted) == 200


def test_check_tries_every_sample_and_tells_places() -> None:
    source = "ok\n{% if again %}{% endif %}{% for a in alerts.gone %}{{ a.nope }}{% endfor %}x"
    found = template.check(_templates(source), "t", "none")
    assert [(fault.template, fault.line) for fault in found] == [("t", 2)]
    assert "alert has no 'nope'" in found[0].message


def test_check_finds_markup_that_is_wrong_only_sometimes() -> None:
    templates = _templates("{{ name }}{% if again %}\n<b>again{% endif %}")
    (fault,) = template.check(templates, "t", "html")
    assert (fault.line, fault.message) == (2, "block card: <b> is never closed: end it with </b>")


# What does not fit


def test_of_too_many_alerts_the_first_are_told_and_the_others_counted() -> None:
    view = sample.VIEWS["huge"]
    rendered = template.render(
        BUILT_IN, _policy("telegram.html.j2"), view, "card", None, _room(1500)
    )
    prints = tuple(alert.fingerprint for alert in view.alerts)
    assert rendered.named + rendered.counted == prints
    assert len(rendered.named) == rendered.message.body.text.count(" · 12:")
    lines = rendered.message.body.text.splitlines()
    assert lines[1] == "• worker-000 · 12:00"
    assert lines[-2].startswith(f"… and {len(rendered.counted)} more: ")


def test_a_template_that_does_not_say_how_many_are_missing_has_it_said_for_it() -> None:
    rendered = _card(
        "{% for a in alerts %}{{ a.label }}\n{% endfor %}", sample.VIEWS["huge"], room=300
    )
    assert rendered.message.body.text.splitlines()[-1].startswith(
        f"… and {len(rendered.counted)} more: "
    )


def test_a_template_that_does_not_say_that_it_is_late_has_it_said_for_it() -> None:
    view = replace(
        sample.VIEWS["late"],
        may_be_repeated=True,
        stale=True,
        truncated_alerts=2,
        fallback_for="oncall",
    )
    assert _card("{{ name }}", view).message.body.text.splitlines()[1:] == [
        "↪️ for oncall, whose chat could not be reached",
        "✂️ Alertmanager left out 2 alerts (max_alerts)",
        "💤 no report of this group for 1\u00a0d\u00a01\u00a0h: it may have changed",
        "❔ may be repeated: no answer came when it was first sent",
        "⏱ 14\u00a0min late: this chat could not be reached from 12:04 to 12:17",
    ]
    assert "late" not in _card("{{ name }}{% if notes %}{% endif %}", view).message.body.text


def test_a_huge_value_is_shortened_with_its_length() -> None:
    view = replace(
        THREE, alerts=THREE.alerts[:1], common_annotations={"summary": "word " * 16_246 + "1234"}
    )
    text = _card("{{ common_annotations.summary }}", view).message.body.text
    assert text.endswith(" word … (81,234 characters)")
    assert 900 < len(text) < 1100


@pytest.mark.medium
def test_a_megabyte_in_every_value_costs_no_time() -> None:
    huge = "x" * 1_000_000
    alerts = tuple(
        replace(alert, labels={"alertname": huge, "pod": huge}, annotations={"summary": huge})
        for alert in THREE.alerts
    )
    view = replace(
        THREE,
        alerts=alerts,
        group_labels={"alertname": huge},
        common_labels={},
        common_annotations={},
    )
    for name, markup in template.BUILT_IN.items():
        rendered = template.render(
            BUILT_IN, _policy(name, markup), view, "card", None, telegram.FORM
        )
        assert rendered.failed == ""
        assert "(1,000,000 characters)" in rendered.message.body.text + rendered.message.title.text


@pytest.mark.slow
@pytest.mark.parametrize("name", ["alertname", "severity", "pod"])
def test_a_megabyte_in_each_of_a_hundred_alerts_fails_no_template(name: str) -> None:
    def alert(number: int) -> AlertView:
        labels = {
            "alertname": "Disk",
            "severity": "warning",
            "pod": f"{number}",
            name: f"{number}" + "x" * 1_000_000,
        }
        return replace(THREE.alerts[0], labels=labels, fingerprint=f"{number}")

    alerts = tuple(map(alert, range(100)))
    view = replace(THREE, alerts=alerts, group_labels={}, common_labels={}, common_annotations={})
    rendered = template.render(
        BUILT_IN, _policy("telegram.html.j2", "html"), view, "card", None, telegram.FORM
    )
    assert rendered.failed == ""


# Properties

_TEXT = st.text(max_size=60) | st.sampled_from(
    ["<b>", "*_`~|", "]](", "\ufdd00\ufdd1", "{{ 1 }}", "@everyone", "\u202e", "\n"]
)
_LABELS = st.dictionaries(
    st.sampled_from(["alertname", "severity", "pod", "instance", "x y"]) | _TEXT, _TEXT, max_size=6
)
_ALERTS = st.lists(
    st.builds(
        sample.alert,
        st.floats(-1e6, 1e6),
        st.sampled_from(["firing", "resolved", "gone"]),
        _LABELS,
        st.dictionaries(
            st.sampled_from(["summary", "description", "runbook_url"]), _TEXT, max_size=3
        ),
        joined=st.booleans(),
    ),
    min_size=1,
    max_size=30,
)


@given(
    alerts=_ALERTS,
    name=st.sampled_from(sorted(SOURCES)),
    language=st.sampled_from(["en", "fr"]),
    group=_LABELS,
)
def test_any_alerts_give_a_message_that_fits_without_a_failure(
    alerts: list[AlertView], name: str, language: str, group: dict[str, str]
) -> None:
    view = sample.view(tuple(alerts), about=tuple(alerts[:5]), group=group)
    policy = replace(_policy(name, template.BUILT_IN[name]), language=language)
    form = Form(discord.excess if "discord" in name else telegram.excess)
    for reply in (None, *REPLIES):
        rendered = template.render(
            BUILT_IN, policy, view, "reply" if reply else "card", reply, form
        )
        assert rendered.failed == ""
        assert form.fits(rendered.message)
        assert rendered.named + rendered.counted == tuple(alert.fingerprint for alert in alerts)


# Who is told


@pytest.mark.parametrize(
    ("view", "reply", "told"),
    [
        ("three", None, True),
        ("three", "joined", True),
        ("resolved", None, False),
        ("bare", None, False),
    ],
)
def test_mentions_are_those_whose_matchers_fit_a_firing_alert(
    view: str, reply: ReplyKind | None, told: bool
) -> None:
    anna = Mention("user", "1", "Anna")
    rule = MentionRule(parse('severity="critical"'), anna)
    policy = replace(_policy("telegram.html.j2"), mentions=(rule, rule))
    rendered = template.render(
        BUILT_IN, policy, sample.VIEWS[view], "reply" if reply else "card", reply, _room(4096)
    )
    assert rendered.message.mentions == ((anna,) if told else ())


def test_every_name_of_the_context_can_be_printed_or_has_parts() -> None:
    names = TemplateContext(THREE, _policy(), None).names(ContextShape(3, 3, 100))
    aliases = {
        "Receiver",
        "Status",
        "Alerts",
        "GroupLabels",
        "CommonLabels",
        "CommonAnnotations",
        "RouteLabels",
    }
    aliases |= {"ExternalURL", "NotificationReason", "TruncatedAlerts", "GroupKey"}
    assert aliases == {name for name in names if name[0].isupper()}
    for name in names:
        used = (
            "{{ x | length }}"
            if name in ("alerts", "Alerts", "about", "notes", "who", "where", "rest", "links")
            else "{{ x }}"
        )
        used = "{{ x.all }}" if name == "counts" else "{{ x('new') }}" if name == "t" else used
        assert _card(f"{{% set x = {name} %}}.{used}").failed == ""


@pytest.mark.parametrize("name", template.BUILT_IN)
@pytest.mark.parametrize(
    ("labels", "head"),
    [({}, "· prod-eu1"), ({"pod": "etcd-1"}, "· etcd-1 · prod-eu1")],
)
def test_a_resolved_card_says_what_differs_and_not_its_name_again(
    name: str, labels: dict[str, str], head: str
) -> None:
    group = {"alertname": "EtcdNoLeader", "cluster": "prod-eu1"}
    view = sample.view((sample.alert(4, "resolved", {**group, **labels}, {}),), group=group)
    view = replace(view, until=view.alerts[0].ends_at)
    policy = replace(_policy(name, template.BUILT_IN[name]), timezone="UTC")
    rendered = template.render(BUILT_IN, policy, view, "card", None, _room(4096))
    text = rendered.message.body.text.replace(" UTC", "")
    text = "\n".join(part for part in (rendered.message.content.text, text) if part)
    assert text.splitlines()[0] == f"🟢 resolved EtcdNoLeader {head}"
    assert text.splitlines()[1] == "11:04 to 11:07 (3\u00a0min)"
    assert text.count("EtcdNoLeader") == 1
