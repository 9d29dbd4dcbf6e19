"""The sandbox at run time: nothing reaches out of it, nothing costs more than a message may."""

import time

import pytest

from relay.core.routing.lane import Policy
from relay.core.template import sample, template
from relay.core.text.message import Form

VIEW = sample.VIEWS["three"]


def _failure(source: str) -> str:
    templates, faults = template.compile({"t": source})
    assert faults == ()
    before = time.process_time()
    rendered = template.render(
        templates, Policy("ops", "t", "html"), VIEW, "card", None, Form(lambda _: 0)
    )
    assert time.process_time() - before < 2.0
    assert "KubePodCrashLooping" in rendered.message.body.text
    return rendered.failed


LOOP = (
    "{% set ns = namespace(x=START) %}{% for i in range(100) %}{% set ns.x = GROWN %}{% "
    "endfor %}{{ ns.x | length }}"
)


def _loop(start: str, grown: str) -> str:
    return LOOP.replace("START", start).replace("GROWN", grown)


LARGE = (
    "{% set ns = namespace(x='aaaaaaaaaa', l=[]) %}{% for i in range(18) %}{% set ns.x = "
    "ns.x ~ ns.x %}{% endfor %}"
)


def _with_large(repeated: str) -> str:
    """A text of 2.6 million characters in `ns.x`, and what is done with it again and again."""
    return (
        LARGE
        + "{% for i in range(990) %}{% for j in range(40) %}"
        + repeated
        + "{% endfor %}{% endfor %}"
    )


WIDE = (
    "{% set s = '"
    + "a" * 1000
    + "' %}{% set x = range(900) | join(s) %}{% set y = x ~ 'b' %}{% set z = x ~ 'c' %}"
)


def _wide(expression: str) -> str:
    """What is made of a list that holds a text of 900 thousand characters again and again."""
    return WIDE + f"{{% set l = [{'y, ' * 150}] %}}{{% set m = {expression} %}}"


def _tower(use: str) -> str:
    """Two lists in lists in lists, of few things that stand there a billion times."""
    grow = (
        "{% for i in range(40) %}{% set g = ns.A | groupby(0) %}{% set ns.A = GROWN %}{% endfor %}"
    )
    both = grow + grow.replace("ns.A", "ns.B")
    return "{% set ns = namespace(A=['a'], B=['a']) %}" + both + "{% set q = " + use + " %}"


