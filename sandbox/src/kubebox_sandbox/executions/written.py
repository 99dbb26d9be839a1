"""Executions as lines of the ledger: what a server writes down of them, and what one that starts anew reads."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from kubebox_protocol.shells import ShellResult
from kubebox_sandbox.executions.record import Beginning, Ending, Record

logger = logging.getLogger(__name__)

_beginning = TypeAdapter(Beginning)
_ending = TypeAdapter(Ending)


@dataclass
class Known:
    """What the ledger says of one execution.

    Attributes:
        beginning: What it is.
        ending: How it ended, where it has.
        end: The end of its output, where it has ended.
        input: Bytes of standard input that it was given.
        input_is_unsure: Whether it may have got more.
        input_is_closed: Whether it gets no more.
        shell: The number of the last command of a shell, and where its output begins.
        result: How that has ended, where it has.
        before: How the one before has ended, where that one has not: perhaps it never came to the shell.
    """

    beginning: Beginning
    ending: Ending | None = None
    end: int = 0
    input: int = 0
    input_is_unsure: bool = False
    input_is_closed: bool = False
    shell: tuple[int, int] | None = None
    result: ShellResult | None = None
    before: ShellResult | None = None


@dataclass
class Ledgered:
    """What the ledger says of all: those that are known, in their order, and the ids that were used before."""

    known: dict[UUID, Known] = field(default_factory=dict[UUID, Known])
    used: dict[UUID, None] = field(default_factory=dict[UUID, None])


def known_of(record: Record) -> Known:
    """What the ledger has to say of a record."""
    shell = record.shell
    return Known(
        beginning=record.beginning,
        ending=record.ending,
        end=record.journal.end,
        input=0 if record.stdin is None else record.stdin.taken,
        input_is_unsure=record.stdin is not None and record.stdin.is_unsure,
        input_is_closed=record.stdin is not None and record.stdin.is_closed,
        shell=None if shell is None or not shell.number else (shell.number, shell.begins),
        result=None if shell is None else shell.result,
        before=None if shell is None else shell.before,
    )


def reserved(beginning: Beginning) -> dict[str, Any]:
    """It is about to start."""
    return {"reserved": {**vars(beginning), "execution_id": str(beginning.execution_id)}}


def released(execution_id: UUID) -> dict[str, Any]:
    """It did not start, and its id is free."""
    return {"released": str(execution_id)}


def ended(execution_id: UUID, ending: Ending, end: int) -> dict[str, Any]:
    """It has ended."""
    how = {**vars(ending), "verdict": ending.verdict.model_dump(exclude_defaults=True)}
    return {"ended": str(execution_id), "how": how, "end": end}


def given(execution_id: UUID, offset: int, is_all: bool) -> dict[str, Any]:
    """It was given standard input up to there; or more, which is being written."""
    return {"given": str(execution_id), "offset": offset, "unsure": not is_all}


def closed(execution_id: UUID) -> dict[str, Any]:
    """It gets no more standard input."""
    return {"closed": str(execution_id)}


def shell_ran(execution_id: UUID, number: int, start: int, result: ShellResult | None) -> dict[str, Any]:
    """A shell runs a command, or has run it."""
    how = None if result is None else result.model_dump(mode="json", exclude_defaults=True)
    return {"shell": str(execution_id), "number": number, "start": start, "result": how}


def swept(ids: Iterable[UUID]) -> dict[str, Any]:
    """They are not kept any longer, but their ids stay used."""
    return {"swept": [str(execution_id) for execution_id in ids]}


def entries(ledgered: Ledgered) -> Iterable[dict[str, Any]]:
    """All that still holds, for a ledger that is written anew."""
    yield swept(ledgered.used)
    for execution_id, known in ledgered.known.items():
        yield reserved(known.beginning)
        if known.input or known.input_is_unsure:
            yield given(execution_id, known.input, not known.input_is_unsure)
        if known.input_is_closed:
            yield closed(execution_id)
        if known.shell is not None:
            if known.result is None and known.before is not None:
                yield shell_ran(execution_id, known.before.number, known.before.start_offset, known.before)
            yield shell_ran(execution_id, *known.shell, known.result)
        if known.ending is not None:
            yield ended(execution_id, known.ending, known.end)


def read(lines: Iterable[dict[str, Any]]) -> Ledgered:
    """Read a ledger. A line of which nothing can be made is left out, and said."""
    ledgered = Ledgered()
    for line in lines:
        try:
            _apply(ledgered, line)
        except (ValidationError, ValueError, KeyError, TypeError) as error:
            logger.error("a line of the ledger is lost: %s", type(error).__name__)
    return ledgered


def _apply(ledgered: Ledgered, line: dict[str, Any]) -> None:
    match line:
        case {"reserved": fields}:
            beginning = _beginning.validate_python(fields)
            ledgered.known[beginning.execution_id] = Known(beginning)
        case {"released": text}:
            ledgered.known.pop(UUID(text), None)
        case {"swept": texts}:
            for text in texts:
                ledgered.known.pop(UUID(text), None)
                ledgered.used[UUID(text)] = None
        case {"ended": text, "how": how, "end": end}:
            known = ledgered.known[UUID(text)]
            known.ending, known.end = _ending.validate_python(how), int(end)
        case {"given": text, "offset": offset, "unsure": unsure}:
            known = ledgered.known[UUID(text)]
            known.input, known.input_is_unsure = int(offset), bool(unsure)
        case {"closed": text}:
            ledgered.known[UUID(text)].input_is_closed = True
        case {"shell": text, "number": number, "start": start, "result": result}:
            known = ledgered.known[UUID(text)]
            if known.result is not None:
                known.before = known.result
            known.shell = int(number), int(start)
            known.result = None if result is None else ShellResult.model_validate(result)
        case _:
            raise ValueError("unknown")
