"""Encrypts and decrypts with cryptography, whose extension has another way to say what it is on 3.15 (PEP 793)."""

NEEDS = ["cryptography"]
OPTIONS = [[], ["--extensions", "private"]]
INPUTS = range(12)


def f(x):
    from cryptography.fernet import Fernet

    fernet = Fernet(Fernet.generate_key())
    return fernet.decrypt(fernet.encrypt(b"%d" % int(x))).decode()


def check(results):
    assert results == [str(x) for x in INPUTS], results
