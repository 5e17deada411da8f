"""Pillow: drawing, filters, resizing, fonts, PNG, JPEG and GIF out and in, errors, pickles."""

import io

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont, UnidentifiedImageError, features

from exercise import digest, in_threads, pickled, raised

DISTRIBUTION = "pillow"


def drawn(seed):
    picture = Image.new("RGB", (96, 64), (seed * 37 % 256, 90, 160))
    draw = ImageDraw.Draw(picture)
    for i in range(12):
        x, y = (seed * 7 + i * 13) % 90, (seed * 3 + i * 5) % 60
        draw.ellipse([x, y, x + 14, y + 9], fill=(i * 20, 255 - i * 20, seed % 256), outline="white")
    draw.line([(0, 0), (95, 63)], fill="black", width=3)
    draw.text((4, 40), f"seed {seed}", font=ImageFont.load_default(12), fill="yellow")
    return picture


def saved(picture, kind):
    kept = io.BytesIO()
    picture.save(kept, kind)
    return kept.getvalue()


def small(seed):
    return digest(drawn(seed).resize((20, 20), Image.Resampling.LANCZOS).tobytes())


def work(seed):
    picture = drawn(seed)
    found = {
        "drawn": digest(picture.tobytes()),
        "blurred": digest(picture.filter(ImageFilter.GaussianBlur(2)).tobytes()),
        "turned": digest(picture.rotate(seed % 360, expand=True, resample=Image.Resampling.BICUBIC).tobytes()),
        "threads": in_threads(small, range(seed, seed + 5)),
        "histogram": digest(picture.convert("L").histogram()),
        "palette": digest(picture.quantize(16).tobytes()),
        "box": ImageChops.difference(picture, drawn(seed + 1)).getbbox(),
        "codecs": [features.check(name) for name in ("jpg", "zlib", "freetype2", "webp")],
    }
    for kind in ("PNG", "JPEG", "GIF", "WEBP", "TIFF"):
        data = saved(picture, kind)
        with Image.open(io.BytesIO(data)) as back:
            back.load()
            assert back.size == picture.size and back.format == kind
            found[kind] = digest(back.convert("RGB").tobytes())
    assert pickled(picture).tobytes() == picture.tobytes()
    found["errors"] = [
        raised(UnidentifiedImageError, lambda: Image.open(io.BytesIO(b"no picture"))).partition("<")[0],
        raised(ValueError, Image.new, "RGB", (-1, 2)),
        raised(OSError, lambda: Image.open(io.BytesIO(saved(picture, "PNG")[:200])).load()),
        raised(IndexError, picture.getpixel, (500, 500)),
    ]
    return found
