"""What pool_map.rs calls: it prints, it may raise, and it may give what Rust cannot read."""

import datetime


def reciprocal(number, digits=3):
    print(f"asked for 1/{number}")
    if number == 7:
        return datetime.timedelta(days=number)
    return round(1 / number, digits)
