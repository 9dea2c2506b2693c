"""What all spec models share: nothing unknown is accepted, nothing changes after loading."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

Identifier = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]


class SpecModel(BaseModel):
    """A frozen spec object that refuses a key it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)
