// Every container seen, and why it is or is not routed.

import { plural } from "./format.js";
import { byId, byName, fromTemplate, make, show, write } from "./page.js";

const FEW = 30;
const GRAVITY = { routed: "ok", ignored: "calm", problem: "bad" };
const ORDER = ["problem", "routed", "ignored"];

/** The table of containers. */
export class Containers {
  constructor() {
    this.body = byId("container-rows");
    this.more = byId("more-containers");
    this.containers = [];
    this.filter = "";
    this.isOpen = false;
    this.more.addEventListener("click", () => {
      this.isOpen = !this.isOpen;
      this.render();
    });
  }

  /** Take the document of containers. */
  take(document) {
    this.containers = document.containers.sort(
      (one, other) => ORDER.indexOf(one.decision) - ORDER.indexOf(other.decision) || byName(one, other),
    );
    byId("problems").replaceChildren(...document.problems.map(toProblem));
    this.render();
  }

  /** Show only what has `filter` in its name, decision, reason or services. */
  narrow(filter) {
    this.filter = filter.trim().toLowerCase();
    this.render();
  }

  render() {
    const found = this.containers.filter((container) => textOf(container).includes(this.filter));
    const shown = this.isOpen ? found : found.slice(0, FEW);
    this.body.replaceChildren(...shown.map(toRow));
    show(byId("container-table"), found.length > 0);
    show(byId("no-containers"), found.length === 0);
    write(byId("no-containers"), this.containers.length ? "Nothing matches the filter." : "No container has been seen.");
    write(byId("container-count"), ORDER.map((decision) => number(this.containers, decision)).filter(Boolean).join(", "));
    show(this.more, found.length > FEW);
    write(this.more, this.isOpen ? "Show fewer" : "Show all " + plural(found.length, "container"));
  }
}

function textOf({ name, id, decision, reason, services }) {
  return [name, id, decision, reason, ...services.map((service) => service.name)].join(" ").toLowerCase();
}

function number(containers, decision) {
  const found = containers.filter((container) => container.decision === decision).length;
  return found ? found + " " + (decision === "problem" ? "with a problem" : decision) : "";
}

function toRow(container) {
  const row = fromTemplate("container-template");
  const find = (selector) => row.querySelector(selector);
  row.dataset.gravity = GRAVITY[container.decision] ?? "warn";
  find(".name").textContent = container.name;
  find(".address").textContent = container.id.slice(0, 12) + " · " + container.lifecycle;
  find(".word").textContent = container.decision;
  find(".text").textContent = container.reason;
  find(".problems").replaceChildren(...container.problems.map(toProblem));
  find(".claims ul").replaceChildren(...container.services.map(toClaim));
  return row;
}

function toProblem({ severity, where, what, hint }) {
  const item = make("li", "", "");
  item.dataset.gravity = severity === "error" ? "bad" : "warn";
  item.append(make("b", "", where), " " + what, hint ? make("span", "hint", " " + hint) : "");
  return item;
}

function toClaim({ name, rules }) {
  const item = make("li", "", "");
  item.append(make("b", "", name), ...rules.map((rule) => make("code", "", rule)));
  return item;
}
