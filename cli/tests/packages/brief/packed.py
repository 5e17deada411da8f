"""Compression, hashes and checksums, cryptography."""

from brief import briefly
from exercise import digest, raised


def text(seed):
    return b"text %d, " % seed * 500


@briefly("brotli")
def brotli(seed):
    import brotli

    packed = brotli.compress(text(seed), quality=5)
    assert brotli.decompress(packed) == text(seed)
    return [digest(packed), raised(brotli.error, brotli.decompress, b"no")]


@briefly("brotlicffi")
def brotlicffi(seed):
    import brotlicffi

    packed = brotlicffi.compress(text(seed), quality=5)
    assert brotlicffi.decompress(packed) == text(seed)
    return [digest(packed), raised(brotlicffi.error, brotlicffi.decompress, b"no")[:10]]


@briefly("zstandard")
def zstandard(seed):
    import zstandard

    packed = zstandard.ZstdCompressor(level=3).compress(text(seed))
    assert zstandard.ZstdDecompressor().decompress(packed) == text(seed)
    return [digest(packed), raised(zstandard.ZstdError, zstandard.ZstdDecompressor().decompress, b"no frame")]


@briefly("zstd")
def zstd(seed):
    import zstd

    packed = zstd.compress(text(seed), 3)
    assert zstd.decompress(packed) == text(seed)
    return [len(packed), raised(zstd.Error, zstd.decompress, b"no frame")[:10]]


@briefly("pyzstd", loads="other")
def pyzstd(seed):
    import pyzstd

    packed = pyzstd.compress(text(seed))
    return [
        pyzstd.decompress(packed) == text(seed),
        raised(pyzstd.ZstdError, pyzstd.decompress, b"no frame at all")[:10],
    ]


@briefly("backports.zstd")
def backports_zstd(seed):
    from backports import zstd

    packed = zstd.compress(text(seed))
    assert zstd.decompress(packed) == text(seed)
    trained = zstd.train_dict([b"sample %d of some text" % (i * 37) for i in range(200)], 400)
    return [
        digest(packed),
        len(trained.dict_content) > 0,
        raised(zstd.ZstdError, zstd.decompress, b"no frame at all")[:20],
    ]


@briefly("lz4")
def lz4(seed):
    import lz4.block
    import lz4.frame

    assert lz4.frame.decompress(lz4.frame.compress(text(seed))) == text(seed)
    return [
        digest(lz4.block.compress(text(seed))),
        raised(RuntimeError, lz4.frame.decompress, b"no frame at all").split(":")[0],
    ]


@briefly("isal")
def isal(seed):
    from isal import igzip, isal_zlib

    packed = isal_zlib.compress(text(seed))
    assert isal_zlib.decompress(packed) == text(seed)
    assert igzip.decompress(igzip.compress(text(seed))) == text(seed)
    return [digest(packed), isal_zlib.crc32(text(seed)), raised(isal_zlib.error, isal_zlib.decompress, b"no")[:20]]


@briefly("zlib-ng")
def zlib_ng(seed):
    from zlib_ng import zlib_ng

    packed = zlib_ng.compress(text(seed))
    assert zlib_ng.decompress(packed) == text(seed)
    return [digest(packed), zlib_ng.crc32(text(seed)), raised(zlib_ng.error, zlib_ng.decompress, b"no")[:20]]


@briefly("deflate")
def deflate(seed):
    import deflate

    packed = bytes(deflate.gzip_compress(text(seed), 6))
    assert deflate.gzip_decompress(packed) == text(seed)
    return [deflate.crc32(text(seed)), raised(Exception, deflate.gzip_decompress, b"no gzip data here, really none")]


@briefly("indexed_gzip")
def indexed_gzip(seed):
    import gzip
    import io

    import indexed_gzip

    file = indexed_gzip.IndexedGzipFile(fileobj=io.BytesIO(gzip.compress(text(seed), mtime=0)))
    file.seek(100)
    found = file.read(20).decode()
    return [
        found,
        file.tell(),
        raised(Exception, indexed_gzip.IndexedGzipFile(fileobj=io.BytesIO(b"none")).read, 5)[:10],
    ]


@briefly("rapidgzip")
def rapidgzip(seed):
    import gzip
    import io

    import rapidgzip

    with rapidgzip.open(io.BytesIO(gzip.compress(text(seed) * 20, mtime=0)), parallelization=2) as file:
        file.seek(1000)
        return [file.read(20).decode(), digest(file.read()), raised(Exception, rapidgzip.open, 3.5)[:9]]


@briefly("pyppmd")
def pyppmd(seed):
    import pyppmd

    made = pyppmd.Ppmd7Encoder(6, 1 << 20)
    packed = made.encode(text(seed)) + made.flush()
    back = pyppmd.Ppmd7Decoder(6, 1 << 20).decode(packed, len(text(seed)))
    return [digest(packed), back == text(seed), raised(Exception, made.encode, 3)[:9]]


