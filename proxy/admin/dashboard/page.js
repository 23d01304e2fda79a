// Writing to the page. Names come from labels: they become text, never markup.

export const byId = (id) => document.getElementById(id);

/** The only element of a template, anew. */
export const fromTemplate = (id) => byId(id).content.firstElementChild.cloneNode(true);

/** Set the text of an element unless it is that already: most figures stay as they are from one second to the next. */
export function write(element, text) {
  if (element.shown === text) return;
  element.shown = text;
  element.textContent = text;
}

/** Set or take away an attribute unless it is so already. */
export function mark(element, name, value) {
  if (value === null) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
  } else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** Show or hide. */
export function show(element, isShown) {
  if (element.hidden === isShown) element.hidden = !isShown;
}

/** Bring children into this order. Those that stand right are not moved: what has the focus keeps it. */
export function place(parent, elements) {
  let next = parent.firstElementChild;
  for (const element of elements) {
    if (element === next) next = next.nextElementSibling;
    else parent.insertBefore(element, next);
  }
}

/** A new element with a class and a text. */
export function make(tag, className, text) {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}

const collator = new Intl.Collator("en", { numeric: true });

/** Order by name, `web-2` before `web-10`. */
export const byName = (one, other) => collator.compare(one.name, other.name);

let fading;

/** Say for a while how something went. */
export function notice(text) {
  const element = byId("notice");
  clearTimeout(fading);
  element.textContent = text;
  fading = setTimeout(() => (element.textContent = ""), 6_000);
}
