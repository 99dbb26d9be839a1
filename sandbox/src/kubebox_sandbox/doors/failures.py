"""What went wrong, in the words of the wire: the one place where errors become answers, for both doors."""

import json
import logging
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from kubebox_protocol.errors import ErrorCode, Refused
from kubebox_sandbox.answers import internal_error

logger = logging.getLogger(__name__)
Model = TypeVar("Model", bound=BaseModel)

MAX_REPORTED_FIELDS = 20
"""Wrong fields named in one answer."""

ROUTE_NOT_FOUND = Refused(
    ErrorCode.ROUTE_NOT_FOUND, "there is nothing here; the routes are in the documentation"
)


def invalid(errors: list[dict[str, Any]]) -> Refused:
    """A request whose fields are wrong.

    Names them, and never quotes what was in them: it may be a secret, or endless.
    """
    fields = [
        {"field": ".".join(str(part)[:64] for part in error["loc"]), "message": str(error["msg"])[:256]}
        for error in errors[:MAX_REPORTED_FIELDS]
    ]
    first = f": {fields[0]['field']}: {fields[0]['message']}" if fields else ""
    return Refused(ErrorCode.INVALID_REQUEST, f"the request is not valid{first}", fields=fields)


def read_model(model: type[Model], fields: Any) -> Model:
    """Read a message of Socket.IO, whose JSON is parsed and whose binary parts are bytes.

    Raises:
        Refused: It is not what it should be.
    """
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise invalid([_as_part(found) for found in _errors(error)]) from None


def read_json(model: type[Model], body: bytes) -> Model:
    """Read a JSON body. Twice: once to be sure that it says everything only once, once into the model.

    Raises:
        Refused: It is not JSON, or not what it should be.
    """
    strict_loads(body)
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise invalid(_errors(error)) from None


def strict_loads(text: str | bytes) -> Any:
    """Parse JSON without what parsers disagree on: names given twice, NaN and Infinity.

    Raises:
        Refused: It is not JSON in that sense, or nested deeper than anything of ours.
    """
    try:
        return _DECODER.decode(text if isinstance(text, str) else text.decode())
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]
        raise Refused(ErrorCode.INVALID_REQUEST, f"the request is not valid JSON: {reason}") from None


def told(error: Exception) -> Refused:
    """What a client is told of any error; one that is not meant for it is logged and hidden."""
    if isinstance(error, Refused):
        return error
    logger.error("a request failed", exc_info=error)
    return internal_error()


def _errors(error: ValidationError) -> list[dict[str, Any]]:
    return [
        dict(found) for found in error.errors(include_url=False, include_context=False, include_input=False)
    ]


def _as_part(found: dict[str, Any]) -> dict[str, Any]:
    # Where a JSON body has base64, which many a client sends here as well.
    binary = {"msg": "Input should be a binary part of the message"}
    return found | binary if found["type"] == "bytes_type" else found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is given twice")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_no_constant)
