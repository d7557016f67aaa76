#!/usr/bin/env python3
"""What Secor's guarantees cost: `secor run` beside the plain program on the same topic, in one run.

    bench/run.py [--formats] [--records 3000000] [--rounds 3] [--json FILE] [--dir DIR] [--plain-only] [--secor BINARY]

Starts one Kafka broker (tests/lab), fills a topic once, and then measures in each round, one after the other: bare
consumption, the bare compressors over the same bytes, and each workload by the plain program (bench/plain) and by
`secor run --until-end` with a file:// store, a fresh consumer group and a fresh prefix. docs/benchmarks.md says how
to read the result.

Everything it writes is in one temporary folder, removed at the end; the broker ends with this program, however that
ends. Deliberately absent: fsync of the plain program's files, pinning to cores, discarding of outliers.
"""

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import platform
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import zlib

ROOT = pathlib.Path(__file__).resolve().parent.parent
LAB = ROOT / "tests" / "lab"
TOPIC = "bench"
PARTITIONS = 4
PIECE_BYTES = 1 << 20
START_SECONDS_MAX = 60
# secor's limits.memory: little for lines of text, the default for the other formats, of which some hold row groups
MEMORY_LIMIT_MIB = 64
FORMATS_MEMORY_LIMIT_MIB = 256
PEAK_MIB_MAX = 150
HALVES_RATIO_MAX = 1.10


@dataclasses.dataclass(frozen=True)
class Workload:
    """One way to archive the topic, done by the plain program and by secor, and the ratio we allow between them."""

    name: str
    # of the plain program: its mode, and what stands behind the folder
    plain: tuple
    # lines of secor's [[archive]]
    archive: str
    ratio_max: float
    # with arguments, where the files are lines of text in a codec that the bare compressor has
    codec: tuple = ()

    @property
    def compressor(self):
        """The bare compressor of the same bytes, or None."""
        return None if self.codec in ((), ("none",)) else "compress " + " ".join(self.codec)


def lines(mode, archive, codec, level, ratio_max):
    """Lines of text, as the plain program's `raw` or `dated`."""
    words = (codec, level) if level else (codec,)
    output = f'output = {{ format = "text", compression = "{codec}"' + (f", level = {level}" if level else "") + " }"
    return Workload(" ".join((mode, *words)), (mode, *words), archive + "\n" + output, ratio_max, words)


def another(plain, archive, name=None):
    """A format that the plain program writes by the library that Secor uses."""
    return Workload(name or plain, ("format", plain), archive, FORMAT_RATIO_MAX)


RAW = 'input = { format = "bytes" }'
DATED = """input = { format = "json" }
timestamp = { field = "meta.ts" }
output_partitions = ["dt={timestamp:%Y-%m-%d}", "hr={timestamp:%H}"]"""
WORKLOADS = [
    lines("raw", RAW, "none", "", 1.40),
    lines("raw", RAW, "gzip", "6", 1.15),
    lines("raw", RAW, "zstd", "3", 1.15),
    lines("dated", DATED, "gzip", "6", 1.25),
]

