"""The templates of a configuration, and how each is used, so that they can be checked."""

from msgspec import Struct

from relay.core.text.markup import MarkupName

Sources = tuple[tuple[str, str], ...]
Use = tuple[str, MarkupName]


class TemplateCheck(Struct, frozen=True):
    """The templates to try: sources, the built-in ones and the others, and `uses`: names with the
    markup of their users.
    """

    builtin: Sources = ()
    own: Sources = ()
    uses: tuple[Use, ...] = ()
