// The requests of this page: all of them to the server that it came from.

const LONGEST = 5_000; // milliseconds for an answer
const KEY = "seawall-token";

/** An answer that says no; `status` is its HTTP status. */
export class Refusal extends Error {
  constructor(status, document) {
    super([document.error, document.hint].filter(Boolean).join(": ") || "HTTP status " + status);
    this.status = status;
  }
}

async function ask(path, options = {}) {
  const answer = await fetch(path, { ...options, cache: "no-store", signal: AbortSignal.timeout(LONGEST) });
  const document = await answer.json();
  if (!answer.ok) throw new Refusal(answer.status, document);
  return document;
}

/** Everything that moves. */
export const overview = () => ask("api/v1/overview");

/** Every container seen, and the problems that are none's. */
export const containers = () => ask("api/v1/containers");

/** Drain or undrain the backends of a name. */
export function change(name, verb) {
  const token = sessionStorage.getItem(KEY);
  const headers = token === null ? {} : { Authorization: "Bearer " + token };
  return ask("api/v1/backends/" + encodeURIComponent(name) + "/" + verb, { method: "POST", headers });
}

/** Whether a token is kept. */
export const hasToken = () => sessionStorage.getItem(KEY) !== null;

/** Keep a token until the tab is closed, or with null forget it. */
export function keepToken(token) {
  if (token === null) sessionStorage.removeItem(KEY);
  else sessionStorage.setItem(KEY, token);
}
