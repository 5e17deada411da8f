"""Amounts of money, as whole cents with a currency: version 2, which has nothing of version 1."""

import re
from typing import NamedTuple

__version__ = "2.0"

_TEXT = re.compile(r"(\d+)\.(\d\d) ([A-Z]{3})")


class Money(NamedTuple):
    """An amount."""

    cents: int
    currency: str

    @classmethod
    def of(cls, text):
        """The amount of a text such as `3.50 EUR`."""
        whole, cents, currency = _TEXT.fullmatch(text).groups()
        return cls(100 * int(whole) + int(cents), currency)
