// The page: asks for everything that moves once a second, and writes it in its place.

import { ChangeButtons } from "./changes.js";
import { Containers } from "./containers.js";
import { clock, latency, percent, plural, rate } from "./format.js";
import { byId, mark, show, write } from "./page.js";
import * as server from "./server.js";
import { MANY_ERRORS, Services } from "./services.js";
import { Differences, Events, Timeline } from "./transitions.js";

const EVERY = 1_000; // milliseconds between two questions
const FAILURES = 2; // that make a lost connection: one is what a browser makes of any change of the network
const CONTAINERS_EVERY = 10; // questions, when nothing points to a change

const services = new Services();
const containers = new Containers();
const timeline = new Timeline();
const differences = new Differences();
const events = new Events((transition) => timeline.add(transition));

let lastAnswer = null; // a Date
let seenContainers = ""; // what the table of containers was last fetched for
let questions = 0;
let failures = 0; // one after the other
let wake = () => {};

async function ask() {
  try {
    const isAfterOpen = events.isOpen;
    const overview = await server.overview();
    performance.clearMeasures("seawall-update");
    const start = performance.now();
    take(overview);
    performance.measure("seawall-update", { start });
    if (isAfterOpen) events.settle();
    timeline.setSource(events.isSettled);
    await askForContainers(overview);
    failures = 0;
    setLink(true);
  } catch (failure) {
    failures += 1;
    if (failures >= FAILURES) setLink(false, failure);
  }
}

function take(overview) {
  lastAnswer = new Date();
  events.missing(differences.take(overview, lastAnswer)).forEach((transition) => timeline.add(transition));
  services.take(overview);
  writeTotals(overview);
  writeStanding(overview);
}

function writeTotals(overview) {
  const now = services.total(overview.bounds);
  const backends = overview.services.flatMap((service) => service.backends);
  const available = backends.filter((backend) => backend.state === "available").length;
  const highest = overview.bounds.at(-1);
  write(byId("version"), overview.version);
  write(byId("total-rate"), rate(now.rate));
  write(byId("total-errors"), percent(now.errors));
  write(byId("total-p50"), latency(now.p50, highest));
  write(byId("total-p99"), latency(now.p99, highest));
  write(byId("total-in-flight"), String(backends.reduce((total, backend) => total + backend.in_flight, 0)));
  write(byId("total-available"), available + " of " + backends.length);
  mark(byId("total-available"), "data-gravity", available === backends.length ? null : available ? "warn" : "bad");
  mark(byId("total-errors"), "data-gravity", now.errors >= MANY_ERRORS ? "bad" : null);
  const down = backends.length - available;
  write(document.querySelector("title"), (down ? down + " down · " : "") + "Seawall");
}

/** What holds for the proxy as a whole and should be known. */
function writeStanding({ missing, connected, problems }) {
  const sentences = [];
  if (missing.length) sentences.push("Not ready: " + missing.join(", ") + " does not hold.");
  if (connected === false) sentences.push("The container engine does not answer: backends are as they were last seen.");
  if (problems) sentences.push(plural(problems, "problem") + " in labels or settings, see Containers.");
  write(byId("standing"), sentences.join(" "));
  show(byId("standing"), sentences.length > 0);
}

async function askForContainers(overview) {
  const wanted = JSON.stringify([overview.fleet_version, overview.containers, overview.problems]);
  if (wanted === seenContainers && questions++ % CONTAINERS_EVERY) return;
  containers.take(await server.containers());
  seenContainers = wanted;
}

function setLink(isUp, failure) {
  const wasUp = document.documentElement.dataset.link !== "down";
  document.documentElement.dataset.link = isUp ? "up" : "down";
  write(byId("link-text"), isUp ? "Live" : "Connection lost");
  if (isUp) {
    show(byId("lost"), false);
    if (!document.hidden && (!wasUp || !events.source)) events.open(); // a server that came back may be a newer one
    return;
  }
  if (!wasUp) return; // said once, not each second
  const since = lastAnswer ? " What is shown is of " + clock(lastAnswer) + "." : "";
  const what = "The proxy’s admin address does not answer (" + failure.message + ").";
  write(byId("lost"), what + since + " Trying again every second.");
  show(byId("lost"), true);
}

/** Until it is time to ask again: a second, longer while nobody looks, at once after a change. */
function pause(milliseconds) {
  return new Promise((resolve) => {
    const timer = setTimeout(() => !document.hidden && resolve(), milliseconds);
    wake = () => {
      clearTimeout(timer);
      resolve();
    };
  });
}

document.addEventListener("visibilitychange", () => (document.hidden ? events.close() : wake()));
byId("filter").addEventListener("input", ({ target }) => {
  services.narrow(target.value);
  containers.narrow(target.value);
});
new ChangeButtons(() => wake());

for (;;) {
  const start = performance.now();
  await ask();
  await pause(Math.max(100, EVERY - (performance.now() - start)));
}
