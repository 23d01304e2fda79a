// The services: a panel each, with charts and the rows of its backends.

import { BackendView, keyOf, LATENCY_SPAN, RATE_SPAN } from "./backends.js";
import { Chart, SPAN } from "./chart.js";
import { count, latency, percent, plural } from "./format.js";
import { byId, byName, fromTemplate, make, mark, place, show, write } from "./page.js";
import { quantile, Samples, sum, sumOfBuckets } from "./rates.js";
import { gravity } from "./states.js";

const FEW = 12; // backends that a panel shows unasked; besides, all that are not available
export const MANY_ERRORS = 0.01; // the share from which on it is shown as something grave
const MARGIN = "300px"; // how far outside the window a panel is kept up to date

const isError = (status) => Number(status) >= 500;

/** All panels, by name of the service. */
export class Services {
  constructor() {
    this.list = byId("service-list");
    this.panels = new Map();
    this.filter = "";
    this.watch = new IntersectionObserver((entries) => this.onSeen(entries), { rootMargin: MARGIN });
  }

  /** Take a document of everything, and write what can be seen. */
  take(overview) {
    const names = new Set(overview.services.map((service) => service.name));
    for (const [name, panel] of this.panels) if (!names.has(name)) this.remove(name, panel);
    this.add([...names].filter((name) => !this.panels.has(name)));
    for (const service of overview.services) this.panels.get(service.name).take(service, overview);
    this.render();
  }

  /** Show only what has `filter` in its name, state or address. */
  narrow(filter) {
    this.filter = filter.trim().toLowerCase();
    this.render();
  }

  /** What all services do together, as the figures of one. */
  total(bounds) {
    const traffics = [...this.panels.values()].map((panel) => panel.traffic);
    const rates = traffics.map(({ now }) => now.rate).filter((rate) => rate !== null);
    const rate = rates.length ? rates.reduce((total, each) => total + each) : null;
    const errors = traffics.reduce((total, { now }) => total + (now.rate ?? 0) * (now.errors ?? 0), 0);
    const durations = sumOfBuckets(traffics.map(({ samples }) => samples.durations()));
    return {
      rate,
      errors: rate ? errors / rate : rate,
      p50: quantile(durations, bounds, 0.5),
      p99: quantile(durations, bounds, 0.99),
    };
  }

  render() {
    let shown = 0;
    for (const panel of this.panels.values()) shown += panel.render(this.filter);
    const text = shown === this.panels.size ? String(shown) : shown + " of " + this.panels.size;
    write(byId("service-count"), text);
    write(byId("no-services"), this.panels.size ? "Nothing matches the filter." : "No service is known.");
    show(byId("no-services"), shown === 0);
  }

  add(names) {
    if (!names.length) return;
    const joined = names.map((name) => [name, new Panel(name)]);
    this.panels = new Map([...this.panels, ...joined].sort(([, one], [, other]) => byName(one, other)));
    place(this.list, [...this.panels.values()].map((panel) => panel.element));
    for (const [, panel] of joined) {
      panel.element.panel = panel;
      this.watch.observe(panel.element);
    }
  }

  remove(name, panel) {
    this.watch.unobserve(panel.element);
    panel.takeBackends([]);
    panel.element.remove();
    this.panels.delete(name);
  }

  onSeen(entries) {
    for (const entry of entries) entry.target.panel.setSeen(entry.isIntersecting, this.filter);
  }
}

/** Counters over time, and what is read off them. */
class Traffic {
  constructor() {
    this.samples = new Samples(LATENCY_SPAN);
    this.points = [];
  }

  take(sample, bounds) {
    if (!this.samples.add(sample)) this.points = [];
    const durations = this.samples.durations();
    this.now = this.figures(RATE_SPAN, quantile(durations, bounds, 0.5), quantile(durations, bounds, 0.99));
    this.points.push({ ...this.figures(1, this.now.p50, this.now.p99), at: sample.at });
    while (this.points[0].at < sample.at - SPAN) this.points.shift();
  }

  figures(seconds, p50, p99) {
    const rate = this.samples.rate("requests", seconds);
    const errors = rate ? this.samples.rate("errors", seconds) / rate : rate;
    return { rate, errors, p50, p99 };
  }
}

/** One service. */
class Panel {
  constructor(name) {
    this.name = name;
    this.backends = new Map();
    this.traffic = new Traffic();
    this.isSeen = false;
    this.isOpen = false;
    this.filter = "";
    this.element = fromTemplate("service-template");
    this.find = (selector) => this.element.querySelector(selector);
    this.body = this.find("tbody");
    this.wall = this.find(".wall");
    this.more = this.find(".more");
    this.find("h3").textContent = name;
    this.find("caption").textContent = "Backends of " + name;
    mark(this.element, "aria-label", "Service " + name);
    this.more.addEventListener("click", () => this.toggle());
    this.charts = [
      new Chart(this.find(".requests"), ["rate"], "Requests per second to " + name, count),
      new Chart(this.find(".errors"), ["errors"], "Share of errors of " + name, percent),
      new Chart(this.find(".latency"), ["p99", "p50"], "Latency of " + name, (seconds) => latency(seconds, seconds)),
    ];
  }

