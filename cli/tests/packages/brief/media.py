"""Images, sound, video."""

from brief import briefly
from exercise import digest, raised


@briefly("contourpy", "numpy")
def contourpy(seed):
    import contourpy
    import numpy as np

    z = np.sin(np.arange(100).reshape(10, 10) * (seed + 1) / 9)
    return [
        len(contourpy.contour_generator(z=z).lines(0.2)),
        raised(TypeError, contourpy.contour_generator, None, None, [[1]]),
    ]


@briefly("kiwisolver")
def kiwisolver(seed):
    import kiwisolver

    x, y = kiwisolver.Variable("x"), kiwisolver.Variable("y")
    solver = kiwisolver.Solver()
    for constraint in (x + y == 10 + seed, x >= 3, (y >= 5) | "weak"):
        solver.addConstraint(constraint)
    solver.updateVariables()
    return [
        x.value() + y.value(),
        raised(kiwisolver.UnsatisfiableConstraint, solver.addConstraint, x <= 1).split(":")[0],
    ]


@briefly("opencv-python-headless", "numpy", loads="other")
def cv2(seed):
    import cv2
    import numpy as np

    picture = np.zeros((60, 80, 3), np.uint8)
    cv2.circle(picture, (40, 30), 10 + seed % 15, (255, 200, 100), -1)
    found, _ = cv2.findContours(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    _, data = cv2.imencode(".png", cv2.GaussianBlur(picture, (5, 5), 0))
    return [len(found[0]), digest(cv2.imdecode(data, 1).tobytes()), raised(cv2.error, cv2.resize, picture, (0, 0))[:20]]


@briefly("scikit-image")
def skimage(seed):
    import numpy as np
    from skimage import filters, measure, morphology, transform

    picture = np.zeros((30, 40))
    picture[5:15, 5 : 10 + seed % 20] = 1
    picture[20:25, 30:35] = 1
    labels = measure.label(picture)
    return [
        int(labels.max()),
        [int(region.area) for region in measure.regionprops(labels)],
        int(morphology.skeletonize(picture > 0).sum()),
        round(float(transform.warp(picture, np.eye(3)).sum()), 3),
        round(float(filters.rank.mean((picture * 255).astype("u1"), np.ones((3, 3), "u1")).mean()), 3),
        raised(ValueError, measure.marching_cubes, picture),
    ]


@briefly("imagecodecs", "numpy")
def imagecodecs(seed):
    import imagecodecs
    import numpy as np

    picture = (np.arange(600).reshape(20, 30) * (seed + 1) % 255).astype("u1")
    for name in ("png", "webp", "jpegxl", "jpeg2k"):
        coded = getattr(imagecodecs, f"{name}_encode")(picture if name != "webp" else np.stack([picture] * 3, 2))
        assert getattr(imagecodecs, f"{name}_decode")(coded).shape[:2] == (20, 30)
    packed = imagecodecs.lzw_encode(picture.tobytes())
    return [
        imagecodecs.lzw_decode(packed) == picture.tobytes(),
        digest(packed),
        raised(Exception, imagecodecs.png_decode, b"no")[:8],
    ]


@briefly("pillow-heif", "pillow")
def pillow_heif(seed):
    import io

    import pillow_heif
    from PIL import Image

    pillow_heif.register_heif_opener()
    kept = io.BytesIO()
    Image.new("RGB", (32, 24 + seed % 8), (10, 200, seed)).save(kept, "HEIF", quality=80)
    back = Image.open(io.BytesIO(kept.getvalue()))
    back.load()
    return [list(back.size), back.mode, raised(Exception, pillow_heif.open_heif, io.BytesIO(b"no"))[:10]]


@briefly("wordcloud", "pillow")
def wordcloud(seed):
    from wordcloud import WordCloud
    from wordcloud.query_integral_image import query_integral_image

    made = WordCloud(width=80, height=60, random_state=seed).generate_from_frequencies({"a": 3, "bc": 2, "def": 1})
    return [
        len(made.layout_),
        digest(made.to_array().tobytes()),
        raised(Exception, query_integral_image, 3, 1, 1, None)[:9],
    ]


@briefly("zxing-cpp", "numpy")
def zxingcpp(seed):
    import numpy as np
    import zxingcpp

    made = zxingcpp.create_barcode(f"text {seed}", zxingcpp.BarcodeFormat.QRCode)
    picture = np.array(made.to_image(scale=4))
    return [
        [found.text for found in zxingcpp.read_barcodes(picture)],
        raised(Exception, zxingcpp.read_barcodes, "a")[:9],
    ]


@briefly("freetype-py", loads="ctypes")
def freetype(seed):
    import freetype

    return [len(freetype.version()), raised(freetype.FT_Exception, freetype.Face, f"/nowhere{seed}")[:12]]


@briefly("rawpy")
def rawpy(seed):
    import io

    import rawpy

    return [raised(rawpy.LibRawError, rawpy.imread, io.BytesIO(b"no raw %d" % seed))[:12], rawpy.ColorSpace.sRGB.name]


@briefly("av")
def av(seed):
    import io

    import av
    import numpy as np

    kept = io.BytesIO()
    with av.open(kept, "w", format="matroska") as file:
        stream = file.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt, stream.thread_count = 32, 32, "yuv420p", 1
        for i in range(5):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), i * 9 + seed, "u1"), format="rgb24")
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    with av.open(io.BytesIO(kept.getvalue())) as back:
        n = sum(1 for _ in back.decode(video=0))
    return [n, raised(av.error.FFmpegError, av.open, io.BytesIO(b"no"))[:16]]


