"""What the HTTP server of http_server.rs calls: work that keeps a core busy."""


def count_primes(below):
    """Counts the primes below a number, by trial division."""
    return sum(all(n % d for d in range(2, int(n**0.5) + 1)) for n in range(2, below))