FORMAT_RATIO_MAX = 1.30
ZSTD = 'compression = "zstd", level = 3'
JSON = 'input = { format = "json" }\n'
FIELDS = '["event_id", "type", "user.country", "meta.ts", "price"]'
COLUMNS = """struct<event_id: string, type: string, user: struct<id: bigint, country: string, device: string>,
meta: struct<ts: timestamp, host: string>, page: string, referrer: string, duration_ms: bigint,
price: decimal(10,2), session: string>""".replace("\n", " ")
FORMATS = [
    lines("raw", RAW, "snappy", "", FORMAT_RATIO_MAX),
    lines("raw", RAW, "lz4", "", FORMAT_RATIO_MAX),
    another("json", JSON + f'output = {{ format = "json", {ZSTD} }}'),
    another("csv", JSON + f'output = {{ format = "csv", columns = {FIELDS}, {ZSTD} }}'),
    another("envelope", RAW + f'\noutput = {{ format = "json", content = "envelope", {ZSTD} }}', "json envelope"),
    another("sequence", RAW + f'\noutput = {{ format = "sequence", {ZSTD} }}'),
    another("avro", RAW + '\noutput = { format = "avro", content = "envelope" }', "avro envelope"),
    another("parquet", RAW + f'\noutput = {{ format = "parquet", content = "envelope", {ZSTD} }}', "parquet envelope"),
    another(
        "parquet-columns",
        JSON + f'output = {{ format = "parquet", content = "value", schema = "{COLUMNS}", {ZSTD} }}',
        "parquet columns",
    ),
    another("orc", RAW + f'\noutput = {{ format = "orc", content = "envelope", {ZSTD} }}', "orc envelope"),
    another(
        "orc-columns",
        JSON + f'output = {{ format = "orc", content = "value", schema = "{COLUMNS}", {ZSTD} }}',
        "orc columns",
    ),
]


@dataclasses.dataclass
class Cost:
    """What one process cost: seconds of CPU (user and system) and of the clock, peak resident memory, its output."""

    what: str
    round: int
    user_seconds: float
    system_seconds: float
    wall_seconds: float
    peak_mib: float
    output_bytes: int

    @property
    def cpu_seconds(self):
        return self.user_seconds + self.system_seconds


class Failed(Exception):
    """Something that was needed did not happen; the text says what."""


# === the parts: binaries, broker, one measured process ===


def build(packages):
    """Builds the release binaries and returns their paths by package name."""
    say("building " + ", ".join(packages))
    command = ["cargo", "build", "--release", "--bins", "--message-format=json-render-diagnostics"]
    for package in packages:
        command += ["--package", package]
    output = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True).stdout
    built = {}
    for message in map(json.loads, output.splitlines()):
        if message.get("executable"):
            built[message["target"]["name"]] = message["executable"]
    return built


@contextlib.contextmanager
def kafka(folder):
    """One broker on free ports of the loopback interface; ends with the block, or with this process."""
    subprocess.run([LAB / "install.sh", "build", "kafka"], check=True, stdout=sys.stderr)
    port, controller_port = free_ports(2)
    say("starting Kafka")
    server = [LAB / "kafka.sh", folder, str(port), str(controller_port)]
    keeper = subprocess.Popen(
        [LAB / "keep.sh", folder, *server], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
    )
    try:
        keeper.stdin.write(b"start\n")
        log = folder / "log"
        deadline = time.monotonic() + START_SECONDS_MAX
        while not (log.exists() and "Kafka Server started" in log.read_text(errors="replace")):
            if time.monotonic() > deadline:
                raise Failed(f"Kafka did not start:\n{tail(log)}")
            time.sleep(0.1)
        yield f"127.0.0.1:{port}"
    finally:
        keeper.stdin.close()
        keeper.wait()


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for s in sockets:
            s.bind(("127.0.0.1", 0))
        return [s.getsockname()[1] for s in sockets]


def measure(command, log):
    """Runs `command` to its end; returns its resource usage, the seconds it took and what it printed."""
    with open(log, "w+", encoding="utf-8") as output:
        started = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            process.wait()
            raise
        wall_seconds = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise Failed(f"exit code {process.returncode} of {' '.join(map(str, command))}\n{tail(log)}")
    return usage, wall_seconds, log.read_text(errors="replace")


# === the measurements ===


