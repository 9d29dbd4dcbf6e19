"""What a template may not be made of: each refused at load, with its place and what to write
instead.
"""

import time

import pytest

from relay.core.template.template import compile as compiled


def _fault(source: str) -> str:
    _, faults = compiled({"team.html.j2": source})
    assert faults, "nothing was refused"
    return "\n".join(
        f"{fault.template}:{fault.line}:{fault.column}: {fault.message}" for fault in faults
    )


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("{{ (9**9999999) | string }}", ":1:1: ** is not available"),
        ("{{ 'a' * 1000000000 }}", "* is for numbers"),
        ("{{ ['a'] * 1000000000 }}", "* is for numbers"),
        ("{{ '%1000000000s' % 'a' }}", "% is for numbers"),
        ("{% for i in range(1000000000) %}x{% endfor %}", ":1:13: range() of more than 1000"),
        (
            "{{ 'a' | center(1000000000) }}",
            ":1:10: no filter 'center': chats have proportional letters",
        ),
        ("{{ '%9s' | format('a') }}", "no filter 'format': join texts with ~"),
        ("\n\n{{ name | safe }}", ":3:11: no filter 'safe': values are escaped automatically"),
        ("{{ name | toUper }}", ":1:11: no filter 'toUper'; did you mean 'toUpper'?"),
        ("{{ name | _concat }}", "no filter '_concat'"),
        ("{{ 1 is evne }}", "no test 'evne'; did you mean 'even'?"),
        ("{% set x %}a{% endset %}", "write {% macro %}"),
        ("{% filter upper %}a{% endfilter %}", "put the filter on each value"),
        ("{% macro m() %}{% endmacro %}{% call m() %}{% endcall %}", "{% call %} is not available"),
        ("{% include 'x' %}", "{% include %} is not available"),
        ("{% import 'x' as y %}", "{% import %} is not available"),
        ("{% from 'x' import y %}", "{% from %} is not available"),
        ("{% extends 'x' %}", "{% extends %} is not available"),
        (
            "{% autoescape false %}{{ name }}{% endautoescape %}",
            "{% autoescape %} is not available",
        ),
        (
            "{% for a in alerts recursive %}{{ loop(a) }}{% endfor %}",
            "recursive loops are not available",
        ),
        (
            "a\n{{ .CommonLabels.alertname }}",
            (
                ":2:4: this is Go's template language, here it is Jinja2: write "
                "common_labels.alertname"
            ),
        ),
        ("{{- .ExternalURL | toUpper -}}", "write external_url"),
        (
            "{{ range .Alerts }}{{ end }}",
            ":1:4: this is Go's template language, here it is Jinja2: write {% for alert",
        ),
        (
            "{{ if true }}{{ .Labels.pod }}",
            ":1:17: this is Go's template language, here it is Jinja2: write alert.labels",
        ),
        (
            "{{ (index .Alerts.Firing 0) }}",
            ":1:11: this is Go's template language, here it is Jinja2: write alerts.F",
        ),
        ('{{ template "slack.title" . }}', "name a file with the key template"),
        ("{{ $x := 1 }}", "write {% set name = ... %}"),
        ("{{ ''.__class__ }}", "underscore"),
        ("{% set ns = namespace() %}{% set ns.__class__ = 1 %}", "underscore"),
        ("{{ _run.values }}", "names that begin with an underscore"),
        ("{{ self.card() }}", "write a macro"),
        ("{% block card %}{{ super() }}{% endblock %}", "there is nothing above"),
        ("{{ cycler(1, 2) }}", "'cycler' is undefined"),
        (
            "{{ lables }}",
            "'lables' is undefined; did you mean 'alert.labels'? An alert has age annotations",
        ),
        ("{{ Sverity }}", "'Sverity' is undefined; did you mean 'severity'?"),
        (
            "{% macro m() %}<b>{% endmacro %}{{ m() ~ 'x' }}",
            ":1:10: a macro is only printed: {{ m(...) }}",
        ),
        ("{% macro m() %}<b>{% endmacro %}{% set x = m() %}", "a macro is only printed"),
        (
            "{% macro m() %}<b>{% endmacro %}{% set x = m %}{{ x() ~ 'y' }}",
            "a macro is only printed",
        ),
        ("{% macro m() %}{{ m() }}{% endmacro %}", "macro 'm' is used before it is defined"),
        (
            "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}",
            "used before it is defined",
        ),
        (
            (
                "{% macro a() %}{% endmacro %}{% macro b() %}{{ c() }}{% endmacro %}{% macro c() "
                "%}{{ b() }}{% endmacro %}"
            ),
            "macro 'c' is used before it is defined",
        ),
        ("\ufdd00\ufdd1", "U+FDD0 and U+FDD1 are not characters"),
        ("{% block crad %}{% endblock %}", ":1:10: no block 'crad'; did you mean 'card'?"),
        ("{% if true %}{% block card %}{% endblock %}{% endif %}", "is inside something else"),
        ("hello {% block card %}x{% endblock %}", "outside the blocks and would never be sent"),
        (
            "{% for a in alerts %}x{% endfor %}{% block card %}x{% endblock %}",
            "outside the blocks",
        ),
        ("{% if x %}", ":1:1: Unexpected end of template"),
        ("ok\n{{ a b }}", ":2:6: expected token"),
        ("{{ " + "(" * 500 + "1" + ")" * 500 + " }}", "too deeply nested"),
        ("{{ " + "not " * 5000 + "1 }}", "too deeply nested"),
        ("{% if 1 %}" * 300 + "x" + "{% endif %}" * 300, "too deeply nested"),
        ("{{ " + "9" * 10000 + " }}", "too large"),
        ("x" * 70000, "a template of 70,000 characters"),
    ],
)
def test_refused_at_load(source: str, fault: str) -> None:
    before = time.process_time()
    assert fault in _fault(source)
    assert time.process_time() - before < 1.0


def test_every_fault_of_a_file_is_reported_at_once() -> None:
    assert _fault("{{ nope }}\n{{ 2 ** 3 }}\n{{ name | safe }}").count("team.html.j2:") == 3


@pytest.mark.parametrize(
    "source",
    [
        "{% block card %}a{% endblock %}\n\n{# a remark #}\n{% block reply %}b{% endblock %}",
        "{% macro m(a, b=1) %}{{ a }}{% endmacro %}{% block card %}{{ m(1) }}{% endblock %}",
        "{% macro a() %}x{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ b() }}",
        (
            "{% set ns = namespace(n=0) %}{% for a in alerts %}{% set ns.n = ns.n + 1 %}{% endfor "
            "%}{{ ns.n }}"
        ),
        "{% with x = 1 %}{{ x if x is odd else -x }}{% endwith %}",
        "{% for i in range(1000) if i % 2 %}{{ loop.index }}{% else %}none{% endfor %}",
        "{{ ['a', 'b'][1:] | join }}{{ {'a': 1}['a'] }}{{ ('x', 'y') | first }}",
        "{{ name if name in ['a'] and not (1 < 2 <= 3) or 7 // 2 }}",
    ],
)
def test_what_templates_need_is_allowed(source: str) -> None:
    assert compiled({"t": source})[1] == ()
