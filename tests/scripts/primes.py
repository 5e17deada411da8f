"""Work that keeps a core busy."""


def below(limit):
    """How many primes there are below a limit, found one by one."""
    primes = []
    for number in range(2, int(limit)):
        for prime in primes:
            if prime * prime > number:
                primes.append(number)
                break
            if number % prime == 0:
                break
        else:
            primes.append(number)
    return len(primes)
