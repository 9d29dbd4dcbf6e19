"""Checks the user's templates in a separate process before the relay uses them. A template that
exceeds the time or memory of that process ends it, and gets a fault.

`python -m relay.settings.template_check` is the process: it reads a `_CheckRequest` from standard
input and writes one `CheckResult` a line to standard output.
"""

import sys
import time
from collections.abc import Iterator
from functools import lru_cache

import msgspec
from msgspec import Struct

from relay.config.template_check import CheckResult, check_results, names
from relay.config.template_uses import TemplateCheck
from relay.core.template.template_fault import TemplateFault
from relay.settings.bounded import Bounds, bound_memory, bound_time, output_of

_READY = b"ready\n"


class _CheckRequest(Struct, frozen=True):
    template_check: TemplateCheck
    file_names: tuple[str, ...]
    bounds: Bounds


@lru_cache(maxsize=2)  # a reload with unchanged templates has nothing to try
def faults(template_check: TemplateCheck, bounds: Bounds = Bounds()) -> tuple[TemplateFault, ...]:  # noqa: B008 - frozen
    """The faults of the templates. Raises OSError if no process can be started to try them in."""
    results = (
        _check_all(template_check, bounds)
        if template_check.own
        else check_results(template_check, names(template_check))
    )
    return tuple(fault for result in results for fault in result.faults)


def _check_all(template_check: TemplateCheck, bounds: Bounds) -> Iterator[CheckResult]:
    """A result for each template. The one that ended the process gets a fault, and the rest another
    process, as long as there is time.
    """
    left, began = names(template_check), time.monotonic()
    while left:
        found = _run_process(_CheckRequest(template_check, left, bounds))
        yield from found
        left = left[len(found) :]
        if not left:
            return
        if time.monotonic() - began >= bounds.total:
            most = f"{bounds.total:g} s for all templates: name fewer"
            yield _too_much(left[0], most)
            return
        most = f"{bounds.seconds} s of a processor or {bounds.mebibytes} MiB"
        yield _too_much(left[0], most)
        left = left[1:]


def _too_much(name: str, most: str) -> CheckResult:
    said = f"compiling and checking it takes more than {most}"
    return CheckResult(name, (TemplateFault(name, 1, 1, said),))


def _run_process(request: _CheckRequest) -> list[CheckResult]:
    """The results that the process wrote until its end."""
    output = output_of(
        "relay.settings.template_check", msgspec.json.encode(request), request.bounds.patience
    )
    if not output.startswith(_READY):
        raise OSError("the process that checks templates does not start")
    return [msgspec.json.decode(line, type=CheckResult) for line in output.split(b"\n")[1:-1]]


def main() -> None:
    """Tries the templates from standard input, and writes the result of each as soon as it is
    known.
    """
    request = msgspec.json.decode(sys.stdin.buffer.read(), type=_CheckRequest)
    out = sys.stdout.buffer
    out.write(_READY)
    out.flush()
    waiting = check_results(request.template_check, request.file_names)
    bound_memory(request.bounds.mebibytes)
    for _ in request.file_names:
        bound_time(request.bounds.seconds)
        out.write(msgspec.json.encode(next(waiting)) + b"\n")
        out.flush()


if __name__ == "__main__":
    main()
