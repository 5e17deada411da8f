"""polars: frames, lazy queries, joins, windows, text, Python functions inside, IPC and CSV, errors, pickles."""

import datetime
import io

import polars as pl

from exercise import digest, in_threads, pickled, raised

DISTRIBUTION = "polars-runtime-32"
NEEDS = ["polars"]


def frame(seed, n):
    return pl.DataFrame(
        {
            "id": range(n),
            "kind": [("red", "green", "blue")[i * (seed + 1) % 3] for i in range(n)],
            "size": [i * i * (seed + 1) % 97 for i in range(n)],
            "share": [i / 7 for i in range(n)],
        }
    )


def total(seed):
    return frame(seed, 80).group_by("kind").agg(pl.col("size").sum()).sort("kind")["size"].to_list()


def work(seed):
    data = frame(seed, 200)
    lazy = data.lazy().filter(pl.col("size") > 10).with_columns((pl.col("share") * 2).alias("double"))
    names = pl.DataFrame({"kind": ["red", "blue", "grey"], "code": [1, 2, 3]})
    kept = io.BytesIO()
    data.write_ipc(kept)
    kept.seek(0)
    assert pl.read_ipc(kept).equals(data) and pickled(data).equals(data)
    assert pl.read_csv(io.StringIO(data.write_csv())).shape == data.shape
    start = datetime.date(2024, 2, 28)
    days = pl.date_range(start, start + datetime.timedelta(days=seed % 9 + 3), eager=True)
    return {
        "lazy": round(lazy.select(pl.col("double").sum()).collect().item(), 6),
        "joined": data.join(names, on="kind", how="left")["code"].null_count(),
        "window": digest(data.with_columns(pl.col("size").rank().over("kind").alias("r"))["r"].to_list()),
        "texts": data["kind"].str.to_uppercase().value_counts().sort("kind").rows(),
        "days": [str(day) for day in days.dt.strftime("%d.%m.")],
        "mapped": data["size"].map_elements(lambda x: x % 5, return_dtype=pl.Int64).sum(),
        "batches": data.select(pl.col("size").map_batches(lambda column: column * 2)).sum().item(),
        "sql": pl.SQLContext(t=data)
        .execute("select kind, max(size) m from t group by kind order by kind")
        .collect()
        .rows(),
        "threads": in_threads(total, range(seed, seed + 4)),
        "quantiles": round(data["share"].quantile(0.3), 6),
        "pivot": data.pivot("kind", index="size", values="id", aggregate_function="len").shape[1],
        "errors": [
            raised(pl.exceptions.ColumnNotFoundError, data.select, "colour"),
            raised(ZeroDivisionError, lambda: data["size"].map_elements(lambda x: 1 // 0, return_dtype=pl.Int64)),
            raised(pl.exceptions.ShapeError, lambda: pl.DataFrame({"a": [1, 2], "b": [1, 2, 3]})),
            raised(pl.exceptions.InvalidOperationError, lambda: data["kind"].cast(pl.Int64)),
        ],
    }