class Bench:
    """A filled topic, the binaries, and a folder to write to."""

    def __init__(self, args, folder, brokers, binaries):
        self.records = args.records
        self.workloads = FORMATS if args.formats else WORKLOADS
        self.memory_limit_mib = FORMATS_MEMORY_LIMIT_MIB if args.formats else MEMORY_LIMIT_MIB
        self.folder = folder
        self.brokers = brokers
        self.plain = binaries["plain"]
        self.secor = binaries.get("secor")
        self.lines = folder / "lines"
        self.log = folder / "output.log"
        self.costs = []
        # workloads whose files were read back
        self.checked = set()
        self.lines_bytes = 0
        self.zlib_bytes = 0

    def prepare(self):
        """Fills the topic, and keeps its lines in one file for the bare compressors and for zlib."""
        say(f"producing {self.records:,} records, compression lz4")
        command = [self.plain, "produce", self.brokers, TOPIC, str(PARTITIONS), str(self.records)]
        _, wall, out = measure(command, self.log)
        mean = json.loads(out)["bytes_in"] / self.records
        say(f"produced in {wall:.1f} s, {mean:.0f} bytes each")
        out_dir = self.fresh("out")
        measure([self.plain, "raw", self.brokers, TOPIC, out_dir, "none"], self.log)
        say("compressing the same lines with zlib, level 6, one file per partition")
        with open(self.lines, "wb") as lines:
            for path in sorted(out_dir.iterdir()):
                gzip = zlib.compressobj(6, zlib.DEFLATED, 31)
                for piece in pieces(path):
                    lines.write(piece)
                    self.zlib_bytes += len(gzip.compress(piece))
                self.zlib_bytes += len(gzip.flush())
        self.lines_bytes = self.lines.stat().st_size
        shutil.rmtree(out_dir)

    def round(self, number):
        """Everything once; who goes first, plain or secor, alternates."""
        self.run(number, "consume", [self.plain, "consume", self.brokers, TOPIC])
        for codec in dict.fromkeys(workload.codec for workload in self.workloads if workload.compressor):
            command = [self.plain, "compress", *codec, self.lines]
            self.run(number, "compress " + " ".join(codec), command)
        for workload in self.workloads:
            both = [self.run_plain, self.run_secor]
            for one in both if number % 2 else reversed(both):
                one(number, workload)

    def run_plain(self, number, workload):
        out_dir = self.fresh("out")
        mode, *details = workload.plain
        command = [self.plain, mode, self.brokers, TOPIC, out_dir, *details]
        self.run(number, "plain " + workload.name, command, out_dir, workload)

    def run_secor(self, number, workload):
        if not self.secor:
            return
        out_dir = self.fresh("out")
        config = self.folder / "secor.toml"
        group = f"bench-{workload.name.replace(' ', '-')}-{number}"
        config.write_text(self.config(workload, group, out_dir, self.fresh("staging")))
        command = [self.secor, "run", "--config", config, "--until-end"]
        self.run(number, "secor " + workload.name, command, out_dir, workload)

    def run(self, number, what, command, out_dir=None, workload=None):
        """One measured process. The files of the first round are read back, those of all rounds removed."""
        # what the processes before left dirty is written now, not on the account of this one
        os.sync()
        usage, wall, output = measure(command, self.log)
        if out_dir:
            written = [p for p in out_dir.rglob("*") if p.is_file() and "_secor" not in p.parts]
            output_bytes = sum(p.stat().st_size for p in written)
            if what not in self.checked:
                self.check(what, workload, written)
            shutil.rmtree(out_dir)
        else:
            output_bytes = json.loads(output)["bytes_out"]
        cost = Cost(what, number, usage.ru_utime, usage.ru_stime, wall, usage.ru_maxrss / 1024, output_bytes)
        self.costs.append(cost)
        say(f"round {number}: {what}: {self.per_million(cost.cpu_seconds):.3f} CPU s/M, {wall:.1f} s")

    def config(self, workload, group, store, staging):
        """Of secor, as docs/benchmarks.md says it."""
        return f"""
[kafka]
brokers = ["{self.brokers}"]
group = "{group}"
start = "earliest"
[store]
url = "file://{store}"
[staging]
path = "{staging}"
[limits]
memory = "{self.memory_limit_mib}MiB"
[workers]
threads = 2
[admin]
listen = "127.0.0.1:0"
[[archive]]
topics = ["{TOPIC}"]
{workload.archive}
flush = {{ max_bytes = "200MB", max_age = "1h" }}
"""

    def check(self, what, workload, files):
        """Files of lines hold every line: number and bytes as produced (zstd: if its command is here)."""
        self.checked.add(what)
        if workload.codec[:1] not in (("none",), ("gzip",), ("zstd",)):
            return
        count, size = 0, 0
        for path in files:
            for piece in decoded(path, workload.codec[0]):
                count += piece.count(b"\n")
                size += len(piece)
        unread = workload.codec[0] == "zstd" and not shutil.which("zstd")
        if not unread and (count, size) != (self.records, self.lines_bytes):
            raise Failed(
                f"{what}: {count:,} lines of {size:,} bytes in {len(files)} files, "
                f"not {self.records:,} of {self.lines_bytes:,}; it said:\n{tail(self.log)}"
            )

    def fresh(self, name):
        path = self.folder / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
        return path

    def per_million(self, seconds):
        return seconds * 1e6 / self.records


