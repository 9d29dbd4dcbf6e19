"""The sandbox in which templates run: values are kept apart from markup, names are strict, and
every step is counted.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import lru_cache
from itertools import islice
from typing import Any

from jinja2 import StrictUndefined, pass_context
from jinja2 import utils as jinja
from jinja2.runtime import Context, LoopContext, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import _PassArg, missing
from markupsafe import Markup

from relay.core.routing.lane import LinkRewrite
from relay.core.template import cost as price
from relay.core.text.richtext import RichText, clean, concat, placeholder, shorten
from relay.core.text.times import Printable, Reader

MAX_STEPS = 50_000  # loop turns, calls, filters and output, weighted by the size of their values
MAX_TEXT = 8 << 20  # characters in one computed text: several values of 1 MiB each
MAX_ITEMS = 1 << 20  # items in one computed list
MAX_RANGE = 1_000
_MAX_BITS = 128
_PATTERN = 500  # steps for a regular expression
_BODY = 256  # characters and operations of a loop or a macro, per step
RUN = "_run"
TESTS = frozenset(
    {"defined", "undefined", "none", "string", "number", "mapping", "sequence", "iterable", "odd",
     "even",
     "divisibleby", "in", "eq", "equalto", "ne", "lt", "lessthan", "le", "gt", "greaterthan", "ge",
     "true", "false",
     "==", "!=", "<", "<=", ">", ">="}
)  # fmt: skip

# Filters that do not pay for their arguments: some read a text by character, others only join.
_PAYING: dict[str, Callable[[object], int]] = {
    **dict.fromkeys(
        ("first", "last", "list", "sort", "unique", "reverse", "map", "select", "reject",
         "selectattr", "rejectattr",
         "groupby", "min", "max"), price.taken_apart),
    **dict.fromkeys(("join", "_concat", "_flat"), price.looked),
    **dict.fromkeys(("code", "bold", "italic", "link"), price.begun),
}  # fmt: skip
_METHODS: dict[type, frozenset[str]] = {
    str: frozenset(
        {"upper", "lower", "title", "capitalize", "strip", "lstrip", "rstrip", "split",
         "startswith", "endswith",
         "removeprefix", "removesuffix"}
    ),
    dict: frozenset({"get", "items", "keys", "values"}),
    int: frozenset(),
    float: frozenset(),
    bool: frozenset(),
    list: frozenset(),
    tuple: frozenset(),
    range: frozenset(),
    type(None): frozenset(),
    Markup: frozenset(),
    LoopContext: frozenset(
        {"index", "index0", "first", "last", "length", "revindex", "revindex0", "previtem",
         "nextitem", "cycle",
         "changed", "depth", "depth0"}
    ),
}  # fmt: skip


class TooCostlyError(RuntimeError):
    """The template exceeds a limit of one message; the text names the limit."""


class Run:
    """One rendering: the values in its output, the length in characters of the longest of them
    before it was shortened, and the steps that are left.
    """

    __slots__ = ("_left", "_patterns", "limit", "longest", "reader", "rewrites", "values")

    def __init__(self, reader: Reader, limit: int, rewrites: tuple[LinkRewrite, ...]) -> None:
        """Shortens values of more than `limit` characters, and rewrites links."""
        self.rewrites = rewrites
        self.reader = reader
        self.limit = limit
        self.longest = 0
        self.values: list[RichText | str] = []
        self._left = MAX_STEPS
        self._patterns: set[str] = set()

    def charge(self, steps: int) -> None:
        """Takes steps from those that are left. Raises TooCostlyError."""
        self._left -= steps
        if self._left < 0:
            raise TooCostlyError(f"it takes more than {MAX_STEPS} steps: loop over less")

    def learn(self, pattern: str) -> None:
        """Pays for a regular expression, once. Raises TooCostlyError."""
        if pattern not in self._patterns:
            self._patterns.add(pattern)
            self.charge(_PATTERN)

    def keep(self, value: object) -> Markup:
        """Keeps a printed value, shortened to the limit with its length stated, and returns its
        placeholder in the output.
        """
        text = self.fitted(value)
        self.charge(1 + price.made(text))
        self.values.append(text)
        return _printed(len(self.values) - 1)

    def fitted(self, value: object) -> RichText | str:
        """The printed form of the value, shortened to the limit. Of a long text only the kept part
        is read.
        """
        if type(value) is str and len(value) <= self.limit and value.isprintable():
            self.longest = max(self.longest, len(value))
            return value if value.isascii() else clean(value)
        if type(value) is RichText and len(value.text) <= self.limit:
            self.longest = max(self.longest, len(value.text))
            return value
        text = shown(value[: 2 * self.limit] if isinstance(value, str) else value)
        size = max(price.size(value), price.size(text))
        self.longest = max(self.longest, size)
        if size <= self.limit:
            return text
        rich = RichText(text) if isinstance(text, str) else text
        said = self.reader.say("characters", size)
        return concat([shorten(rich, self.limit, lambda part: len(part.text)), " ", said])


@lru_cache(maxsize=1024)
def _printed(index: int) -> Markup:
    """What a template prints in place of a value."""
    return Markup(placeholder(index))  # noqa: S704 - digits between two noncharacters


def shown(value: object) -> RichText | str:
    """The text of a value. Raises TypeError for lists and other values without one."""
    if isinstance(value, str):
        return value if value.isascii() and value.isprintable() else clean(value)
    if isinstance(value, RichText):
        return value
    if isinstance(value, Printable):
        return value.rich()
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"{value:.12g}" if type(value) is float else str(value)
    if isinstance(value, Undefined):
        return str(value)
    name = type(value).__name__.lower()
    raise TypeError(
        f"{name} cannot be printed as it is: name a part of it, or write | join(', ') or | toJson"
    )


def text(value: object) -> str:
    """The characters of any value that can be printed."""
    found = shown(value)
    return found if isinstance(found, str) else found.text


class Missing(StrictUndefined):
    """A name that does not exist. Every use fails with a list of the names that do."""

    @property
    def _undefined_message(self) -> str:
        if self._undefined_hint:
            return self._undefined_hint
        name = str(self._undefined_name)
        if self._undefined_obj is missing:
            return f"'{name}' is undefined"
        thing = type(self._undefined_obj).__name__
        if not isinstance(self._undefined_name, str):
            return f"{thing.lower()} has no item {name}"
        public = sorted(
            known for known in {*dir(self._undefined_obj)} - {*dir(())} if known[:1].islower()
        )
        return f"{thing.lower()} has no {name!r}{nearest(name, public)}"


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a sentence that names the nearest known name, or all of them; empty if there are
    none.
    """
    known = list(known)
    close = get_close_matches(name, known, 1, 0.6)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; there is {' '.join(known)}" if known else ""


