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
  "half-open": "warn",
  unhealthy: "bad",
  gone: "bad",
  open: "bad",
};
const MEANING = {
  drained: "by the operator",
  paused: "its container is paused",
  draining: "told to stop",
  pending: "not ready yet",
  suspect: "a connection just failed",
  unhealthy: "its health check fails",
  gone: "its container has ended",
};

/** `ok`, `calm`, `warn` or `bad`. */
export const gravity = (state) => GRAVITY[state] ?? "warn";

/** One word: `available`, else the reason why not. */
export const stateOf = (backend) => (backend.state === "available" ? "available" : (backend.reason ?? backend.state));

/** The reason in a few words, empty for an available one. */
export const meaning = (state) => MEANING[state] ?? "";
