"""A function of two columns, as somebody would write it for a query, and what calls it for a batch."""

from array import array


def toll(distance, weight):
    """What a lorry pays for a road: the scalar function, called once for each row."""
    rate = 0.183 if weight > 18 else 0.119 if weight > 7.5 else 0.0
    if distance > 100:
        return round(rate * (100 + 0.9 * (distance - 100)), 2)
    return round(rate * distance, 2)


def toll_of_batch(distances, weights):
    """For each row of a batch; the columns are views of the engine's own memory."""
    tolls = map(toll, distances.cast("d"), weights.cast("d"))
    return array("d", tolls).tobytes()


def same(column):
    """Gives a column back as it is."""
    return column
