"""Real packages, from the pinned wheels in tests/corpus/wheels.json, under plain CPython and under interlock.

For each package, in fresh processes: plain CPython imports it and says (-v) which of its modules require the GIL; under
interlock the GIL has to come out the same, and exactly those modules are warned of. What requires the GIL is then freed
by a policy, and the package put to work from four threads at once, which check their results, with the GIL off.

run.py runs them. Packages whose wheels (scripts/corpus.sh) are not there are skipped, which is a failure with
INTERLOCK_REQUIRE_CORPUS=1 in the environment.

SPDX-License-Identifier: MIT
"""
from __future__ import annotations

import pathlib
import sys
import unittest
from dataclasses import dataclass

sys.dont_write_bytecode = True  # the tree stays as it is
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "corpus"), str(HERE.parent / "audit" / "oracle")]
import cases  # noqa: E402
import interpreter as judges  # noqa: E402
import wheels  # noqa: E402
from cases import INTERLOCK, PLAIN, Run, policy  # noqa: E402

THREADS = 4


@dataclass(frozen=True)
class Package:
    """`work` is the body of a function of `n`, the number of the thread, and checks what it does."""

    name: str
    version: str
    imports: str
    work: str
    # With more the check fails when the GIL is off, at times, also with PYTHON_GIL=0: it is unmarked for
    # a reason.
    threads_without_gil: int = THREADS


