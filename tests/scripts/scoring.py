"""A score for a person."""


def score(person):
    return {"name": person["name"], "score": person["points"] * 1.5}


def rank(name, points):
    return f"{name} has {int(points):03}"