@pass_context
def _finalize(context: Context, value: object) -> Markup:
    """Only the output of a macro was finalized before: it stays as it is, except for line breaks at
    its ends.
    """
    return value.strip("\n") if type(value) is Markup else run_of(context).keep(value)


def run_of(context: Context) -> Run:
    """The rendering to which a context belongs."""
    run = context.parent[RUN]
    assert isinstance(run, Run)  # noqa: S101 - put there by `template`, under a name that templates cannot write
    return run


class Namespace(jinja.Namespace):
    """The object that `namespace()` makes. It cannot be printed."""

    def __repr__(self) -> str:
        return "namespace"


class Sandbox(ImmutableSandboxedEnvironment):
    """Jinja with only our names; output becomes placeholders, and operations have a price."""

    intercepted_binops = frozenset({"+", "*", "%", "**"})

    def __init__(
        self, filters: Mapping[str, Callable[..., Any]], functions: Mapping[str, object]
    ) -> None:
        """An environment with these filters and global functions, and no others."""
        super().__init__(
            trim_blocks=True,
            lstrip_blocks=True,
            autoescape=True,
            optimized=False,
            undefined=Missing,
            finalize=_finalize,
            cache_size=0,
        )
        self.filters = {
            name: _charged(function, _PAYING.get(name, price.given))
            for name, function in filters.items()
        }
        self.filters |= {
            "_look": _look,
            "_same": _same,
            "_made": _made,
            "_turns": _turns,
            "_entered": _entered,
        }
        self.globals = {**functions, "range": _range, "namespace": Namespace}
        self.tests = {name: _looking(test) for name, test in self.tests.items() if name in TESTS}

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Jinja's `getattr`, with the result for a type and a name remembered."""
        if _sees(obj, attribute):
            try:
                return getattr(obj, attribute)
            except AttributeError:
                pass  # Jinja tells of it
        return super().getattr(obj, attribute)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Whether the attribute is listed, for built-in types, or public, for our own."""
        if _sees(obj, attr):
            return True
        if attr.startswith("_") or type(obj) in _METHODS:
            return False
        return super().is_safe_attribute(obj, attr, value)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Looks an item up. Jinja would print an argument of any kind and size to look for an
        attribute of that name.
        """
        if not isinstance(argument, (str, int, float, Undefined)):
            raise TypeError(f"an item has a text or a number, no {type(argument).__name__.lower()}")
        return super().getitem(obj, argument)

    def wrap_str_format(self, value: Any) -> None:
        """Treats `str.format` as any other attribute. Jinja would allow it, and its widths have no
        bound.
        """

    def call(self, context: Context, obj: Any, *args: Any, **kwargs: Any) -> Any:
        """Makes a call at the price of a step. A computed text has a maximum size."""
        run = run_of(context)
        run.charge(price.called(obj, args, kwargs))
        result = _bounded(super().call(context, obj, *args, **kwargs))
        run.charge(price.made(result))
        return result

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Bounds the operators that can make much from little."""
        run = run_of(context)
        run.charge(1)
        if operator in "**%":
            _check_numbers(operator, left, right)
        rich = operator == "+" and (isinstance(left, RichText) or isinstance(right, RichText))
        if operator == "+":
            run.charge(price.made(left) + price.made(right))
        return (
            concat([shown(left), shown(right)])
            if rich
            else _bounded(super().call_binop(context, operator, left, right))
        )


def _sees(obj: object, attribute: str) -> bool:
    return _may_see(type(obj), attribute)  # type: ignore[arg-type]  # a class can be hashed


@lru_cache(maxsize=1024)
def _may_see(kind: type, attribute: str) -> bool:
    """Whether the attribute is listed, for built-in types, or public, for our own."""
    if attribute.startswith("_"):
        return False
    if kind in _METHODS:
        return attribute in _METHODS[kind]
    return kind.__module__.startswith("relay.core.")


def _check_numbers(operator: str, left: object, right: object) -> None:
    if not isinstance(left, (int, float)) or not isinstance(right, (int, float)):
        raise TypeError(f"{operator} is for numbers: join texts with ~")


def _bounded(value: Any) -> Any:
    if price.size(value) > MAX_TEXT or (
        isinstance(value, (list, tuple)) and len(value) > MAX_ITEMS
    ):
        raise TooCostlyError("a text or list is too large")
    if isinstance(value, int) and value.bit_length() > _MAX_BITS:
        raise TooCostlyError("a number is too large")
    return value


def _charged(function: Callable[..., Any], paying: Callable[[object], int]) -> Callable[..., Any]:
    """The filter, `paying` for the size of its arguments. It gets the context first if it asks for
    it.
    """
    wants = getattr(function, "jinja_pass_arg", None)

    @pass_context
    def charged(context: Context, value: Any = "", *args: Any, **kwargs: Any) -> Any:
        run = run_of(context)
        run.charge(1 + paying(value) + sum(map(price.looked, (*args, *kwargs.values()))))
        before = {
            None: (),
            _PassArg.context: (context,),
            _PassArg.eval_context: (context.eval_ctx,),
        }
        result = function(*before.get(wants, (context.environment,)), value, *args, **kwargs)
        if isinstance(result, Iterator):
            result = list(islice(result, MAX_ITEMS))
        run.charge(price.made(result))
        return _bounded(result)

    return charged


@pass_context
def _turns(context: Context, values: Iterable[Any], body: int) -> list[Any]:
    """The values of a loop, at the price of its turns, each of which prints and computes as much as
    `body`.
    """
    turns = list(islice(values, MAX_STEPS))
    run_of(context).charge(1 + len(turns) * (1 + body // _BODY))
    return turns


@pass_context
def _entered(context: Context, body: int) -> int:
    """`body`, which is what a macro prints and computes, at its price."""
    run_of(context).charge(body // _BODY)
    return body


@pass_context
def _look(context: Context, value: Any) -> Any:
    """The value, at the price of comparing or searching it."""
    run_of(context).charge(price.looked(value))
    return value


@pass_context
def _same(context: Context, value: Any) -> Any:
    """The value, at the price of comparing it for equality."""
    run_of(context).charge(price.same(value))
    return value


@pass_context
def _made(context: Context, value: Any) -> Any:
    """The value, at the price of making it."""
    run_of(context).charge(price.made(value))
    return value


def _looking(test: Any) -> Callable[..., Any]:
    """The test, at the price of its comparison."""

    @pass_context
    def looking(context: Context, *values: Any) -> Any:
        run_of(context).charge(1 + sum(map(price.looked, values)))
        return test(*values)

    return looking


def _range(*bounds: int) -> range:
    numbers = range(*bounds)
    if len(numbers) > MAX_RANGE:
        raise TooCostlyError(f"range() of {len(numbers)} is too long: at most {MAX_RANGE}")
    return numbers
