"""What extension modules do with small things: most of it under the GIL, as Python code does."""


def numpy(n):
    """Small arrays: what each call costs counts, not the arithmetic."""
    import numpy as np

    total = 0.0
    for i in range(n * 50):
        a = np.arange(20.0) + i
        b = np.sqrt(a * 2 + 1)
        total += b[b > b.mean()].sum() + np.sort(a % 7)[3] + np.dot(a, b)
    return float(total)


def pandas(n):
    import pandas as pd

    total = 0
    for i in range(n):
        frame = pd.DataFrame({"k": [j * i % 5 for j in range(60)], "v": range(60)})
        groups = frame.groupby("k")["v"].sum().reset_index()
        merged = frame.merge(groups, on="k")
        total += int(merged["v_x"].max()) + len(merged.to_csv())
    return total


def pydantic(n):
    from typing import Annotated

    from pydantic import BaseModel, Field, ValidationError

    global Order
    if "Order" not in globals():

        class Part(BaseModel):
            name: Annotated[str, Field(min_length=1)]
            price: float

        class Order(BaseModel):
            number: int
            parts: list[Part]

    total = 0
    for i in range(n * 10):
        order = Order.model_validate({"number": str(i), "parts": [{"name": f"p{j}", "price": j} for j in range(10)]})
        total += len(order.model_dump_json())
        try:
            Order.model_validate({"number": "x", "parts": [{"name": ""}]})
        except ValidationError as error:
            total += error.error_count()
    return total


def pillow(n):
    import io

    from PIL import Image, ImageFilter

    total = 0
    for i in range(n):
        picture = Image.linear_gradient("L").resize((128, 96)).rotate(i % 360)
        kept = io.BytesIO()
        picture.filter(ImageFilter.GaussianBlur(2)).save(kept, "PNG")
        kept.seek(0)
        total += Image.open(kept).resize((32, 32)).getpixel((5, 5))
    return total


def both(n):
    return numpy(n) + pandas(n)
