// What a backend's state is called, how grave it is, and what its reason means.

const GRAVITY = {
  available: "ok",
  drained: "calm",
  "drained by the operator": "calm",
  paused: "calm",
  new: "calm",
  draining: "warn",
  pending: "warn",
  suspect: "warn",
  "on trial": "warn",
  "half-open": "warn",
  unhealthy: "bad",
  failing: "bad",
  "failing its probes": "bad",
  unreachable: "bad",
  "circuit open": "bad",
  open: "bad",
  gone: "bad",
};
const MEANING = {
  drained: "by the operator",
  paused: "its container is paused",
  draining: "told to stop",
  pending: "not ready yet",
  suspect: "a connection just failed",
  "on trial": "a few requests try it",
  unhealthy: "its health check fails",
  failing: "it fails its probes",
  unreachable: "it takes no connections",
  "circuit open": "too many requests failed",
  gone: "its container has ended",
};

/** `ok`, `calm`, `warn` or `bad`. */
export const gravity = (state) => GRAVITY[state] ?? "warn";

/** In a word or two: `available`, else the reason why not. */
export const stateOf = ({ state, reason }) => (reason ?? state).replaceAll("_", " ");

/** The reason in a few words, empty for an available one. */
export const meaning = (state) => MEANING[state] ?? "";
