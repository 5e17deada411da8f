"""cryptography: hashes, ciphers, keys, signatures, certificates, tokens, errors."""

import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import hashes, hmac, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, x25519
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from exercise import digest, in_threads, raised

DISTRIBUTION = "cryptography"

RSA = rsa.generate_private_key(65537, 2048)


def key(seed):
    return HKDF(hashes.SHA256(), 32, b"salt", str(seed).encode()).derive(b"secret")


def locked(seed):
    data = AESGCM(key(seed)).encrypt(b"0" * 12, b"text %d" % seed * 50, b"more")
    assert AESGCM(key(seed)).decrypt(b"0" * 12, data, b"more") == b"text %d" % seed * 50
    return digest(data)


def certificate(seed):
    signer = ed25519.Ed25519PrivateKey.from_private_bytes(key(seed))
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"host {seed}")])
    start = datetime.datetime(2024, 1, 1)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(signer.public_key())
    builder = builder.serial_number(seed + 1).not_valid_before(start).not_valid_after(start.replace(year=2034))
    names = x509.SubjectAlternativeName([x509.DNSName(f"h{seed}.example")])
    made = builder.add_extension(names, critical=False).sign(signer, None)
    back = x509.load_pem_x509_certificate(made.public_bytes(serialization.Encoding.PEM))
    back.verify_directly_issued_by(made)
    return [back.serial_number, back.subject.rfc4514_string(), digest(back.fingerprint(hashes.SHA256()))]


def work(seed):
    cipher = Cipher(algorithms.AES(key(seed)), modes.CBC(b"1" * 16)).encryptor()
    mac = hmac.HMAC(key(seed), hashes.SHA512())
    mac.update(b"message")
    signer = ed25519.Ed25519PrivateKey.from_private_bytes(key(seed))
    signed = signer.sign(b"message")
    one, two = x25519.X25519PrivateKey.generate(), x25519.X25519PrivateKey.generate()
    assert one.exchange(two.public_key()) == two.exchange(one.public_key())
    hidden = RSA.public_key().encrypt(key(seed), padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None))
    assert RSA.decrypt(hidden, padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)) == key(seed)
    curve = ec.derive_private_key(seed + 12345, ec.SECP256R1())
    curve.public_key().verify(curve.sign(b"m", ec.ECDSA(hashes.SHA256())), b"m", ec.ECDSA(hashes.SHA256()))
    token = Fernet.generate_key()
    assert Fernet(token).decrypt(Fernet(token).encrypt(b"text")) == b"text"
    chacha = ChaCha20Poly1305(key(seed)).encrypt(b"2" * 12, b"text", None)
    return {
        "cipher": digest(cipher.update(b"block of sixteen" * 4) + cipher.finalize()),
        "mac": digest(mac.finalize()),
        "slow": digest(PBKDF2HMAC(hashes.SHA256(), 32, b"salt", 500).derive(b"%d" % seed)),
        "signed": digest(signed),
        "threads": in_threads(locked, range(seed, seed + 6)),
        "certificate": certificate(seed),
        "curve": digest(curve.public_key().public_numbers().x),
        "errors": [
            raised(InvalidSignature, signer.public_key().verify, signed, b"other"),
            raised(InvalidTag, ChaCha20Poly1305(key(seed + 1)).decrypt, b"2" * 12, chacha, None),
            raised(InvalidToken, Fernet(token).decrypt, b"no token"),
            raised(ValueError, algorithms.AES, b"short"),
            raised(ValueError, serialization.load_pem_private_key, b"no key", None),
        ],
    }
