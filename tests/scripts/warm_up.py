"""Stands for what a worker should do once, such as filling a cache."""

import json

print(json.dumps({"warm": True}))
