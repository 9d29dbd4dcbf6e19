"""Templates of a configuration, compiled and tried on the samples."""

from collections.abc import Iterable, Iterator
from functools import lru_cache

from msgspec import Struct

from relay.config.template_uses import Sources, TemplateCheck
from relay.core.template import template
from relay.core.template.template import TemplateFault, Templates, check, warnings
from relay.core.text.markup import MarkupName


class CheckResult(Struct, frozen=True):
    """The faults of one template; none if it is good."""

    template: str
    faults: tuple[TemplateFault, ...]


def names(template_check: TemplateCheck) -> tuple[str, ...]:
    """The templates that `check_results` checks, in that order."""
    return tuple(
        dict.fromkeys((*dict(template_check.own), *(name for name, _ in template_check.uses)))
    )


def check_results(template_check: TemplateCheck, wanted: Iterable[str]) -> Iterator[CheckResult]:
    """Tries the wanted templates one by one, each in the markup of its uses. One that nobody uses
    (such as that of an entry with a fault) is tried as plain text, without a word on its markup.
    """
    shared = template.shipped(dict(template_check.builtin))
    own = dict(template_check.own)
    told = {name for name, _ in template_check.uses} & own.keys()
    for name in wanted:
        found, faults = template.compile({name: own[name]}) if name in own else (shared, ())
        templates = Templates(shared.by_name | found.by_name, shared.by_name)
        for markup in _markups(template_check, name) if name in templates.by_name else ():
            faults += check(templates, name, markup)
            faults += warnings(templates, name, markup) if name in told else ()
        yield CheckResult(name, tuple(dict.fromkeys(faults)))


@lru_cache(maxsize=4)  # a reload that leaves the templates as they are has nothing to compile
def compiled(sources: Sources) -> Templates:
    """The compiled templates, without faulty ones."""
    return template.compile(dict(sources))[0]


def together(template_check: TemplateCheck) -> Templates:
    """The templates of a configuration. One of its own replaces the built-in one of its name, which
    still lends the blocks that the other lacks.
    """
    builtin = template.shipped(dict(template_check.builtin)).by_name
    return Templates(builtin | compiled(template_check.own).by_name, builtin)


def _markups(template_check: TemplateCheck, name: str) -> list[MarkupName]:
    return [markup for each, markup in template_check.uses if each == name] or ["none"]
