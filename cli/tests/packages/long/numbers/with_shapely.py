"""shapely: shapes made, combined and measured, arrays of them, trees, formats, errors, pickles."""

import numpy as np
import shapely
from shapely import affinity, ops, wkb, wkt
from shapely.geometry import LineString, MultiPoint, Point, Polygon, mapping, shape

from exercise import digest, in_threads, pickled, raised

DISTRIBUTION = "shapely"


def circles(seed):
    random = np.random.default_rng(seed)
    return shapely.buffer(shapely.points(random.random((30, 2)) * 10), random.random(30) + 0.2)


def area(seed):
    return round(shapely.area(shapely.union_all(circles(seed))).item(), 6)


def work(seed):
    shapes = circles(seed)
    box = shapely.box(2, 2, 7, 8)
    tree = shapely.STRtree(shapes)
    hull = MultiPoint([point.centroid for point in shapes]).convex_hull
    line = LineString([(0, 0), (3, seed % 5 + 1), (9, 9)])
    back = shape(mapping(hull))
    assert back.equals(hull) and pickled(hull).equals(hull) and wkb.loads(wkb.dumps(hull)).equals(hull)
    return {
        "threads": in_threads(area, range(seed, seed + 4)),
        "cut": round(float(shapely.area(shapely.intersection(shapes, box)).sum()), 6),
        "near": sorted(tree.query(box, predicate="intersects").tolist()),
        "nearest": int(tree.nearest(Point(5, 5))),
        "hull": [round(hull.area, 6), len(hull.exterior.coords), hull.is_valid],
        "line": [round(line.length, 6), round(line.project(Point(2, 2)), 6), line.interpolate(0.5, True).wkt[:12]],
        "turned": round(affinity.rotate(hull, seed).bounds[0], 6),
        "simple": len(hull.buffer(1).simplify(0.1).exterior.coords),
        "split": len(ops.split(hull, LineString([(-99, 5), (99, 5.1)])).geoms),
        "triangles": len(ops.triangulate(hull)),
        "relation": Polygon([(0, 0), (4, 0), (4, 4)]).relate(box),
        "text": digest(shapely.to_wkt(shapes, rounding_precision=3).tolist()),
        "json": digest(shapely.to_geojson(shapely.set_precision(hull, 0.01))),
        "valid": shapely.is_valid_reason(Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])),
        "errors": [
            raised(shapely.GEOSException, wkt.loads, "POINT (1"),
            raised(shapely.GEOSException, wkb.loads, b"\x01\x02"),
            raised(ValueError, Polygon, [(0, 0), (1, 1)]),
            raised(shapely.GEOSException, shapely.from_geojson, "{}"),
            raised(TypeError, shapely.area, "no shape"),
        ],
    }
