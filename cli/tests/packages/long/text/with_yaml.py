"""PyYAML through libyaml: documents in and out, anchors, own tags, events, errors with their places."""

import datetime

import yaml

from exercise import digest, in_threads, raised

DISTRIBUTION = "PyYAML"


class Loader(yaml.CSafeLoader):
    pass


class Dumper(yaml.CSafeDumper):
    pass


class Point:
    def __init__(self, x, y):
        self.x, self.y = x, y


Loader.add_constructor("!point", lambda loader, node: Point(*loader.construct_sequence(node)))
Dumper.add_representer(Point, lambda dumper, point: dumper.represent_sequence("!point", [point.x, point.y]))


def document(seed):
    shared = {"base": seed, "list": [1, 2.5, None, True]}
    items = [{"name": f"item {i} é", "n": i * seed, "when": datetime.date(2024, 1, i % 28 + 1)} for i in range(30)]
    return {"first": shared, "second": shared, "items": items, "text": "two\nlines\n"}


def through(seed):
    text = yaml.dump(document(seed), Dumper=Dumper, allow_unicode=True)
    assert yaml.load(text, Loader=Loader) == document(seed)
    return digest(text)


def work(seed):
    text = yaml.dump([Point(seed, 2), Point(3, 4)], Dumper=Dumper)
    points = yaml.load(text, Loader=Loader)
    stream = "---\na: &x [1, 2]\nb: *x\n---\nc: !!set {a, b}\n...\n"
    both = list(yaml.load_all(stream, Loader=Loader))
    assert both[0]["a"] is both[0]["b"] and both[1]["c"] == {"a", "b"}
    broken = ["a: [1, 2", "a: b: c", "\tx: 1", "a: *unknown", "!odd x", "{a: 1]", "a: \x01"]
    return {
        "threads": in_threads(through, range(seed, seed + 5)),
        "points": [[point.x, point.y] for point in points],
        "text": text,
        "events": digest(*(type(event).__name__ for event in yaml.parse(stream, Loader=Loader))),
        "tokens": len(list(yaml.scan(stream, Loader=Loader))),
        "merged": yaml.load(f"a: &a {{x: {seed}, y: 2}}\nb: {{<<: *a, y: 3}}", Loader=Loader)["b"],
        "errors": [raised(yaml.YAMLError, lambda data=data: yaml.load(data, Loader=Loader)) for data in broken]
        + [
            raised(yaml.representer.RepresenterError, lambda: yaml.dump(object(), Dumper=Dumper)).partition(
                " object at"
            )[0]
        ],
    }
