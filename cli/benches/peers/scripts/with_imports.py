"""A script that imports what many do, for a name."""

import argparse
import asyncio
import json
import re

parser = argparse.ArgumentParser()
parser.add_argument("name")
name = parser.parse_args().name


async def number():
    return int(re.search(r"\d+", name)[0])


print(json.dumps({"name": name, "number": asyncio.run(number())}))
