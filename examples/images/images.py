"""Makes images, and makes small ones of them, with Pillow."""

import hashlib
import os

from PIL import Image, ImageDraw, ImageFilter


def generate(folder, number):
    """An image with some lines and circles on a gradient; where it is."""
    image = Image.linear_gradient("L").resize((640, 480)).convert("RGB")
    draw = ImageDraw.Draw(image)
    for step in range(60):
        place = (step * 37 + number * 101) % 640
        color = (step * 4 % 256, number * 29 % 256, (step * number) % 256)
        draw.line((place, 0, 640 - place, 480), fill=color, width=3)
        draw.ellipse((place - 30, step * 8 - 30, place + 30, step * 8 + 30), outline=color, width=4)
    path = os.path.join(folder, f"{number:04}.png")
    image.save(path, compress_level=1)
    return path


def shrink(path, folder):
    """Writes a small, sharpened image, and gives its digest."""
    with Image.open(path) as image:
        image = image.filter(ImageFilter.GaussianBlur(2)).filter(ImageFilter.SHARPEN)
        image.thumbnail((256, 256))
        written = os.path.join(folder, os.path.basename(path).replace(".png", ".jpg"))
        image.save(written, quality=85)
    with open(written, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()
