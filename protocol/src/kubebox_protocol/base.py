"""How models treat fields that they do not know."""

from pydantic import BaseModel, ConfigDict


class Request(BaseModel):
    """What a client asks. An unknown field is refused: it is a misspelt option, and ignoring it would be a lie."""

    model_config = ConfigDict(extra="forbid", frozen=True, val_json_bytes="base64", ser_json_bytes="base64")


class Answer(BaseModel):
    """What a server says. An unknown field is ignored: a newer server must not break an older client."""

    model_config = ConfigDict(extra="ignore", frozen=True, val_json_bytes="base64", ser_json_bytes="base64")