  take(service, overview) {
    this.service = service;
    this.bounds = overview.bounds;
    this.traffic.take({
      at: overview.at,
      requests: sum(service.requests),
      errors: sum(service.requests, isError),
      counts: service.duration,
    }, overview.bounds);
    this.takeBackends(service.backends, overview.at);
  }

  takeBackends(backends, at) {
    const keys = new Set(backends.map(keyOf));
    for (const [key, view] of this.backends) if (!keys.has(key)) this.remove(key, view);
    let hasJoined = false;
    for (const backend of backends) {
      const key = keyOf(backend);
      if (!this.backends.has(key)) {
        this.backends.set(key, new BackendView());
        hasJoined = true;
      }
      this.backends.get(key).take(backend, at);
    }
    if (hasJoined) this.backends = new Map([...this.backends].sort(([, one], [, other]) => byName(one, other)));
  }

  remove(key, view) {
    view.row?.remove();
    this.backends.delete(key);
  }

  toggle() {
    this.isOpen = !this.isOpen;
    mark(this.more, "aria-expanded", String(this.isOpen));
    this.render(this.filter);
  }

  setSeen(isSeen, filter) {
    this.isSeen = isSeen;
    if (isSeen) this.render(filter);
  }

  /** Write what can be seen; returns whether the filter leaves anything of it. */
  render(filter) {
    this.filter = filter;
    const isWhole = this.name.toLowerCase().includes(filter);
    const views = [...this.backends.values()].filter((view) => isWhole || view.matches(filter));
    const isShown = isWhole || views.length > 0;
    show(this.element, isShown);
    if (isShown && this.isSeen) this.write(views);
    return isShown;
  }

  write(views) {
    const { service, traffic } = this;
    write(this.find(".policy"), service.policy);
    write(this.find(".available"), service.available + " of " + this.backends.size + " available");
    mark(this.element, "data-gravity", this.gravity());
    const lacks = ["circuit", "probe"].filter((part) => !service.backends.some((backend) => backend[part]));
    mark(this.element, "data-lacks", lacks.join(" "));
    write(this.find(".requests b"), count(traffic.now.rate) + (traffic.now.rate === null ? "" : "/s"));
    write(this.find(".errors b"), percent(traffic.now.errors));
    write(this.find(".latency .low"), latency(traffic.now.p50, this.bounds.at(-1)));
    write(this.find(".latency b:not(.low)"), latency(traffic.now.p99, this.bounds.at(-1)));
    mark(this.find(".errors"), "data-gravity", traffic.now.errors >= MANY_ERRORS ? "bad" : null);
    [1, 0.01, 0.001].forEach((floor, index) => this.charts[index].draw(traffic.points, floor));
    this.writeWall();
    this.writeRows(views);
  }

  gravity() {
    if (this.service.available === this.backends.size) return "ok";
    return this.service.available ? "warn" : "bad";
  }

  /** A stone for each backend, in the colour of its state. */
  writeWall() {
    const stones = [...this.backends.values()];
    while (this.wall.childElementCount < stones.length) this.wall.append(make("i", "", ""));
    while (this.wall.childElementCount > stones.length) this.wall.lastElementChild.remove();
    stones.forEach((view, index) => mark(this.wall.children[index], "data-gravity", gravity(view.state)));
  }

  /** Rows stay in their order and in the page: what has the focus keeps it. */
  writeRows(views) {
    const shown = this.chosen(views);
    const total = [...this.backends.values()].reduce((rate, view) => rate + (view.requests ?? 0), 0);
    for (const view of this.backends.values()) {
      const isShown = shown.has(view) || Boolean(view.row?.element.contains(document.activeElement));
      if (isShown) view.render(this.bounds, total);
      if (view.row) show(view.row.element, isShown);
    }
    const rows = [...this.backends.values()].filter((view) => view.row).map((view) => view.row.element);
    place(this.body, rows);
    const rest = views.length - shown.size;
    show(this.more, rest > 0 || (this.isOpen && views.length > FEW));
    write(this.more, this.isOpen ? "Show fewer" : "Show all " + plural(views.length, "backend"));
  }

  /** A few, and whatever asks for attention. */
  chosen(views) {
    if (this.isOpen || views.length <= FEW) return new Set(views);
    const others = views.filter((view) => view.state === "available");
    const troubled = views.filter((view) => view.state !== "available").slice(0, 4 * FEW);
    return new Set([...troubled, ...others.slice(0, Math.max(0, FEW - troubled.length))]);
  }
}
