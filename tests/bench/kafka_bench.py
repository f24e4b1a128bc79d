"""B10: the eventhubs sink far from its broker, and the whole host beside kcat. Part of bench.py."""

import json
import os
import pathlib
import subprocess
import time

import bench

PARTITIONS = (1, 4, 32)
ROUND_TRIPS_MS = (0, 20)
VALUE_BYTES = 400
MESSAGES = 400_000
RATIO_MIN = 0.9


def measure(program, what, address, messages):
    done = bench.run_yardstick([program, what, address, "bench", messages, VALUE_BYTES])
    seconds = messages / done["messages_per_second"]
    return {"rows": messages, "seconds": seconds,
            "cpu_seconds": done["cpu_us_per_message"] * messages / 1e6,
            "peak_kib": done["peak_kib"]}


def case(build, options, round_trip_ms, partitions):
    """The sink and a bare loop of the idempotent client take turns at one broker."""
    messages = options.rows or MESSAGES
    program = build / "plugins/eventhubs/eventhubs-benchmark"
    kafka = build / "tests/standins/kafka"
    endpoints = []
    try:
        endpoints.append(bench.Endpoint([kafka / "dstream-mock-kafka", "--topic",
                                         f"bench:{partitions}"], r"((?:[0-9.]+:\d+,?)+)"))
        endpoints.append(bench.Endpoint([kafka / "dstream-tcp-proxy", "--kafka", "--round-trip-ms",
                                         round_trip_ms, endpoints[0].address],
                                        r"((?:[0-9.]+:\d+,?)+)"))
        address = endpoints[1].address
        print(f" round trip {round_trip_ms} ms, partitions: {partitions}")
        results = bench.interleave(
            options.runs,
            bare=lambda: measure(program, "bare", address, messages),
            sink=lambda: measure(program, "sink", address, messages))
    finally:
        for endpoint in reversed(endpoints):
            endpoint.stop()
    out = bench.summary(results)
    ratio = out["sink"]["rows_per_second"] / out["bare"]["rows_per_second"]
    bench.verdict("B10 messages/s, sink over bare client", ratio, f">= {RATIO_MIN}",
                  ratio >= RATIO_MIN)
    return {**out, "ratio": ratio}


# ---- beside kcat --------------------------------------------------------------------------------

KCAT_MESSAGES = 1_000_000
KCAT_RATIO_MIN = 1.0
# As the sink has them (plugins/eventhubs/properties.cc).
KCAT_PROPERTIES = {
    "acks": "all", "enable.idempotence": "true", "enable.gapless.guarantee": "true",
    "max.in.flight": "5", "linger.ms": "20", "batch.size": "1000000",
    "batch.num.messages": "10000", "compression.codec": "none",
    "queue.buffering.max.messages": "1000000", "topic.partitioner": "murmur2_random",
    "log_level": "3"}


def pipeline(messages, sink):
    return f"""pipelines:
  - name: b10
    source: {{type: generator, rows: {messages}, size: 200, rate: 0}}
    sink: {sink}
    format: {{type: json}}
"""


def write_file(build, folder, messages):
    """The same messages in a file for kcat: key, tab, value."""
    lines = pathlib.Path(folder) / "lines.jsonl"
    out = pathlib.Path(folder) / "messages.tsv"
    bench.Host(build, folder, pipeline(messages, f"{{type: file, path: '{lines}', rotate_size: 0B}}"),
               messages, True).measure()

    def compact(value):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)

    written = 0
    with lines.open() as read, out.open("w") as write:
        for written, line in enumerate(read, 1):
            message = json.loads(line)
            write.write(f"{compact(message['key'])}\t{compact(message['value'])}\n")
    lines.unlink()
    if written != messages:
        bench.fail(f"the file for kcat has {written} messages, not {messages}")
    return out


def measure_kcat(address, file, messages):
    options = [part for pair in KCAT_PROPERTIES.items() for part in ("-X", "=".join(pair))]
    start = time.monotonic()
    process = subprocess.Popen(["kcat", "-q", "-b", address, "-P", "-t", "bench", "-K", "\t", *options,
                                "-l", str(file)], stdin=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - start
    if os.waitstatus_to_exitcode(status) != 0:
        bench.fail("kcat could not send its file")
    return {"rows": messages, "seconds": seconds,
            "cpu_seconds": usage.ru_utime + usage.ru_stime, "peak_kib": usage.ru_maxrss}


def beside_kcat(build, folder, options):
    """`dstream run` from the generator, and `kcat -P -l` with the same messages from a file."""
    messages = options.rows or KCAT_MESSAGES
    print(" whole processes, 4 partitions: generator -> json -> broker, and kcat -P -l FILE")
    file = write_file(build, folder, messages)
    print(f"  {messages:,} messages, {file.stat().st_size / messages:.0f} bytes each; idempotent, "
          "acks from all, for both")
    broker = bench.Endpoint([build / "tests/standins/kafka/dstream-mock-kafka", "--topic",
                             "bench:4"], r"((?:[0-9.]+:\d+,?)+)")
    endpoints = {"the mock broker": broker}
    sink = f"{{type: eventhubs, brokers: '{broker.address}', topic: bench}}"
    try:
        results = bench.interleave(
            options.runs,
            kcat=lambda: bench.busy(endpoints,
                                    lambda: measure_kcat(broker.address, file, messages)),
            dstream=lambda: bench.busy(endpoints, bench.Host(
                build, folder, pipeline(messages, sink), messages, True).measure))
    finally:
        broker.stop()
        file.unlink()
    out = bench.summary(results)
    bench.print_endpoints(endpoints, results)
    ratio = out["dstream"]["rows_per_second"] / out["kcat"]["rows_per_second"]
    bench.verdict("B10 messages/s, dstream over kcat", ratio, f">= {KCAT_RATIO_MIN}",
                  ratio >= KCAT_RATIO_MIN)
    return {**out, "ratio": ratio}


def run(build, folder, options):
    print(f"B10 far broker: messages of {VALUE_BYTES} bytes through the delaying proxy, against a "
          "bare idempotent client with the same properties")
    figures = {f"{round_trip_ms} ms, {partitions}": case(build, options, round_trip_ms, partitions)
               for round_trip_ms in ROUND_TRIPS_MS for partitions in PARTITIONS}
    return {**figures, "kcat": beside_kcat(build, folder, options)}
