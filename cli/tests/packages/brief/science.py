"""Maps, the sky, chemistry, biology, dates."""

from brief import briefly, until_free
from exercise import pickled, raised


@briefly("pyproj")
def pyproj(seed):
    import pyproj

    there = pyproj.Transformer.from_crs(4326, 32633, always_xy=True).transform(12 + seed / 10, 50)
    length = pyproj.Geod(ellps="WGS84").inv(0, 0, seed + 1, 1)[2]
    return [
        [round(x, 3) for x in there],
        round(length, 3),
        raised(pyproj.exceptions.CRSError, pyproj.CRS, "nothing").split(":")[0],
    ]


@briefly("rasterio")
def rasterio(seed):
    import numpy as np
    import rasterio
    from rasterio import features, warp
    from rasterio.io import MemoryFile

    with MemoryFile() as kept:
        options = {"driver": "GTiff", "width": 20, "height": 10, "count": 1, "dtype": "int32", "crs": "EPSG:4326"}
        with kept.open(**options, transform=rasterio.Affine(1, 0, 0, 0, -1, 10)) as file:
            file.write(np.arange(200, dtype="int32").reshape(10, 20) * (seed + 1), 1)
        with kept.open() as back:
            total, crs = int(back.read(1)[2:4].sum()), str(back.crs)
    mask = features.rasterize([{"type": "Polygon", "coordinates": [[[1, 1], [6, 1], [6, 6], [1, 1]]]}], (10, 10))
    there = warp.transform("EPSG:4326", "EPSG:3857", [seed / 10], [10])
    return [
        total,
        crs,
        int(mask.sum()),
        round(there[0][0], 3),
        raised(rasterio.errors.RasterioIOError, rasterio.open, "/nowhere")[:16],
    ]


@briefly("fiona")
def fiona(seed):
    import fiona
    from fiona.io import MemoryFile

    schema = {"geometry": "Point", "properties": {"n": "int"}}
    with MemoryFile() as kept:
        with kept.open(driver="GeoJSON", schema=schema, crs="EPSG:4326") as file:
            for i in range(4):
                file.write(
                    {
                        "type": "Feature",
                        "geometry": {"type": "Point", "coordinates": (i, seed)},
                        "properties": {"n": i * seed},
                    }
                )
        with kept.open() as back:
            found = [[feature["properties"]["n"], list(feature["geometry"]["coordinates"])] for feature in back]
    return [found, raised(fiona.errors.DriverError, fiona.open, "/nowhere")[:11]]


@briefly("pyogrio", "shapely", "pandas", "geopandas")
def pyogrio(seed):
    import os
    import tempfile

    import geopandas
    import pyogrio
    import shapely

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "x.gpkg")
        frame = geopandas.GeoDataFrame(
            {"n": [1, seed]}, geometry=[shapely.Point(0, 1), shapely.Point(2, seed)], crs=4326
        )
        pyogrio.write_dataframe(frame, path)
        back = pyogrio.read_dataframe(path, where="n >= 0")
        return [
            back["n"].tolist(),
            back.geometry.to_wkt().tolist(),
            raised(pyogrio.errors.DataSourceError, pyogrio.read_info, path + "none")[:15],
        ]


@pyogrio.together(lambda path: _gpkg_rows(path))
def pyogrio_writes(path, me):
    import os

    import geopandas
    import pyogrio
    import shapely

    os.makedirs(path, exist_ok=True)
    file = os.path.join(path, "x.gpkg")
    for i in range(4):
        frame = geopandas.GeoDataFrame({"n": [me * 100 + i]}, geometry=[shapely.Point(me, i)], crs=4326)

        def add():
            with open(os.path.join(path, "lock"), "w") as lock:
                import fcntl

                fcntl.flock(lock, fcntl.LOCK_EX)
                pyogrio.write_dataframe(frame, file, layer="x", append=os.path.exists(file))

        until_free(add, pyogrio.errors.DataSourceError)


def _gpkg_rows(path):
    import os

    import pyogrio

    return sorted(pyogrio.read_dataframe(os.path.join(path, "x.gpkg"))["n"].tolist())


@briefly("rtree", loads="ctypes")
def rtree(seed):
    from rtree import index

    made = index.Index()
    for i in range(30):
        made.insert(i, (i, i * seed % 7, i + 1, i * seed % 7 + 1))
    return [
        sorted(made.intersection((3, 0, 6, 9))),
        next(iter(made.nearest((5, 5), 1))) >= 0,
        raised(Exception, made.insert, 1, (2, 2, 1, 1))[:10],
    ]


