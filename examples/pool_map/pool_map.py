"""What pool_map.rs calls: it prints, it may raise, and it may give what Rust cannot read."""

import fractions


def reciprocal(number, digits=3):
    print(f"asked for 1/{number}")
    if number == 7:
        return fractions.Fraction(1, number)
    return round(1 / number, digits)
