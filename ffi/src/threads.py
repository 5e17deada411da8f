"""How many threads of this interpreter CPython joins when it ends."""

import sys

threading = sys.modules.get("threading")
if threading is None:
    count = 0
else:
    me = threading.get_ident()
    count = sum(not thread.daemon and thread.ident != me for thread in threading.enumerate())