# === the result ===


def by_round(bench, what, value=lambda cost: cost.cpu_seconds):
    return [value(cost) for cost in sorted(bench.costs, key=lambda c: c.round) if cost.what == what]


def ratios(bench, above, *below):
    """Of CPU seconds, one per round, so that what slows a whole round down counts on both sides."""
    sums = [sum(parts) for parts in zip(*(by_round(bench, what) for what in below))]
    return [a / b for a, b in zip(by_round(bench, above), sums)]


def goals(bench):
    """Each goal with what was measured: (text, values, limit)."""
    found = []
    for workload in bench.workloads:
        if workload.compressor:
            of_halves = ratios(bench, "plain " + workload.name, "consume", workload.compressor)
            limit = HALVES_RATIO_MAX if workload.plain[0] == "raw" else None
            found.append((f"plain {workload.name} / (consume + {workload.compressor})", of_halves, limit))
    if not bench.secor:
        return found
    for workload in bench.workloads:
        above_plain = ratios(bench, "secor " + workload.name, "plain " + workload.name)
        found.append((f"secor / plain {workload.name}", above_plain, workload.ratio_max))
    if sizes := by_round(bench, "secor raw gzip 6", lambda c: c.output_bytes / bench.zlib_bytes):
        found.append(("secor raw gzip 6 output / zlib level 6 output", sizes, 1.0))
    peaks = [c.peak_mib for c in bench.costs if c.what.startswith("secor ")]
    # files of columns have no goal: what their libraries need to end a row group is not ours to bound
    limit = PEAK_MIB_MAX if bench.workloads is WORKLOADS else None
    found.append((f"secor largest peak memory, MiB, limits.memory = {bench.memory_limit_mib}MiB", [max(peaks)], limit))
    return found


def print_result(bench):
    print(f"\n{'':28}{'CPU s / M records':>24}{'wall s':>20}{'peak MiB':>10}{'output MB':>11}")
    for what in dict.fromkeys(cost.what for cost in bench.costs):
        cpu = spread([bench.per_million(v) for v in by_round(bench, what)])
        wall = spread(by_round(bench, what, lambda c: c.wall_seconds), 1)
        peak = max(by_round(bench, what, lambda c: c.peak_mib))
        size = statistics.median(by_round(bench, what, lambda c: c.output_bytes)) / 1e6
        print(f"{what:28}{cpu:>24}{wall:>20}{peak:>10.0f}{size:>11.1f}")
    print(f"{'zlib, level 6':28}{'':>54}{bench.zlib_bytes / 1e6:>11.1f}\n")
    print(f"{'ratio':58}{'median (min..max)':>24}{'goal':>10}")
    for text, values, limit in goals(bench):
        goal = "" if limit is None else f"<= {limit:g}"
        print(f"{text:58}{spread(values, 3):>24}{goal:>10}  {verdict(values, limit)}".rstrip())


