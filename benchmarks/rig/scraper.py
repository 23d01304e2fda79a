"""Fetches /metrics again and again until it is stopped. Run: `python -m benchmarks.rig.scraper PORT PAUSE_SECONDS`."""

import sys
import time
import urllib.request

if __name__ == "__main__":
    while True:
        with urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/metrics", timeout=30) as answer:
            while answer.read(1 << 20):
                pass
        time.sleep(float(sys.argv[2]))
