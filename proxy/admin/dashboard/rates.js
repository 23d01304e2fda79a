// From counters to rates. Pure: time is what the document says it was, in seconds.

/** The sum of an object's numbers, of those whose key is wanted. */
export function sum(counts, isWanted = () => true) {
  let total = 0;
  for (const key in counts) if (isWanted(key)) total += counts[key];
  return total;
}

/** The sum of arrays of one length, place by place. */
export function sumOfBuckets(arrays) {
  const total = [];
  for (const counts of arrays) counts.forEach((count, place) => (total[place] = (total[place] ?? 0) + count));
  return total;
}

/**
 * The q-quantile in seconds of counts per bucket: linear within a bucket, as Prometheus does it.
 * null of nothing, Infinity above the last bound.
 */
export function quantile(counts, bounds, q) {
  const wanted = q * counts.reduce((total, count) => total + count, 0);
  if (wanted === 0) return null;
  let below = 0;
  for (let place = 0; place < bounds.length; place++) {
    if (below + counts[place] >= wanted) {
      const lower = place ? bounds[place - 1] : 0;
      return lower + ((wanted - below) / counts[place]) * (bounds[place] - lower);
    }
    below += counts[place];
  }
  return Infinity;
}

/** Samples of counters, `{at, requests, errors, counts}`, as far back as is needed for rates over `span` seconds. */
export class Samples {
  constructor(span) {
    this.span = span;
    this.kept = [];
  }

  /** Add one. Returns false when the counters began anew, which empties what was kept. */
  add(sample) {
    const last = this.kept.at(-1);
    const continued = !last || (sample.at >= last.at && sample.requests >= last.requests && sample.errors >= last.errors);
    if (!continued) this.kept = [];
    if (!last || !continued || sample.at > last.at) this.kept.push(sample);
    while (this.kept.length > 2 && this.kept[1].at <= sample.at - this.span) this.kept.shift();
    return continued;
  }

  /** The sample that is `seconds` old, or the oldest if none is. */
  before(seconds) {
    const since = this.kept.at(-1).at - seconds;
    for (let place = this.kept.length - 2; place > 0; place--) if (this.kept[place].at <= since) return this.kept[place];
    return this.kept[0];
  }

  /** What a counter grew by per second over the last `seconds`; null before there are two samples. */
  rate(counter, seconds) {
    const [last, first] = [this.kept.at(-1), this.before(seconds)];
    return last === first ? null : (last[counter] - first[counter]) / (last.at - first.at);
  }

  /** Durations seen over the whole span, by bucket. */
  durations() {
    const [last, first] = [this.kept.at(-1), this.kept[0]];
    return last.counts.map((count, place) => Math.max(0, count - first.counts[place]));
  }
}