@briefly("soundfile", "numpy", loads="cffi")
def soundfile(seed):
    import io

    import numpy as np
    import soundfile

    kept = io.BytesIO()
    tone = np.sin(np.arange(2000) * (seed + 1) / 50)
    soundfile.write(kept, tone, 8000, format="FLAC")
    kept.seek(0)
    back, rate = soundfile.read(kept)
    return [
        rate,
        bool(np.allclose(back, tone, atol=1e-3)),
        raised(soundfile.LibsndfileError, soundfile.read, io.BytesIO(b"no sound"))[:20],
    ]


@briefly("soxr", "numpy")
def soxr(seed):
    import numpy as np
    import soxr

    tone = np.sin(np.arange(800) * (seed + 1) / 50)
    found = soxr.resample(tone, 8000, 4000)
    return [len(found), round(float(np.abs(found).sum()), 3), raised(ValueError, soxr.resample, tone, -1, 4000)[:10]]


@briefly("samplerate", "numpy")
def samplerate(seed):
    import numpy as np
    import samplerate

    tone = np.sin(np.arange(800) * (seed + 1) / 50)
    found = samplerate.resample(tone, 0.5, "sinc_fastest")
    return [
        len(found),
        round(float(np.abs(found).sum()), 2),
        raised(Exception, samplerate.resample, tone, -1.0, "none")[:9],
    ]


@briefly("miniaudio", loads="cffi")
def miniaudio(seed):
    import io
    import wave

    import miniaudio

    kept = io.BytesIO()
    with wave.open(kept, "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(range(200)) * (seed + 1))
    found = miniaudio.decode(kept.getvalue(), sample_rate=8000, nchannels=1)
    return [found.num_frames, digest(bytes(found.samples)), raised(miniaudio.DecodeError, miniaudio.decode, b"no")[:12]]


@briefly("webrtcvad-wheels")
def webrtcvad(seed):
    import webrtcvad

    made = webrtcvad.Vad(seed % 4)
    return [
        made.is_speech(b"\0\0" * 160, 16000),
        made.is_speech(bytes(i * 37 % 256 for i in range(320)), 16000),
        raised(Exception, made.is_speech, b"", 3)[:9],
    ]


@briefly("lameenc")
def lameenc(seed):
    import lameenc

    made = lameenc.Encoder()
    made.set_bit_rate(64)
    made.set_in_sample_rate(16000)
    made.set_channels(1)
    made.set_quality(7)
    made.silence()
    data = bytes(made.encode(bytes(i * (seed + 1) % 256 for i in range(8000)))) + bytes(made.flush())
    return [digest(data), raised(Exception, made.set_channels, "a")[:9]]
