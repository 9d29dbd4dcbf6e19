"""Which templates a configuration has, and how each is used: what is to be checked of them."""

from msgspec import Struct

from relay.core.text.markup import MarkupName

Sources = tuple[tuple[str, str], ...]
Use = tuple[str, MarkupName]


class TemplateCheck(Struct, frozen=True):
    """What is to be tried: templates and their sources, those that come with the relay and the
    others, and `uses`: names with the markup that their users write them in."""

    builtin: Sources = ()
    own: Sources = ()
    uses: tuple[Use, ...] = ()
