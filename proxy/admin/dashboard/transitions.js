// The timeline of transitions: from the server's events, or where it sends none, from what differs between documents.

import { keyOf } from "./backends.js";
import { clock, plural } from "./format.js";
import { byId, fromTemplate, write } from "./page.js";
import { gravity, stateOf } from "./states.js";

const MOST = 200; // entries
const FEW = 3; // alike at one moment that are listed one by one
const GATHER = 200; // milliseconds in which events are taken together

/** Backends as they stood, and how they differ from those of the next document. */
export class Differences {
  constructor() {
    this.states = null;
  }

  /** Transitions since the last call, none at the first. `now` is a Date. */
  take(overview, now) {
    const before = this.states;
    const backends = overview.services.flatMap((service) => service.backends);
    this.states = new Map(backends.map((backend) => [keyOf(backend), { backend, state: stateOf(backend) }]));
    if (before === null) return [];
    return [...changed(before, this.states, now), ...left(before, this.states, now)];
  }
}

function* changed(before, states, now) {
  for (const [key, { backend, state }] of states) {
    const old = before.get(key)?.state ?? "new";
    if (old === state) continue;
    const time = new Date(now.getTime() - backend.since * 1_000);
    yield { service: backend.service, backend: backend.name, before: old, after: state, reason: "", time };
  }
}

function* left(before, states, now) {
  for (const [key, { backend, state }] of before) {
    if (states.has(key)) continue;
    yield { service: backend.service, backend: backend.name, before: state, after: "gone", reason: "left", time: now };
  }
}

/**
 * The server's events. `onTransition` is called with each.
 *
 * What happened between the last document and the first event is in the first document that was asked for after the
 * stream was there: until that is taken the events are not settled, and `missing` says what they have not told.
 */
export class Events {
  constructor(onTransition) {
    this.onTransition = onTransition;
    this.source = null;
    this.lose();
  }

  /** Listen, unless that is so already. After a refusal the next call tries again. */
  open() {
    if (this.source && this.source.readyState !== EventSource.CLOSED) return;
    let hasId = false; // with the id of an event the browser resumes behind it, so that none is missed
    this.source = new EventSource("api/v1/events");
    this.source.onopen = () => (this.isOpen = true);
    this.source.onerror = () => {
      if (!hasId || this.source.readyState === EventSource.CLOSED) this.lose();
    };
    this.source.addEventListener("transition", (event) => {
      hasId = true;
      this.hear(parse(event.data));
    });
  }

  /** Listen no longer: a browser has few connections to a server, and pages that nobody looks at would take them all. */
  close() {
    this.source?.close();
    this.source = null;
    this.lose();
  }

  /** Those of the differences between two documents that no event has told or will tell. */
  missing(differences) {
    return this.isSettled ? [] : differences.filter((transition) => !this.told.has(nameOf(transition)));
  }

  /** A document that was asked for while the stream was there is taken. */
  settle() {
    this.isSettled = this.isOpen;
    if (this.isSettled) this.told.clear();
  }

  hear(transition) {
    if (!this.isSettled) this.told.add(nameOf(transition));
    this.onTransition(transition);
  }

  lose() {
    this.isOpen = false;
    this.isSettled = false;
    this.told = new Set();
  }
}

const nameOf = ({ service, backend }) => service + "\n" + backend;

function parse(data) {
  const transition = JSON.parse(data);
  return { ...transition, time: new Date(transition.time) };
}

/** The list on the page. */
export class Timeline {
  constructor() {
    this.list = byId("timeline");
    this.waiting = [];
    this.timer = null;
  }

  /** Add a transition, together with those that come with it. */
  add(transition) {
    this.waiting.push(transition);
    this.timer ??= setTimeout(() => this.flush(), GATHER);
  }

  flush() {
    const groups = group(this.waiting);
    this.waiting = [];
    this.timer = null;
    groups.sort((one, other) => one[0].time - other[0].time);
    for (const alike of groups) this.list.prepend(toEntry(alike));
    while (this.list.childElementCount > MOST) this.list.lastElementChild.remove();
    byId("no-transitions").hidden = true;
    announce(groups);
  }

  /** Say where transitions come from. */
  setSource(isEvents) {
    write(byId("timeline-source"), isEvents ? "as they happen" : "seen once a second");
  }
}

/** Transitions that say the same of many backends of a service are one entry. */
function group(transitions) {
  const groups = new Map();
  for (const transition of transitions) {
    const key = [transition.service, transition.before, transition.after, transition.reason].join("\n");
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(transition);
  }
  return [...groups.values()].flatMap((alike) => (alike.length > FEW ? [alike] : alike.map((one) => [one])));
}

const who = (alike) => (alike.length === 1 ? alike[0].backend : plural(alike.length, "backend"));

function toEntry(alike) {
  const { service, before, after, reason, time } = alike[0];
  const entry = fromTemplate("transition-template");
  const find = (selector) => entry.querySelector(selector);
  entry.dataset.gravity = gravity(after);
  find("time").textContent = clock(time);
  find("time").dateTime = time.toISOString();
  find(".who").textContent = who(alike);
  find(".where").textContent = "in " + service;
  find(".change").textContent = before + " → " + after + (reason && !after.includes(reason) ? " · " + reason : "");
  if (alike.length > 1) find(".what").title = alike.map((one) => one.backend).join(", ");
  return entry;
}

function announce(groups) {
  const sentences = groups.map((alike) => who(alike) + " in " + alike[0].service + ": " + alike[0].after);
  const rest = sentences.length - FEW;
  byId("announcer").textContent = sentences.slice(0, FEW).join(". ") + (rest > 0 ? ". And " + rest + " more." : ".");
}
