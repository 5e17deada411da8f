"""Gives each class that there is its version tag: see version_tag.rs."""

seen, queue = {object}, [object]
while queue:
    found = queue.pop()
    assign(found)
    for one in type.__subclasses__(found):
        if one not in seen:
            seen.add(one)
            queue.append(one)