def verdict(values, limit):
    if limit is None:
        return ""
    return "met" if statistics.median(values) <= limit else "MISSED"


def spread(values, digits=2):
    """Median (smallest..largest)."""
    middle = f"{statistics.median(values):.{digits}f}"
    return middle if len(values) == 1 else f"{middle} ({min(values):.{digits}f}..{max(values):.{digits}f})"


def write_json(bench, args, path):
    costs = [
        dict(dataclasses.asdict(cost), cpu_seconds_per_million=bench.per_million(cost.cpu_seconds))
        for cost in bench.costs
    ]
    measured = [
        {"what": text, "values": v, "median": statistics.median(v), "max": limit, "verdict": verdict(v, limit)}
        for text, v, limit in goals(bench)
    ]
    result = {
        "machine": machine(),
        "records": args.records,
        "rounds": args.rounds,
        "lines_bytes": bench.lines_bytes,
        "zlib_6_bytes": bench.zlib_bytes,
        "costs": costs,
        "goals": measured,
    }
    pathlib.Path(path).write_text(json.dumps(result, indent=2) + "\n")


def machine():
    cpuinfo = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.split(":")[1].strip() for line in cpuinfo if line.startswith("model name")]
    return {"cpu": models[0] if models else platform.machine(), "cores": os.cpu_count(), "kernel": platform.release()}


# === small things ===


def pieces(path):
    with open(path, "rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece


def decoded(path, codec):
    """The content of a file in pieces; nothing for zstd where its command is missing."""
    if codec == "none":
        yield from pieces(path)
    elif codec == "gzip":
        member = zlib.decompressobj(31)
        for piece in pieces(path):
            while piece:
                yield member.decompress(piece)
                piece = member.unused_data
                if member.eof:
                    member = zlib.decompressobj(31)
    elif shutil.which("zstd"):
        with subprocess.Popen(["zstd", "-dcq", path], stdout=subprocess.PIPE) as process:
            while piece := process.stdout.read(PIECE_BYTES):
                yield piece


def tail(log):
    return "\n".join(log.read_text(errors="replace").splitlines()[-20:]) if log.exists() else "(it printed nothing)"


def say(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=3_000_000, help="records in the topic (default 3000000)")
    parser.add_argument("--rounds", type=int, default=3, help="times that everything is measured (default 3)")
    parser.add_argument("--formats", action="store_true", help="measure the other formats and codecs instead of text")
    parser.add_argument("--json", metavar="FILE", help="write every measurement and every ratio here as well")
    parser.add_argument("--dir", help="where the temporary folder is made (default: the system's); needs about 3 GB")
    parser.add_argument("--plain-only", action="store_true", help="leave secor out")
    parser.add_argument("--secor", metavar="BINARY", help="measure this binary instead of building one")
    parser.add_argument("--strict", action="store_true", help="exit with 1 when a goal is missed")
    return parser.parse_args()


def main():
    args = arguments()
    # a polite end, so that the folder and the broker go too
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    packages = ["plain"] + (["secor"] if not (args.plain_only or args.secor) else [])
    binaries = build(packages)
    if args.secor:
        binaries["secor"] = os.path.abspath(args.secor)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="secor-bench-", dir=args.dir))
    try:
        with kafka(folder / "kafka") as brokers:
            bench = Bench(args, folder, brokers, binaries)
            bench.prepare()
            for number in range(1, args.rounds + 1):
                bench.round(number)
        print_result(bench)
        if args.json:
            write_json(bench, args, args.json)
        missed = any(verdict(values, limit) == "MISSED" for _, values, limit in goals(bench))
        return 1 if args.strict and missed else 0
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as failed:
        sys.exit(f"bench: {failed}")