@briefly("pyclipper")
def pyclipper(seed):
    import pyclipper

    made = pyclipper.Pyclipper()
    made.AddPath([(0, 0), (100, 0), (100, 100), (0, 100)], pyclipper.PT_SUBJECT, True)
    made.AddPath([(50, 50), (150 + seed, 50), (150, 150)], pyclipper.PT_CLIP, True)
    found = made.Execute(pyclipper.CT_INTERSECTION)
    return [
        sorted(found[0]),
        pyclipper.Area(found[0]),
        raised(pyclipper.ClipperException, made.AddPath, [], pyclipper.PT_CLIP),
    ]


@briefly("mapbox-earcut", "numpy")
def earcut(seed):
    import mapbox_earcut
    import numpy as np

    points = np.array([[0, 0], [9 + seed, 0], [9, 9], [4, 3], [0, 9]], np.float64)
    return [
        mapbox_earcut.triangulate_float64(points, np.array([5], np.uint32)).tolist(),
        raised(ValueError, mapbox_earcut.triangulate_float64, points, np.array([3], np.uint32))[:20],
    ]


@briefly("manifold3d", "numpy")
def manifold3d(seed):
    import manifold3d
    import numpy as np

    cube = manifold3d.Manifold.cube((2, 2, 2), True)
    made = cube - cube.translate((1, 1, seed / 50))
    section = manifold3d.CrossSection.square((2, 3)).area()
    broken = manifold3d.Manifold.cube((-1, 1, 1))
    return [
        round(made.volume(), 4),
        made.num_tri() > 12,
        section,
        broken.is_empty(),
        raised(TypeError, manifold3d.Manifold.cube, "a")[:9],
        np.__name__,
    ]


@briefly("moderngl", "glcontext", threads=False)
def moderngl(seed):
    import moderngl

    return [
        raised(Exception, moderngl.create_standalone_context, backend="none")[:11],
        hasattr(moderngl.mgl, "create_context"),
        seed,
    ]


@briefly("pymunk", loads="extension")
def pymunk(seed):
    import pymunk

    space = pymunk.Space()
    space.gravity = 0, -10
    ball = pymunk.Body(1, 1)
    ball.position = seed, 20
    space.add(ball, pymunk.Circle(ball, 1), pymunk.Segment(space.static_body, (-50, 0), (50, 0), 1))
    for _ in range(100):
        space.step(0.02)
    return [
        round(ball.position.x, 3),
        round(ball.position.y, 3),
        len(pickled(space).bodies),
        raised(AssertionError, space.add, ball)[:14],
    ]


@briefly("astropy")
def astropy(seed):
    import io

    import numpy as np
    from astropy import time, units
    from astropy.convolution import convolve
    from astropy.io import fits
    from astropy.table import Table
    from astropy.wcs import WCS

    kept = io.BytesIO()
    fits.PrimaryHDU(np.arange(12).reshape(3, 4) * (seed + 1)).writeto(kept)
    sky = WCS(naxis=2)
    sky.wcs.crpix, sky.wcs.cdelt, sky.wcs.ctype = [5, 5], [0.1, 0.1], ["RA---TAN", "DEC--TAN"]
    found = sky.wcs_pix2world([[seed, 2]], 0)
    table = Table.read("a b\n1 2.5\n%d 4" % seed, format="ascii.fast_basic")
    return [
        int(fits.getdata(io.BytesIO(kept.getvalue())).sum()),
        [round(float(v), 5) for v in found[0]],
        round(float(convolve(np.arange(9.0), [1, 2, 1])[4]), 6),
        table["a"].tolist(),
        time.Time(2_450_000 + seed, format="jd").isot,
        raised(units.UnitConversionError, units.m.to, units.s),
    ]


@briefly("pyerfa", "numpy")
def erfa(seed):
    import erfa

    return [
        [round(float(v), 9) for v in erfa.epv00(2_450_000, seed)[0]["p"]],
        round(float(erfa.gmst06(2_450_000, 0, 2_450_000, seed)), 9),
        raised(Exception, erfa.cal2jd, 2000, 99, 1)[:9],
    ]


@briefly("ephem")
def ephem(seed):
    import ephem

    where = ephem.Observer()
    where.lat, where.lon, where.date = "50", "14", f"2020/1/{seed % 20 + 1}"
    mars = ephem.Mars(where)
    return [
        str(mars.ra),
        str(where.next_rising(ephem.Sun())),
        ephem.constellation(mars)[1],
        raised(ValueError, lambda: ephem.Date("no date")),
    ]


@briefly("sgp4")
def sgp4(seed):
    from sgp4.api import Satrec

    made = Satrec.twoline2rv(
        "1 25544U 98067A   19343.69339541  .00001764  00000-0  38792-4 0  9991",
        "2 25544  51.6439 211.2001 0007417  17.6667  85.6398 15.50103472202482",
    )
    status, place, _ = made.sgp4(2458826.5 + seed, 0.8)
    return [status, [round(v, 3) for v in place], raised(TypeError, Satrec.twoline2rv, 3, 4)]