@pytest.mark.medium
@pytest.mark.parametrize(
    ("source", "why"),
    [
        (_wide("l | sort"), "steps"),
        (_wide("l | unique"), "steps"),
        (_wide("l | min"), "steps"),
        (_wide("l | toJson"), "steps"),
        (_wide("z in l"), "steps"),
        (_wide("z is in(l)"), "steps"),
        (_wide("'b' ~ l | join | length"), "steps"),
        (WIDE + f"{{% set l = [{'y, ' * 300}] %}}", "steps"),
        ("{{ (1, 2).count(1) }}", "'count'"),
        (_tower("ns.A == ns.B").replace("GROWN", "g + g"), "steps"),
        (_tower("ns.A == ns.B").replace("GROWN", "[g[0], g[0]]"), "a list in a list"),
        (WIDE + f"{{{{ [1][[{'x, ' * 60}]] }}}}", "an item has a text or a number, no list"),
        ("{{ [1] | join('', namespace(x='long')) }}", "map(attribute=namespace)"),
        (LOOP.replace("START", "bold('a')").replace("GROWN", "italic(bold(ns.x)) ~ ns.x"), "steps"),
        (WIDE + "{{ x | match('(a?){200}(a*)*(a{0,200}b)') }}", "steps"),
        (WIDE + "{{ x | replace('a', 'ac') | reReplaceAll('a[^b]*b|c', '') }}", "steps"),
        (WIDE + "{{ x.strip('a' ~ x) }}", "steps"),
        (WIDE + "{{ x | min }}", "steps"),
        (WIDE + "{{ (x ~ x) | urlescape }}", "an address of 1803180 characters"),
        (WIDE + "{{ (x ~ x) | urlUnescape }}", "an address of 1803180 characters"),
        (WIDE + "{{ now | date(s) }}", "a layout of 1000 characters: at most 100"),
        (_with_large("{% set y = 'ab' in (ns.x or 1) %}"), "steps"),
        (
            "{% for i in range(990) %}{% for j in range(48) %}"
            + "{% set y = i - i %}" * 3000
            + "{% endfor %}{% endfor %}",
            "steps",
        ),
        (
            "{% macro m() %}"
            + "{% set y = 1 - 1 %}" * 3000
            + (
                "{% endmacro %}{% for i in range(990) %}{% for j in range(12) %}{{ m() }}{% "
                "endfor %}{% endfor %}"
            ),
            "steps",
        ),
        ("{% for i in range(990) %}{{ loop.cycle(" + "1, " * 9000 + ") }}{% endfor %}", "steps"),
        (
            (
                "{% for i in range(990) %}{% for j in range(40) %}"
                "{% set y = range(1000) | max %}{% "
                "endfor %}{% endfor %}"
            ),
            "steps",
        ),
        (_with_large("{% set ns.l = ns.l + [ns.x ~ i] %}"), "steps"),
        (_with_large("{% set ns.l = ns.l + [ns.x + 'b'] %}"), "steps"),
        (_with_large("{% set ns.l = ns.l + [ns.x[i:]] %}"), "steps"),
        (_with_large("{% set ns.l = ns.l + [ns.x | replace('ab', '')] %}"), "steps"),
        (_with_large("{% set ns.l = ns.l + [ns.x.upper()] %}"), "steps"),
        (_with_large("{% set ns.l = ns.l + [code(ns.x)] %}"), "steps"),
        (_with_large("{% set y = 'ab' in ns.x %}"), "steps"),
        (_with_large("{% set y = 'ab' is in(ns.x) %}"), "steps"),
        (_with_large("{% set y = ns.x == ns.x %}"), "steps"),
        (_with_large("{% set y = ns.x is eq(ns.x) %}"), "steps"),
        (_with_large("{% set y = ns.x.startswith(ns.x) %}"), "steps"),
        (_with_large("{% set y = loop.changed(ns.x) %}"), "steps"),
        (_with_large("{% set y = ['cd', 'ef'] | select('in', ns.x) | list %}"), "steps"),
        (_with_large("{% set y = 'abcdefgh' | truncate(7, true, ns.x, 0) %}"), "expected length"),
        (_with_large("{% set y = common_labels.get(ns.x) %}"), "steps"),
        (_with_large("{% set y = link('a', ns.x) %}"), "steps"),
        (
            "{% for i in range(990) %}{% for j in range(20) %}"
            + "x" * 60_000
            + "{% endfor %}{% endfor %}",
            "steps",
        ),
        (
            "{% macro m() %}{% for i in range(990) %}{% for j in range(20) %}"
            + "x" * 60_000
            + "{% endfor %}{% endfor %}{% endmacro %}{{ m() }}",
            "steps",
        ),
        (LARGE + "{{ ns.x.split('a') | length }}", "steps"),
        (LARGE + "{{ range(990) | join(ns.x) }}", "join makes a text that is too large"),
        (LARGE + "{{ [ns.x, ns.x, ns.x, ns.x] | join }}", "join makes a text that is too large"),
        (
            LARGE + "{{ ns.x | match(ns.x) }}",
            "a regular expression of 2621440 characters: at most 1000",
        ),
        ("{% for i in range(990) %}{% set y = 'x' | match('(a|b){9}' ~ i) %}{% endfor %}", "steps"),
        ("{{ 'x' | match('(?i:\\\\pL{500})') }}", "bad regular expression"),
        (_loop("'aaaaaaaaaa'", "ns.x ~ ns.x"), "too large"),
        (_loop("'aaaaaaaaaa'", "ns.x + ns.x"), "steps"),
        (_loop("[1, 2]", "ns.x + ns.x"), "steps"),
        (_loop("10", "ns.x * ns.x"), "a number is too large"),
        (_loop("[1]", "[ns.x, ns.x]"), "a list in a list"),
        (_loop("(1,)", "(ns.x, ns.x)"), "a list in a list"),
        (_loop("{}", "{'a': ns.x}"), "a list in a list"),
        (_loop("'aaaaaaaaaa'", "ns.x | replace('a', 'aa')"), "steps"),
        (_loop("'aaaaaaaaaa'", "ns.x | reReplaceAll('a', 'aaaaaaaa')"), "steps"),
        ("{% for i in range(999) %}{% for j in range(999) %}{% endfor %}{% endfor %}", "steps"),
        ("{% for i in range(999) %}" + "{{ name }}" * 100 + "{% endfor %}", "steps"),
        ("{% set n = 100000 %}{{ name * n * n }}", "* is for numbers"),
        (
            "{% set n = 100000 %}{% for i in range(n) %}x{% endfor %}",
            "range() of 100000 is too long",
        ),
        ("{{ '{:>1000000000}'.format('a') }}", "'format'"),
        ("{{ ''['format'](1) }}", "'format'"),
        ("{{ 'a'.ljust(1000000000) }}", "'ljust'"),
        ("{{ alerts['__class__'] }}", "'__class__'"),
        ("{{ alerts | map(attribute='__class__') | join }}", "'__class__'"),
        ("{{ alerts[0].labels['__class__'].nope }}", "'nope'"),
        ("{{ t['__globals__'] }}", "'__globals__'"),
        ("{{ {}.update({'a': 1}) }}", "'update'"),
        ("{{ [].append(1) }}", "'append'"),
        ("{{ alerts | map('safe') | join }}", "No filter named 'safe'"),
        ("{{ 1 // 0 }}", "division"),
        ("{{ alerts.fring }}", "alerts has no 'fring'; did you mean 'firing'?"),
        ("{{ alerts[0].lables.pod }}", "alert has no 'lables'; did you mean 'labels'?"),
        ("{{ t('nope') }}", "no text 'nope'"),
        ("{{ t('since') }}", "start"),
        ("{{ alerts[99].name }}", "alerts has no item 99"),
    ],
)
def test_it_fails_in_time_and_the_plain_text_stands_in(source: str, why: str) -> None:
    assert why in _failure(source)


@pytest.mark.medium
def test_calls_of_macros_are_counted_however_they_are_stacked() -> None:
    macros = "".join(
        f"{{% macro m{i}() %}}{{{{ m{i - 1}() }}}}{{{{ m{i - 1}() }}}}{{% endmacro %}}"
        for i in range(1, 60)
    )
    assert "steps" in _failure(f"{{% macro m0() %}}x{{% endmacro %}}{macros}{{{{ m59() }}}}")


def test_a_failure_names_its_line() -> None:
    assert _failure("ok\n{% for a in alerts %}\n{{ a.nope }}\n{% endfor %}").startswith("t:3: ")
