// One backend: its figures, which are kept always, and its row, which is written only while it can be seen.

import { age, count, latency, percent } from "./format.js";
import { fromTemplate, mark, write } from "./page.js";
import { quantile, Samples, sum } from "./rates.js";
import { gravity, meaning, stateOf } from "./states.js";

export const RATE_SPAN = 5; // seconds
export const LATENCY_SPAN = 10;

const isServerError = (status) => status.startsWith("5");

/** What tells one backend from another: a name may come back on another container. */
export const keyOf = (backend) => [backend.service, backend.name, backend.container, backend.address].join("\n");

/** A backend as the last document shows it. */
export class BackendView {
  constructor() {
    this.samples = new Samples(LATENCY_SPAN);
    this.row = null;
    this.requests = null; // per second
  }

  /** Take the document of `at`. */
  take(backend, at) {
    this.backend = backend;
    this.name = backend.name;
    this.state = stateOf(backend);
    this.samples.add({
      at,
      requests: sum(backend.requests),
      errors: sum(backend.requests, isServerError) + sum(backend.failures),
      counts: backend.first_byte,
    });
    this.requests = this.samples.rate("requests", RATE_SPAN);
  }

  /** Whether a filter, in small letters, finds it. */
  matches(filter) {
    return (this.name + " " + this.state + " " + this.backend.address).toLowerCase().includes(filter);
  }

  /** Have a row, and bring it up to date if it can be seen. `total` is what all backends of the service do per second. */
  render(bounds, total) {
    this.row ??= new Row(this.backend);
    this.row.onSeen = () => this.write(bounds, total);
    if (this.row.isSeen) this.write(bounds, total);
  }

  write(bounds, total) {
    const durations = this.samples.durations();
    this.row.write(this, total ? this.requests / total : null, {
      p50: latency(quantile(durations, bounds, 0.5), bounds.at(-1)),
      p99: latency(quantile(durations, bounds, 0.99), bounds.at(-1)),
    });
  }
}

const CELLS = ["word", "since", "why", "figure", "rate", "errors", "in-flight", "p50", "p99", "circuit", "probe", "verdict"];

// Of a thousand rows those in the window are written: the rest would cost their layout each second.
const watch = new IntersectionObserver(
  (entries) => entries.forEach(({ target, isIntersecting }) => target.row.setSeen(isIntersecting)),
  { rootMargin: "200px" },
);

class Row {
  constructor(backend) {
    this.isSeen = true; // until it is known not to be
    this.element = fromTemplate("backend-template");
    this.cells = Object.fromEntries(CELLS.map((name) => [name, this.element.querySelector("." + name)]));
    this.gauge = this.element.querySelector(".gauge > span");
    this.button = this.element.querySelector("button");
    this.tags = this.element.querySelector(".tags");
    this.element.querySelector(".name").textContent = backend.name;
    this.element.querySelector(".address").textContent = backend.address.replace(/^http:\/\//, "");
    this.button.dataset.backend = backend.name;
    this.element.row = this;
    watch.observe(this.element);
  }

  setSeen(isSeen) {
    const appears = isSeen && !this.isSeen;
    this.isSeen = isSeen;
    if (appears) this.onSeen();
  }

  remove() {
    watch.unobserve(this.element);
    this.element.remove();
  }

  write(view, share, { p50, p99 }) {
    const { backend, state } = view;
    const { cells } = this;
    mark(this.element, "data-gravity", gravity(state));
    write(cells.word, state);
    write(cells.since, age(backend.since));
    write(cells.why, meaning(state));
    write(cells.figure, percent(share));
    write(cells.rate, count(view.requests));
    write(cells.errors, count(view.samples.rate("errors", RATE_SPAN)));
    write(cells["in-flight"], String(backend.in_flight));
    write(cells.p50, p50);
    write(cells.p99, p99);
    this.gauge.style.setProperty("--part", (share ?? 0).toFixed(3));
    this.writeHealth(backend);
    this.writeButton(backend.name, state);
    write(this.tags, tagsOf(backend));
  }

  writeHealth({ circuit, probe }) {
    write(this.cells.circuit, circuit?.state ?? "–");
    mark(this.cells.circuit, "data-gravity", circuit ? gravity(circuit.state === "closed" ? "available" : circuit.state) : null);
    write(this.cells.verdict, probe?.error ?? probe?.verdict ?? "–");
    mark(this.cells.circuit, "data-unknown", circuit ? null : "");
    mark(this.cells.probe, "data-unknown", probe ? null : "");
    mark(this.cells.probe, "title", probe?.error ?? null); // it may be cut off
    mark(this.cells.probe, "data-gravity", probe?.error ? "bad" : null);
  }

  writeButton(name, state) {
    const verb = state === "drained" ? "undrain" : "drain";
    this.button.dataset.verb = verb;
    this.button.hidden = state === "gone";
    write(this.button, verb === "drain" ? "Drain" : "Undrain");
    mark(this.button, "aria-label", this.button.textContent + " " + name);
  }
}

function tagsOf(backend) {
  const tags = backend.weight === 1 ? [] : ["weight " + backend.weight];
  if (backend.backup) tags.push("backup");
  return tags.join(", ");
}
