"""Amounts of money, as floats: version 1."""

__version__ = "1.4"


def amount(text):
    """The amount of a text such as `3.50 EUR`."""
    return float(text.split()[0])
