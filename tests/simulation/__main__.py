"""Tell one story, or look for one in which a law does not hold.

python -m tests.simulation --seed 17 --trace
python -m tests.simulation --first 100000 --count 5000
"""

import argparse
import sys

from tests.simulation.world import BrokenLawError, simulate, tell


def main() -> int:
    """0 when every law held."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="only this one")
    parser.add_argument("--trace", action="store_true", help="everything that happens, with when")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=1000)
    arguments = parser.parse_args()
    if arguments.seed is not None and arguments.trace:
        journal = tell(arguments.seed, traced=True)
        sys.stdout.write("\n".join([*(journal.lines or ()), *map(str, journal.broken), ""]))
        return 1 if journal.broken else 0
    seeds = range(arguments.first, arguments.first + arguments.count) if arguments.seed is None else [arguments.seed]
    broken = 0
    for seed in seeds:
        try:
            simulate(seed)
        except BrokenLawError as error:
            broken += 1
            print(error, flush=True)
    sys.stdout.write(f"{broken} of {len(seeds)} stories broke a law\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
