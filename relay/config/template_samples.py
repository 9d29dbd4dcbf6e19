"""Templates of a configuration, compiled and tried on the samples before any alert meets them."""

from collections.abc import Iterable, Iterator
from functools import lru_cache

from msgspec import Struct

from relay.core.template import template
from relay.core.template.template import TemplateFault, Templates, check
from relay.core.text.markup import MarkupName

Sources = tuple[tuple[str, str], ...]
Use = tuple[str, MarkupName]


class Trial(Struct, frozen=True):
    """What is to be tried: templates and their sources, those that come with the relay and the
    others, and `uses`: names with the markup that their users write them in."""

    builtin: Sources = ()
    own: Sources = ()
    uses: tuple[Use, ...] = ()


class Verdict(Struct, frozen=True):
    """What came of trying one template: nothing, or all that is wrong with it."""

    template: str
    faults: tuple[TemplateFault, ...]


def names(trial: Trial) -> tuple[str, ...]:
    """The templates that `verdicts` judges, in that order."""
    return tuple(dict.fromkeys((*dict(trial.own), *(name for name, _ in trial.uses))))


def verdicts(trial: Trial, wanted: Iterable[str]) -> Iterator[Verdict]:
    """Tries the wanted templates one by one, each in the markup of its uses; one that nobody uses
    is plain text.
    """
    shared = compiled(trial.builtin)
    own = dict(trial.own)
    for name in wanted:
        found, faults = template.compile({name: own[name]}) if name in own else (shared, ())
        together = Templates(shared.by_name | found.by_name)
        for markup in _markups(trial, name) if name in together.by_name else ():
            faults += check(together, name, markup)
        yield Verdict(name, tuple(dict.fromkeys(faults)))


@lru_cache(maxsize=4)  # a reload that leaves the templates as they are has nothing to compile
def compiled(sources: Sources) -> Templates:
    """The templates ready for use, those with faults left out."""
    return template.compile(dict(sources))[0]


def _markups(trial: Trial, name: str) -> list[MarkupName]:
    return [markup for each, markup in trial.uses if each == name] or ["none"]
