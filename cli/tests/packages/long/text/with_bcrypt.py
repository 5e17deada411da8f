"""bcrypt: passwords hashed and checked, keys derived, in threads, errors."""

import bcrypt

from exercise import digest, in_threads, raised

DISTRIBUTION = "bcrypt"

SALT = b"$2b$04$abcdefghijklmnopqrstuu"


def hashed(seed):
    return bcrypt.hashpw(b"password %d" % seed, SALT).decode()


def work(seed):
    fresh = bcrypt.hashpw(b"secret", bcrypt.gensalt(4))
    return {
        "threads": in_threads(hashed, range(seed, seed + 6)),
        "checked": [bcrypt.checkpw(b"secret", fresh), bcrypt.checkpw(b"other", fresh)],
        "key": digest(bcrypt.kdf(b"password", b"salt %d" % seed, 32, 3, ignore_few_rounds=True)),
        "salt": [len(bcrypt.gensalt(5)), bcrypt.gensalt(4, b"2a")[:7].decode()],
        "errors": [
            raised(ValueError, bcrypt.hashpw, b"a", b"no salt"),
            raised(TypeError, bcrypt.hashpw, "text", SALT),
            raised(ValueError, bcrypt.gensalt, 99),
            raised(ValueError, bcrypt.kdf, b"", b"salt", 32, 3),
            raised(ValueError, bcrypt.gensalt, 4, b"9z"),
        ],
    }