@briefly("inflate64")
def inflate64(seed):
    import inflate64

    made = inflate64.Deflater()
    packed = made.deflate(text(seed)) + made.flush()
    back = inflate64.Inflater().inflate(packed)
    return [digest(packed), back == text(seed), raised(Exception, made.deflate, 3)[:9]]


@briefly("pybcj")
def bcj(seed):
    import bcj

    data = b"\xe8\x00\x01\x02\x03" * (seed + 20)
    made = bcj.BCJEncoder()
    packed = made.encode(data) + made.flush()
    back = bcj.BCJDecoder(len(data))
    return [digest(packed), back.decode(packed) == data, raised(TypeError, bcj.BCJDecoder, "a")[:9]]


@briefly("bsdiff4")
def bsdiff4(seed):
    import bsdiff4

    patch = bsdiff4.diff(text(seed), text(seed) + b"more")
    return [bsdiff4.patch(text(seed), patch) == text(seed) + b"more", raised(ValueError, bsdiff4.patch, b"a", b"no")]


@briefly("crc32c")
def crc32c(seed):
    import crc32c

    return [
        crc32c.crc32c(text(seed)),
        crc32c.crc32c(b"more", crc32c.crc32c(b"a")),
        raised(TypeError, crc32c.crc32c, "text"),
    ]


@briefly("google-crc32c")
def google_crc32c(seed):
    import google_crc32c

    made = google_crc32c.Checksum()
    made.update(text(seed))
    return [
        made.hexdigest().decode(),
        google_crc32c.extend(1, b"a"),
        google_crc32c.implementation,
        raised(TypeError, google_crc32c.value, "a"),
    ]


@briefly("xxhash")
def xxhash(seed):
    import xxhash

    made = xxhash.xxh3_128(seed=seed)
    made.update(text(seed))
    return [
        made.hexdigest(),
        xxhash.xxh32_intdigest(b"a"),
        made.copy().digest() == made.digest(),
        raised(TypeError, xxhash.xxh64, 3),
    ]


@briefly("mmh3")
def mmh3(seed):
    import mmh3

    made = mmh3.mmh3_x64_128(seed=seed)
    made.update(text(seed))
    return [made.digest().hex(), mmh3.hash("foo", seed), mmh3.hash64("foo"), raised(TypeError, mmh3.hash, 3.5)]


@briefly("blake3")
def blake3(seed):
    import blake3

    return [blake3.blake3(text(seed)).hexdigest(), raised(TypeError, blake3.blake3, "text")]


@briefly("cityhash")
def cityhash(seed):
    import cityhash

    return [cityhash.CityHash64(text(seed)), cityhash.CityHash128(b"abc"), raised(TypeError, cityhash.CityHash64, 3)]


@briefly("pyfarmhash")
def farmhash(seed):
    import farmhash

    return [
        farmhash.Fingerprint64(f"text {seed}"),
        farmhash.FarmHash32("abc") > 0,
        raised(TypeError, farmhash.Fingerprint64, 3),
    ]


@briefly("safe-pysha3")
def sha3(seed):
    import sha3

    made = sha3.keccak_256(text(seed))
    return [made.hexdigest(), made.copy().hexdigest() == made.hexdigest(), raised(TypeError, sha3.keccak_512, "text")]


@briefly("cffi")
def cffi(seed):
    import cffi

    made = cffi.FFI()
    made.cdef(
        "int abs(int); struct point { int x; double y; };"
        "void qsort(void *, size_t, size_t, int (*)(const void *, const void *));"
    )
    library = made.dlopen(None)
    ints = made.new("int[]", [(i * 7 + seed) % 50 for i in range(30)])

    @made.callback("int(const void *, const void *)")
    def compare(a, b):
        return made.cast("int *", a)[0] - made.cast("int *", b)[0]

    library.qsort(ints, 30, 4, compare)
    point = made.new("struct point *", {"x": seed, "y": 0.5})
    return [list(ints), library.abs(-seed), point.x, made.sizeof("struct point"), raised(IndexError, lambda: ints[30])]


@briefly("PyNaCl")
def nacl(seed):
    import nacl.exceptions
    import nacl.secret
    import nacl.signing

    key = nacl.signing.SigningKey(b"%032d" % seed)
    box = nacl.secret.SecretBox(b"%032d" % seed)
    data = box.encrypt(b"text", b"n" * 24)
    assert box.decrypt(data) == b"text"
    wrong = nacl.secret.SecretBox(b"0" * 32 if seed else b"1" * 32)
    return [digest(key.sign(b"m")), digest(data), raised(nacl.exceptions.CryptoError, wrong.decrypt, data)]


