"""A plugin that adds up invoices, with version 1 of the package `money`."""

import money


def handle(lines):
    """What the lines of an invoice add up to."""
    total = sum(money.amount(line) for line in lines)
    return f"{total:.2f} by money {money.__version__}"
