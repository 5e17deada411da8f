"""A script that only computes, from a number."""

import sys

state = int(sys.argv[1])
for _ in range(500_000):
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648
print(state)