# Of these PyPI had no wheel for CPython 3.13t in November 2026, of any version: `pip -vvv index versions --pre
# --ignore-requires-python NAME` shows every file that it has. An abi3 wheel is none for a free-threaded CPython.
#
#   aiohttp    for 3.14t from 3.13.0 on. 3.14.4 and 3.14.5 also as pure Python, which requires yarl >= 1.25.1; of yarl
#              the wheels for 3.13t end with 1.23.0
#   cffi       for 3.14t from 2.0.0b1 on
#   grpcio     none for a free-threaded CPython
#   lxml       for 3.14t from 6.0.2 on
#   msgpack    for 3.14t from 1.1.2 on
#   orjson     none for a free-threaded CPython
#   protobuf   abi3; and pure Python, which is what pip takes for 3.13t, and is below
#   pyyaml     for 3.14t in 6.0.3. pyyaml-ft, made from it for 3.13t, is below
#   zstandard  none for a free-threaded CPython
PACKAGES = [
    Package("bcrypt", "5.0.0", "import bcrypt", """
        secret = b"secret %d" % n
        hashed = bcrypt.hashpw(secret, bcrypt.gensalt(4))
        assert bcrypt.checkpw(secret, hashed) and not bcrypt.checkpw(b"other", hashed)"""),
    Package("contourpy", "1.3.3", "import contourpy, numpy", """
        z = numpy.add.outer(numpy.arange(10.0), numpy.arange(10.0)) + n
        lines = contourpy.contour_generator(z=z).lines(9.0 + n)
        assert len(lines) == 1 and numpy.allclose(lines[0].sum(axis=1), 9.0)"""),
    Package("frozenlist", "1.8.0", "import frozenlist", """
        one = frozenlist.FrozenList(range(n, n + 100))
        one.append(-1)
        one.freeze()
        assert len(one) == 101 and one[-1] == -1 and one.frozen"""),
    Package("greenlet", "3.2.2", "import greenlet", """
        def body(value):
            while True:
                value = greenlet.getcurrent().parent.switch(value + 1)
        inner = greenlet.greenlet(body)
        for value in range(1000):
            assert inner.switch(value * n) == value * n + 1""", threads_without_gil=1),
    Package("kiwisolver", "1.5.0", "import kiwisolver", """
        x, y, solver = kiwisolver.Variable("x"), kiwisolver.Variable("y"), kiwisolver.Solver()
        for constraint in (x + y == 10 + n, x - y == n):
            solver.addConstraint(constraint)
        solver.updateVariables()
        assert (x.value(), y.value()) == (5 + n, 5)"""),
    Package("lz4", "4.4.5", "import lz4.block, lz4.frame", """
        data = b"text %d " % n * 10000
        assert lz4.frame.decompress(lz4.frame.compress(data)) == data
        assert lz4.block.decompress(lz4.block.compress(data)) == data"""),
    Package("markupsafe", "3.0.3", "import markupsafe, markupsafe._speedups", """
        for _ in range(100):
            assert markupsafe.escape("<%d & 'x'>" % n) == "&lt;%d &amp; &#39;x&#39;&gt;" % n"""),
    Package("matplotlib", "3.9.2", "import matplotlib.path, matplotlib.transforms, matplotlib._path", """
        square = matplotlib.path.Path([(n, n), (n + 2, n), (n + 2, n + 2), (n, n + 2), (n, n)], closed=True)
        assert square.contains_point((n + 1, n + 1)) and not square.contains_point((n + 3, n + 1))"""),
    Package("multidict", "6.7.1", "import multidict", """
        many = multidict.CIMultiDict()
        for value in range(1000):
            many.add("key%d" % (value % 10), value + n)
        assert many.getall("KEY3") == [value + n for value in range(3, 1000, 10)]"""),
    Package("numpy", "2.2.6", "import numpy, numpy.linalg, numpy.random", """
        a = numpy.arange(10000.0).reshape(100, 100) + n
        assert (a @ numpy.eye(100) == a).all() and numpy.sort(a[::-1], axis=0).sum() == a.sum()"""),
    Package("numpy", "2.4.6", "import numpy, numpy.fft, numpy.linalg, numpy.random", """
        a = numpy.arange(10000.0).reshape(100, 100) + n
        assert (a @ numpy.eye(100) == a).all()
        assert numpy.allclose(numpy.fft.ifft(numpy.fft.fft(a)).real, a)
        assert numpy.random.default_rng(n).integers(5, size=1000).max() == 4"""),
    Package("optree", "0.20.0", "import optree", """
        leaves, tree = optree.tree_flatten({"a": [n, (n + 1, n + 2)], "b": n + 3})
        assert leaves == [n, n + 1, n + 2, n + 3]
        assert optree.tree_unflatten(tree, leaves) == {"a": [n, (n + 1, n + 2)], "b": n + 3}"""),
    Package("pandas", "2.2.3", "import pandas", """
        frame = pandas.DataFrame({"key": [value % 5 for value in range(1000)], "value": range(1000)})
        assert list(frame.groupby("key")["value"].sum() + n) == [99500 + 200 * key + n for key in range(5)]
        assert str(pandas.Timestamp("2026-01-31") + pandas.Timedelta(days=n)) > "2026-01-30" """,
            threads_without_gil=1),
    Package("pillow", "12.2.0", "import PIL.Image, PIL.ImageFilter", """
        image = PIL.Image.new("RGB", (64, 64), (n, 20, 30)).resize((32, 16)).filter(PIL.ImageFilter.BLUR)
        assert image.size == (32, 16) and image.getpixel((5, 5)) == (n, 20, 30)"""),
    Package("propcache", "0.5.2", "import propcache", """
        class Cached:
            count = 0
            def __init__(self):
                self._cache = {}
            @propcache.under_cached_property
            def value(self):
                self.count += 1
                return n
        one = Cached()
        assert [one.value for _ in range(10)] == [n] * 10 and one.count == 1"""),
    Package("protobuf", "7.36.2",
            "from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory", """
        field = descriptor_pb2.FieldDescriptorProto
        file = descriptor_pb2.FileDescriptorProto(name="one.proto", package="p%d" % n, syntax="proto3")
        one = file.message_type.add(name="One")
        one.field.add(name="x", number=1, type=field.TYPE_SINT64, label=field.LABEL_OPTIONAL)
        one.field.add(name="texts", number=2, type=field.TYPE_STRING, label=field.LABEL_REPEATED)
        pool = descriptor_pool.DescriptorPool()
        pool.Add(file)
        One = message_factory.GetMessageClass(pool.FindMessageTypeByName("p%d.One" % n))
        sent = One(x=-n, texts=["a", "b" * 300])
        assert One.FromString(sent.SerializeToString()) == sent
        assert json_format.MessageToDict(sent)["texts"] == ["a", "b" * 300]"""),
    Package("psutil", "7.2.2", "import psutil", """
        assert psutil.Process().pid > 0 and psutil.virtual_memory().total > 0"""),
    Package("pydantic_core", "2.41.4", "import pydantic_core", """
        schema = {"type": "list", "items_schema": {"type": "int"}}
        validator = pydantic_core.SchemaValidator(schema)
        assert validator.validate_json("[1, %d]" % n) == [1, n]
        try:
            validator.validate_python(["x"])
        except pydantic_core.ValidationError as error:
            assert error.error_count() == 1
        else:
            raise AssertionError("it is no integer")"""),
    Package("pyyaml_ft", "8.0.0", "import yaml_ft", """
        kept = {"a": [n, 2.5, None, True], "b": {"c": "x: y", "d": "two\\nlines"}, "e": ["\u00e4"] * n}
        text = yaml_ft.dump(kept, Dumper=yaml_ft.CSafeDumper)
        assert yaml_ft.load(text, Loader=yaml_ft.CSafeLoader) == kept
        assert yaml_ft.load(text, Loader=yaml_ft.SafeLoader) == kept
        try:
            yaml_ft.load("a: [%d" % n, Loader=yaml_ft.CSafeLoader)
        except yaml_ft.YAMLError as error:
            assert error.context_mark.column == 3
        else:
            raise AssertionError("there is no ]")"""),
    Package("regex", "2026.8.31", "import regex", """
        text = "a1 b22 c333 " * 100 + str(n)
        assert regex.findall(r"\\p{L}(\\d+)", text) == ["1", "22", "333"] * 100"""),
    Package("rpds_py", "2026.5.1", "import rpds", """
        one = rpds.HashTrieMap()
        for key in range(1000):
            one = one.insert(key, key * n)
        assert len(one) == 1000 and one[999] == 999 * n and 3 not in one.remove(3)"""),
    Package("scipy", "1.17.1", "import scipy.linalg, scipy.special, numpy", """
        a = numpy.array([[3.0, 1.0], [1.0, 2.0]])
        assert numpy.allclose(a @ scipy.linalg.solve(a, [9.0 + n, 8.0]), [9.0 + n, 8.0])
        assert scipy.special.comb(10, n, exact=True) == [1, 10, 45, 120][n]"""),
    Package("shapely", "2.1.2", "import shapely", """
        square = shapely.box(n, n, n + 2, n + 2)
        assert square.area == 4 and square.intersection(shapely.box(n + 1, n + 1, n + 9, n + 9)).area == 1"""),
    Package("sqlalchemy", "2.0.49", "import sqlalchemy.orm, sqlalchemy.util.langhelpers, sqlalchemy.engine.result", """
        from sqlalchemy.util import OrderedSet, immutabledict
        assert immutabledict.__module__ == "sqlalchemy.cyextension.immutabledict"
        table = sqlalchemy.Table("t", sqlalchemy.MetaData(), sqlalchemy.Column("x", sqlalchemy.Integer))
        query = sqlalchemy.select(table.c.x).where(table.c.x == n).compile()
        assert str(query).split() == "SELECT t.x FROM t WHERE t.x = :x_1".split() and query.params == {"x_1": n}
        assert list(OrderedSet([3, 1, 3, n + 5])) == [3, 1, n + 5]
        assert immutabledict({"a": n}).union({"b": 2}) == {"a": n, "b": 2}
        class One(sqlalchemy.orm.declarative_base()):
            __tablename__ = "one"
            x = sqlalchemy.Column(sqlalchemy.Integer, primary_key=True)
            text = sqlalchemy.Column(sqlalchemy.String)
        engine = sqlalchemy.create_engine("sqlite://")
        One.metadata.create_all(engine)
        with sqlalchemy.orm.Session(engine) as session:
            session.add_all([One(x=x, text="t%d" % (x * n)) for x in range(10)])
            session.commit()
            chosen = session.scalars(sqlalchemy.select(One).where(One.x > 6).order_by(One.x))
            assert [one.text for one in chosen] == ["t%d" % (x * n) for x in (7, 8, 9)]
            assert session.scalar(sqlalchemy.select(sqlalchemy.func.sum(One.x))) == 45
        engine.dispose()"""),
    Package("wrapt", "2.3.0", "import wrapt", """
        @wrapt.decorator
        def twice(wrapped, instance, arguments, options):
            return 2 * wrapped(*arguments, **options)
        assert twice(lambda x: x + n)(3) == 2 * (3 + n) and wrapt.ObjectProxy([n])[0] == n"""),
    Package("xxhash", "3.8.2", "import xxhash", """
        assert xxhash.xxh64(b"").hexdigest() == "ef46db3751d8e999"
        assert xxhash.xxh3_64_intdigest(b"x" * n) == xxhash.xxh3_64(b"x" * n).intdigest()"""),
    Package("yarl", "1.23.0", "import yarl, yarl._quoting_c", """
        url = yarl.URL("http://example.org:8080/a") / ("b%d" % n) % {"q": "x y"}
        assert str(url) == "http://example.org:8080/a/b%d?q=x+y" % n and url.port == 8080"""),
    Package("zope.interface", "6.4.post0", "import zope.interface, zope.interface.adapter", """
        class Wanted(zope.interface.Interface):
            pass
        class Made(zope.interface.Interface):
            pass
        @zope.interface.implementer(Wanted)
        class One:
            pass
        registry = zope.interface.adapter.AdapterRegistry()
        registry.register([Wanted], Made, "", n)
        assert Wanted.providedBy(One()) and not Made.providedBy(One())
        assert registry.lookup1(zope.interface.providedBy(One()), Made, "") == n"""),
]
FREE = policy({"match": {"marker": "unmarked"}, "threading": "free", "reason": "each thread has objects of its own"},
              {"match": {"marker": "global_lock"}, "threading": "free", "reason": "as above"})


