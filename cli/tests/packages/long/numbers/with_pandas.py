"""pandas: groups, joins, dates, categories, text, CSV and JSON out and in, errors, pickles."""

import io

import numpy as np
import pandas as pd

from exercise import digest, in_threads, pickled, raised

DISTRIBUTION = "pandas"


def frame(seed, n):
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "when": pd.date_range("2024-02-28", periods=n, freq="7h"),
            "kind": random.choice(["red", "green", "blue"], n),
            "size": random.integers(1, 100, n),
            "share": random.random(n).round(4),
        }
    )


def total(seed):
    return int(frame(seed, 60).groupby("kind")["size"].sum().max())


def work(seed):
    data = frame(seed, 300)
    groups = data.groupby("kind").agg(n=("size", "count"), total=("size", "sum"), share=("share", "mean"))
    names = pd.DataFrame({"kind": ["red", "green", "grey"], "code": [1, 2, 3]})
    joined = data.merge(names, on="kind", how="left")
    found = {
        "groups": groups.round(6).reset_index().values.tolist(),
        "joined": [int(joined["code"].isna().sum()), len(joined)],
        "days": digest(data.set_index("when")["size"].resample("D").sum().tolist()),
        "rolling": round(float(data["share"].rolling(7).mean().sum()), 6),
        "pivot": digest(data.pivot_table(index="kind", values="size", aggfunc="max").to_csv()),
        "texts": data["kind"].str.upper().str.len().sum().item(),
        "categories": data["kind"].astype("category").cat.codes.sum().item(),
        "ranks": round(float(data["size"].rank().sum()), 3),
        "threads": in_threads(total, range(seed, seed + 4)),
        "zones": str(data["when"].dt.tz_localize("UTC").dt.tz_convert("Europe/Paris").iloc[seed % 300]),
        "periods": str(pd.Timestamp("2024-01-31") + pd.offsets.MonthEnd(seed % 20)),
        "applied": int(data.apply(lambda row: row["size"] if row["kind"] == "red" else 0, axis=1).sum()),
    }
    text = data.to_csv(index=False)
    back = pd.read_csv(io.StringIO(text), parse_dates=["when"])
    assert back["size"].equals(data["size"]) and (back["when"] == data["when"]).all()
    found["csv"] = digest(text)
    found["json"] = digest(data.head(20).to_json(orient="records", date_format="iso"))
    assert len(pd.read_json(io.StringIO(data.to_json(orient="records")))) == len(data)
    assert pickled(data).equals(data)
    found["errors"] = [
        raised(KeyError, lambda: data["colour"]),
        raised(ValueError, pd.to_datetime, ["2024-13-45"]),
        raised(pd.errors.ParserError, pd.read_csv, io.StringIO("a,b\n1,2\n1,2,3,4\n")),
        raised(pd.errors.MergeError, lambda: data.merge(data, on="kind", validate="1:1")),
    ]
    return found
