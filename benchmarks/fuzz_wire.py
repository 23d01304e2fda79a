"""Do the two codecs ever disagree? Heads by chance to both; the first disagreements are printed, with exit code 1.

Run: `python -m benchmarks.fuzz_wire [--cases 2000000] [--seed N]`. `--guided SECONDS` lets coverage of the reference
choose the heads instead, which needs atheris (`pip install atheris`), beginning with some of those by chance.

For memory errors, build the codec in a copy of the tree with

    CFLAGS="-fsanitize=address,undefined -fno-sanitize-recover=undefined -g" LDFLAGS=-fsanitize=address,undefined \\
        python setup.py build_ext --inplace

and run this there under `LD_PRELOAD="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libubsan.so)"
ASAN_OPTIONS=detect_leaks=0 PYTHONMALLOC=malloc`.
"""

import argparse
import importlib
import random
import sys
import tempfile
import time
from pathlib import Path

from proxy.wire import compiled
from tests.support.codec_comparison import Comparison
from tests.support.http_grammar import request_head, response_head

ENOUGH = 10  # disagreements


def by_chance(cases: int, seed: int) -> int:
    """How many disagreements there are in so many cases, half of them requests; stops when there are enough."""
    rng, comparison, found = random.Random(seed), Comparison(compiled), 0
    began = time.monotonic()
    for _ in range(cases // 2):
        differences = (comparison.request(request_head(rng), rng), comparison.response(response_head(rng), rng))
        for difference in filter(None, differences):
            print(difference)
            found += 1
        if found >= ENOUGH:
            return found
    seconds = time.monotonic() - began
    print(f"{cases} heads, {found} disagreements, {comparison.accepted / cases:.0%} accepted, {seconds:.0f} s")
    return found


def guided(seconds: int, seed: int) -> None:
    """Let libFuzzer look for a disagreement; it ends the process, with an error when it found one."""
    atheris = importlib.import_module("atheris")
    for name in ("request", "response", "fields", "grammar"):
        module = sys.modules[f"proxy.wire.{name}"]
        for value in list(vars(module).values()):
            if getattr(value, "__module__", None) == module.__name__ and hasattr(value, "__code__"):
                atheris.instrument_func(value)
    comparison = Comparison(compiled)

    def one(data: bytes) -> None:
        rng = random.Random(data[0] if data else 0)
        difference = comparison.request(data[1:], rng) or comparison.response(data[1:], rng)
        if difference is not None:
            raise AssertionError(difference)

    with tempfile.TemporaryDirectory() as corpus:
        rng = random.Random(seed)
        for number in range(2000):
            raw = rng.choice((request_head, response_head))(rng)
            Path(corpus, str(number)).write_bytes(b"\0" + raw[:2000])
        atheris.Setup([sys.argv[0], corpus, f"-max_total_time={seconds}", "-max_len=2000", f"-seed={seed}"], one)
        atheris.Fuzz()


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--cases", type=int, default=2_000_000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--guided", type=int, metavar="SECONDS")
    chosen = options.parse_args()
    if chosen.guided:
        guided(chosen.guided, chosen.seed)
    return 1 if by_chance(chosen.cases, chosen.seed) else 0


if __name__ == "__main__":
    sys.exit(main())
