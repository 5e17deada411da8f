"""pyarrow: arrays, tables, compute functions, Parquet, IPC, CSV, datasets, errors, pickles."""

import io

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from exercise import digest, in_threads, pickled, raised

DISTRIBUTION = "pyarrow"


def table(seed, n):
    return pa.table(
        {
            "id": list(range(n)),
            "kind": pa.array([("red", "green", None)[i * (seed + 1) % 3] for i in range(n)]).dictionary_encode(),
            "size": [i * i * (seed + 1) % 97 for i in range(n)],
            "tags": [[f"t{i % 4}", "é"] if i % 3 else None for i in range(n)],
        }
    )


def total(seed):
    groups = table(seed, 60).group_by("kind", use_threads=False).aggregate([("size", "sum")])
    return sorted(map(str, groups.to_pylist()))


def work(seed):
    data = table(seed, 200)
    kept = io.BytesIO()
    pq.write_table(data, kept, compression="zstd")
    kept.seek(0)
    assert pq.read_table(kept).equals(data) and pickled(data).equals(data)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, data.schema) as writer:
        writer.write_table(data, max_chunksize=50)
    batches = list(pa.ipc.open_stream(sink.getvalue()))
    lines = "a,b\n" + "".join(f"{i},x{i * seed}\n" for i in range(50))
    joined = data.select(["id", "size"]).join(pa.table({"id": [1, 5, 500], "code": [1, 2, 3]}), "id", join_type="inner")
    return {
        "digest": digest(data.to_pylist()),
        "batches": [batch.num_rows for batch in batches],
        "sum": pc.sum(data["size"]).as_py(),
        "filtered": data.filter(pc.greater(data["size"], 50)).num_rows,
        "sorted": data.sort_by([("size", "descending"), ("id", "ascending")])["id"].slice(0, 5).to_pylist(),
        "texts": pc.utf8_upper(pc.cast(data["kind"], pa.string())).unique().to_pylist(),
        "joined": sorted(map(str, joined.to_pylist())),
        "threads": in_threads(total, range(seed, seed + 4)),
        "csv": digest(pyarrow.csv.read_csv(io.BytesIO(lines.encode())).to_pydict()),
        "numpy": int(data["size"].to_numpy().sum()),
        "schema": str(pa.schema([("a", pa.decimal128(8, 2)), ("b", pa.list_(pa.timestamp("us", "UTC")))])),
        "errors": [
            raised(pa.ArrowInvalid, pa.array, [1, "a"]),
            raised(pa.ArrowInvalid, lambda: pc.cast(pa.array(["a"]), pa.int64())),
            raised(KeyError, data.column, "colour"),
            raised(pa.ArrowInvalid, pq.read_table, io.BytesIO(b"no parquet")),
            raised(pa.ArrowNotImplementedError, pc.add, pa.array(["a"]), 1),
        ],
    }
