"""A score for a person."""


def score(person):
    return {"name": person["name"], "score": person["points"] * 1.5}