@briefly("healpy")
def healpy(seed):
    import healpy
    import numpy as np

    there = healpy.ang2pix(16, 0.3 + seed / 40, 1.0)
    smooth = healpy.anafast(np.sin(np.arange(healpy.nside2npix(8)) / 7), lmax=5)
    return [
        int(there),
        round(float(smooth.sum()), 8),
        raised(ValueError, healpy.nside2npix, 3.5) if seed < 0 else raised(Exception, healpy.ang2pix, -1, 0, 0)[:10],
    ]


@briefly("fitsio", "numpy")
def fitsio(seed):
    import os
    import tempfile

    import fitsio
    import numpy as np

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "x.fits")
        fitsio.write(path, np.arange(900, dtype="i4").reshape(30, 30) * (seed + 1), compress="rice")
        return [int(fitsio.read(path).sum()), raised(OSError, fitsio.read, path + "none")[:10]]


@briefly("photutils", "astropy")
def photutils(seed):
    import numpy as np
    from photutils.aperture import CircularAperture, aperture_photometry
    from photutils.geometry import circular_overlap_grid

    picture = np.ones((20, 20)) * (seed + 1)
    found = aperture_photometry(picture, CircularAperture([(10, 10)], 3))
    return [
        round(float(found["aperture_sum"][0]), 5),
        round(float(circular_overlap_grid(-2, 2, -2, 2, 4, 4, 1, 1, 5).sum()), 5),
        raised(Exception, CircularAperture, (1, 1), -1)[:10],
    ]


@briefly("rdkit")
def rdkit(seed):
    from rdkit import Chem, RDLogger
    from rdkit.Chem import AllChem, Descriptors

    RDLogger.DisableLog("rdApp.*")
    made = Chem.MolFromSmiles("CC(=O)Oc1ccccc1C(=O)O" + "C" * (seed % 4))
    made.GetSubstructMatches(Chem.MolFromSmarts("c1ccccc1"))
    bits = AllChem.GetMorganGenerator(radius=2).GetFingerprint(made)
    return [
        Chem.MolToSmiles(made),
        round(Descriptors.MolWt(made), 3),
        bits.GetNumOnBits(),
        Chem.MolToSmiles(pickled(made)),
        raised(Exception, Chem.SanitizeMol, Chem.MolFromSmiles("C(C)(C)(C)(C)C", sanitize=False))[:20],
    ]


@briefly("biopython", "numpy")
def biopython(seed):
    from Bio import Align
    from Bio.Cluster import kcluster
    from Bio.PDB.kdtrees import KDTree
    import numpy as np

    made = Align.PairwiseAligner(mode="global", match_score=2, mismatch_score=-1, gap_score=-1)
    found = made.align("GATTACA" * (seed % 3 + 1), "GCATGCA")
    tree = KDTree(np.arange(30.0).reshape(10, 3), 5)
    groups, _, _ = kcluster(np.arange(12.0).reshape(6, 2), nclusters=2, npass=0, initialid=[0, 0, 0, 1, 1, 1])
    return [
        found.score,
        str(found[0]),
        len(tree.search(np.array([3.0, 4.0, 5.0]), 6.0)),
        groups.tolist(),
        raised(Exception, made.align, "", "A")[:10],
    ]


@briefly("pysam")
def pysam(seed):
    import os
    import tempfile

    import pysam

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "x.bam")
        with pysam.AlignmentFile(path, "wb", header={"HD": {"VN": "1.0"}, "SQ": [{"LN": 500, "SN": "c"}]}) as file:
            for i in range(5):
                made = pysam.AlignedSegment(file.header)
                made.query_name, made.query_sequence, made.reference_id = f"r{i}", "ACGT", 0
                made.reference_start, made.cigarstring, made.mapping_quality = i * 7 + seed, "4M", 20
                file.write(made)
        pysam.index(path)
        with pysam.AlignmentFile(path) as back:
            found = [read.query_name for read in back.fetch("c", 10 + seed, 30 + seed)]
        return [found, raised(FileNotFoundError, pysam.AlignmentFile, path + "none")[:17]]


@briefly("cyvcf2", "numpy")
def cyvcf2(seed):
    import os
    import tempfile

    import cyvcf2

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "x.vcf")
        with open(path, "w") as file:
            file.write(
                '##fileformat=VCFv4.2\n##contig=<ID=1,length=900>\n##INFO=<ID=DP,Number=1,Type=Integer,Description="d">\n'
            )
            file.write(f"#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n1\t{seed + 5}\t.\tA\tC\t9\tPASS\tDP=14\n")
        made = cyvcf2.VCF(path)
        found = [[row.POS, row.REF, row.ALT, row.INFO.get("DP")] for row in made]
        made.close()
        return [found, raised(OSError, cyvcf2.VCF, path + "none")[:7]]


