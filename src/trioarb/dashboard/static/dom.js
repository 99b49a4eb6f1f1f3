/** Elements, built without markup: whatever comes from outside is text, and stays text. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * Return a new element. `attributes` are set as attributes, functions named `on…` are listened with, and `undefined`,
 * `null` and `false` leave an attribute out. Children are nodes, or become text.
 */
export function element(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** The same for a picture's parts. */
export function picture(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/** Set a node's text, where it says something else: what a screen reader follows isn't told again for nothing. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Set or remove an attribute, where it is another one. */
export function mark(node, name, value) {
  if (value === undefined || value === null || value === false) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}

/**
 * Make `parent` hold one child for each item, in their order, and keep those it has: focus and scrolling survive.
 * `make(item)` builds a child, `update(child, item)` brings it up to date; `keyOf` tells items apart.
 */
export function keep(parent, items, { keyOf, make, update }) {
  const had = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  const times = new Map();
  let place = parent.firstElementChild;
  for (const item of items) {
    let key = String(keyOf(item));
    times.set(key, (times.get(key) ?? 0) + 1);
    if (times.get(key) > 1) key += ` #${times.get(key)}`;
    let child = had.get(key);
    if (child === undefined) {
      child = make(item);
      child.dataset.key = key;
    }
    had.delete(key);
    if (update) update(child, item);
    if (child === place) place = place.nextElementSibling;
    else parent.insertBefore(child, place);
  }
  for (const left of had.values()) left.remove();
}
