"""pydantic: models, validation and its errors, JSON, schemas, generics, models made at run time, pickles."""

import datetime
import decimal
import enum
from typing import Annotated, Generic, Literal, TypeVar

import pydantic
from pydantic import BaseModel, Field, TypeAdapter, ValidationError, field_validator

from exercise import digest, in_threads, pickled, raised

DISTRIBUTION = "pydantic_core"
NEEDS = ["pydantic"]

T = TypeVar("T")


class Colour(enum.Enum):
    red = "red"
    blue = "blue"


class Part(BaseModel):
    kind: Literal["part"] = "part"
    name: Annotated[str, Field(min_length=2, pattern="^[a-z]+[0-9]*$")]
    price: decimal.Decimal = Field(ge=0)
    colour: Colour = Colour.red

    @field_validator("name")
    @classmethod
    def no_spam(cls, name):
        if name == "spam":
            raise ValueError("no spam")
        return name


class Order(BaseModel, Generic[T]):
    number: T
    made: datetime.datetime
    parts: list[Part] = []
    notes: dict[str, int | str | None] = {}


def order(seed):
    parts = [{"name": f"part{i}", "price": f"{i}.25", "colour": "blue"} for i in range(seed % 10 + 1)]
    made = f"2024-05-0{seed % 9 + 1}T10:00:00Z"
    return Order[int].model_validate({"number": str(seed), "made": made, "parts": parts, "notes": {"a": 1, "b": None}})


def text(seed):
    return digest(order(seed).model_dump_json())


def problems(data):
    try:
        Order[int].model_validate(data)
    except ValidationError as error:
        return [[".".join(map(str, found["loc"])), found["type"], found["msg"]] for found in error.errors()]
    raise AssertionError(f"{data} is valid")


def work(seed):
    made = order(seed)
    assert pickled(made.parts) == made.parts and Order[int].model_validate_json(made.model_dump_json()) == made
    Local = pydantic.create_model(f"Local{seed % 5}", x=(int, ...), y=(float, Field(default=seed, gt=-1)))
    bad = [{"name": "X", "price": -1, "colour": "green"}, {"name": "spam", "price": 1}, {}]
    return {
        "dump": digest(made.model_dump()),
        "json": made.model_dump_json(exclude={"parts"}),
        "threads": in_threads(text, range(seed, seed + 5)),
        "schema": digest(sorted(Order[int].model_json_schema()["$defs"]["Part"]["properties"])),
        "local": Local(x="12").model_dump(),
        "adapter": TypeAdapter(dict[int, list[tuple[int, str]]]).validate_python({"1": [(seed, "a")]})[1][0][0],
        "problems": problems({"number": "x", "made": "never", "parts": bad}),
        "errors": [
            raised(ValidationError, lambda: Local(x="a")),
            raised(ValidationError, Order[int].model_validate_json, "{"),
            raised(pydantic.PydanticSchemaGenerationError, TypeAdapter, object()).partition(" at 0x")[0],
        ],
    }