@briefly("edlib")
def edlib(seed):
    import edlib

    return [
        edlib.align("elephant", f"telef{seed}one", mode="NW", task="path")["cigar"],
        edlib.align("ACTG", "CACTRT")["editDistance"],
        raised(Exception, edlib.align, 3, "a")[:9],
    ]


@briefly("parasail", loads="ctypes")
def parasail(seed):
    import parasail

    found = parasail.sw_trace("asdf" * (seed % 3 + 1), "asfaf", 11, 1, parasail.blosum62)
    return [
        found.score,
        found.cigar.decode.decode(),
        raised(Exception, parasail.sw, 3, "a", 1, 1, parasail.blosum62)[:9],
    ]


@briefly("biotite", "numpy")
def biotite(seed):
    import biotite.sequence as seq
    import biotite.sequence.align as align
    from biotite.structure import CellList
    import numpy as np

    a, b = seq.NucleotideSequence("GATTACA" * (seed % 3 + 1)), seq.NucleotideSequence("GCATGCA")
    found = align.align_optimal(a, b, align.SubstitutionMatrix.std_nucleotide_matrix())[0]
    cells = CellList(np.arange(30.0).reshape(10, 3), 4)
    return [
        found.score,
        str(found),
        sorted(int(i) for i in cells.get_atoms(np.array([3.0, 4, 5]), 6) if i >= 0),
        raised(Exception, seq.NucleotideSequence, "XQZ")[:13],
    ]


@briefly("spglib", "numpy")
def spglib(seed):
    import spglib

    cell = ([[4 + seed, 0, 0], [0, 4 + seed, 0], [0, 0, 4 + seed]], [[0, 0, 0], [0.5, 0.5, 0.5]], [1, 1 + seed % 2])
    return [
        spglib.get_spacegroup(cell),
        len(spglib.get_symmetry(cell)["rotations"]),
        raised(TypeError, spglib.get_symmetry_from_database)[:9],
    ]


@briefly("gemmi")
def gemmi(seed):
    import gemmi

    made = gemmi.cif.read_string(f"data_x\nloop_\n_a\n_b\n1 x\n{seed} 'y z'\n")
    return [
        [list(row) for row in made.sole_block().find(["_a", "_b"])],
        gemmi.SpaceGroup("P 21 21 21").number,
        round(gemmi.UnitCell(10, 20, 30 + seed, 90, 90, 90).volume, 2),
        raised(ValueError, gemmi.cif.read_string, "no cif")[:10],
    ]


@briefly("pybigwig", "numpy")
def pybigwig(seed):
    import os
    import tempfile

    import pyBigWig

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "x.bw")
        made = pyBigWig.open(path, "w")
        made.addHeader([("c", 1000)])
        made.addEntries(["c"] * 3, [0, 100, 200], ends=[50, 150, 250], values=[1.0, 2.0, float(seed)])
        made.close()
        back = pyBigWig.open(path)
        return [
            back.values("c", 99, 101)[1],
            back.stats("c", 0, 250)[0],
            raised(RuntimeError, back.values, "none", 0, 1),
        ]


@briefly("ciso8601")
def ciso8601(seed):
    import ciso8601

    return [
        str(ciso8601.parse_datetime(f"2014-12-05T12:30:{seed % 60:02}.123-05:30")),
        raised(ValueError, ciso8601.parse_datetime, "2014-13"),
    ]


@briefly("pendulum")
def pendulum(seed):
    import pendulum

    made = pendulum.datetime(2020, 3, 28, tz="Europe/Paris").add(days=seed)
    between = made - pendulum.datetime(2019, 1, 1, tz="Europe/Paris")
    return [
        str(made),
        between.in_words(),
        str(pendulum.parse("P1Y2M3DT4H")),
        pickled(made) == made,
        raised(Exception, pendulum.parse, "no")[:11],
    ]


@briefly("whenever")
def whenever(seed):
    import whenever

    made = whenever.ZonedDateTime(2020, 3, 29, 1, tz="Europe/Paris").add(hours=seed)
    return [
        str(made),
        str(whenever.Instant.from_utc(2020, 1, 1).add(hours=seed)),
        pickled(made) == made,
        raised(ValueError, whenever.Date, 2020, 13, 1),
    ]


@briefly("time-machine", threads=False)
def time_machine(seed):
    import datetime

    import time_machine

    with time_machine.travel(datetime.datetime(2020, 1, 1 + seed, tzinfo=datetime.UTC), tick=False):
        found = datetime.datetime.now(datetime.UTC).isoformat()
    return [
        found,
        datetime.datetime.now().year > 2020,
        raised(TypeError, lambda: time_machine.travel(object()).start())[:9],
    ]
