"""B10: the eventhubs sink far from its broker. Part of bench.py."""

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


def run(build, _folder, options):
    print(f"B10 far broker: messages of {VALUE_BYTES} bytes through the delaying proxy, against a "
          "bare idempotent client with the same properties")
    return {f"{round_trip_ms} ms, {partitions}": case(build, options, round_trip_ms, partitions)
            for round_trip_ms in ROUND_TRIPS_MS for partitions in PARTITIONS}