def code_of(package: Package, threads: int) -> str:
    lines = package.work.strip("\n").splitlines()
    work = "\n".join(line.removeprefix("    ") for line in lines)
    return f"from probe import *\n{package.imports}\nsay(imported=gil())\ndef work(n):\n{work}\n    return gil()\n" \
        f"say(results=in_threads(*[lambda n=n: [work(n) for _ in range(20)][-1] for n in range({threads})]))\n"


def add(package: Package, path: list[str]) -> None:
    """Two tests."""
    def run(self: unittest.TestCase, side: str, *options: str, threads: int = THREADS,
            python_options: tuple[str, ...] = ()) -> Run:
        done = cases.world.run(code_of(package, threads), side, options=options, path=path,
                               python_options=python_options, files={"policy.json": FREE})
        self.assertEqual(done.status, 0, done)
        return done

    def requiring(self: unittest.TestCase) -> set[str]:
        """By what CPython says."""
        plain = run(self, PLAIN, python_options=("-v",))
        names = {match["name"] for match in judges.REQUIRES.finditer(plain.errors)}
        self.assertEqual(plain.facts, {"imported": bool(names), "results": [bool(names)] * THREADS}, plain)
        return names

    def as_cpython(self: unittest.TestCase) -> None:
        names = requiring(self)
        under = run(self, INTERLOCK)
        warned = [one.module for one in under.warned]
        self.assertEqual((under.gil, set(warned), len(warned)), (bool(names), names, len(names)), under)
        self.assertEqual(under.facts, {"imported": bool(names), "results": [bool(names)] * THREADS}, under)

    def freed(self: unittest.TestCase) -> None:
        threads = package.threads_without_gil
        under = run(self, INTERLOCK, "--policy", "policy.json", threads=threads)
        self.assertEqual((under.gil, under.warned), (False, []), under)
        self.assertEqual(under.facts, {"imported": False, "results": [False] * threads}, under)

    name = f"{package.name}_{package.version}".replace(".", "_")
    setattr(Packages, f"test_{name}__as_cpython", as_cpython)
    setattr(Packages, f"test_{name}__freed", freed)


class Packages(unittest.TestCase):
    pass


def load(python: str) -> list[str]:
    """Fills Packages with tests. Returns what there is no wheel of."""
    judge = judges.Interpreter(python, 1)
    available = [wheel for wheel in wheels.pinned(host=True)
                 if (wheel.pure or judge.runs(wheel)) and wheel.is_there()]
    requirements = judges.Requirements(available)
    missing = []
    for package in PACKAGES:
        wheel = next((one for one in available if judges.normalized(one.name) == judges.normalized(package.name)
                      and one.version == package.version and not one.support), None)
        if wheel is None:
            missing.append(f"{package.name} {package.version}")
        else:
            add(package, [str(judges.unpacked(one)) for one in requirements.of(wheel)])
    return missing