@briefly("argon2-cffi-bindings", "argon2-cffi")
def argon2(seed):
    from argon2 import exceptions, low_level

    made = low_level.hash_secret(b"secret", b"%08d" % seed, 1, 64, 1, 16, low_level.Type.ID)
    assert low_level.verify_secret(made, b"secret", low_level.Type.ID)
    return [
        made.decode(),
        raised(exceptions.VerifyMismatchError, low_level.verify_secret, made, b"other", low_level.Type.ID),
    ]


def _cipher_work(name):
    def work(seed):
        from importlib import import_module

        aes = import_module(f"{name}.Cipher.AES")
        sha = import_module(f"{name}.Hash.SHA256")
        rsa = import_module(f"{name}.PublicKey.ECC")
        made = aes.new(b"%016d" % seed, aes.MODE_GCM, nonce=b"n" * 12)
        data, tag = made.encrypt_and_digest(text(seed))
        wrong = aes.new(b"%016d" % seed, aes.MODE_GCM, nonce=b"m" * 12)
        point = rsa.construct(curve="P-256", d=seed + 7).pointQ
        return [
            digest(data, tag),
            sha.new(data).hexdigest(),
            str(point.x),
            raised(ValueError, wrong.decrypt_and_verify, data, tag),
        ]

    return work


@briefly("pycryptodome", loads="cffi")
def pycryptodome(seed):
    return _cipher_work("Crypto")(seed)


@briefly("pycryptodomex", loads="cffi")
def pycryptodomex(seed):
    return _cipher_work("Cryptodome")(seed)


@briefly("coincurve")
def coincurve(seed):
    import coincurve

    key = coincurve.PrivateKey.from_int(seed + 7)
    signed = key.sign(text(seed))
    assert key.public_key.verify(signed, text(seed))
    return [digest(signed), key.public_key.format().hex(), raised(ValueError, coincurve.PublicKey, b"no")[:20]]


@briefly("ckzg")
def ckzg(seed):
    import ckzg

    return [
        raised(Exception, ckzg.load_trusted_setup, f"/nowhere{seed}", 0)[:20],
        raised(Exception, ckzg.blob_to_kzg_commitment, b"a", 3)[:9],
    ]


@briefly("gssapi")
def gssapi(seed):
    import gssapi

    name = gssapi.Name(f"user{seed}@EXAMPLE.ORG", gssapi.NameType.user)
    return [
        str(name),
        str(gssapi.MechType.kerberos),
        raised(gssapi.exceptions.GSSError, gssapi.Credentials, usage="accept")[:10],
    ]


@briefly("xmlsec", "lxml")
def xmlsec(seed):
    import xmlsec
    from lxml import etree

    root = etree.fromstring(f"<a><b>{seed}</b></a>")
    made = xmlsec.template.create(root, xmlsec.Transform.EXCL_C14N, xmlsec.Transform.HMAC_SHA256)
    root.append(made)
    reference = xmlsec.template.add_reference(made, xmlsec.Transform.SHA256)
    xmlsec.template.add_transform(reference, xmlsec.Transform.ENVELOPED)
    context = xmlsec.SignatureContext()
    context.key = (
        xmlsec.Key.from_memory(b"key", xmlsec.KeyFormat.BINARY)
        if seed < 0
        else xmlsec.Key.from_binary_data(xmlsec.KeyData.HMAC, b"key%d" % seed)
    )
    context.sign(made)
    value = root.findtext(".//{*}SignatureValue")
    return [value.strip(), raised(xmlsec.Error, xmlsec.Key.from_memory, b"no key", xmlsec.KeyFormat.PEM)[:12]]


@briefly("aioquic", "pylsqpack")
def aioquic(seed):
    from aioquic._buffer import Buffer, BufferReadError
    from aioquic._crypto import AEAD

    kept = Buffer(capacity=64)
    kept.push_uint_var(1000 + seed)
    kept.push_bytes(b"more")
    kept.seek(0)
    made = AEAD(b"aes-128-gcm", b"k" * 16, b"i" * 12)
    data = made.encrypt(text(seed), b"more", seed)
    assert made.decrypt(data, b"more", seed) == text(seed)
    return [kept.pull_uint_var(), digest(data), raised(BufferReadError, Buffer(data=b"a").pull_uint32)]


@briefly("pylsqpack")
def pylsqpack(seed):
    import pylsqpack

    encoder, decoder = pylsqpack.Encoder(), pylsqpack.Decoder(0x100, 0x10)
    encoder.apply_settings(0x100, 0x10)
    control, data = encoder.encode(seed, [(b"a", b"%d" % seed), (b":path", b"/x")])
    _, found = decoder.feed_header(seed, data) if not control else (decoder.feed_encoder(control), [])
    return [digest(data), str(found), raised(pylsqpack.DecompressionFailed, decoder.feed_header, 9, b"1")]
