
// Writes into the page. Everything is written as text or as a number: there is no way to markup from here.

const $ = (id) => document.getElementById(id);

const SVG = "http://www.w3.org/2000/svg";

/** An element with these attributes and children; what is no element is text. */
function el(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children);
}

function svg(name, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/** Only where it has changed: who reads it aloud, or has marked it, is left alone. */
function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function mark(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

const known = new WeakMap();

/** Makes the children of `parent` those of `items`, and keeps each that is there: it may be open, or have the focus. */
function keep(parent, items, name, make, change) {
  const before = known.get(parent) ?? new Map();
  const after = new Map();
  for (const item of items) {
    const called = name(item);
    if (!after.has(called)) after.set(called, { item, element: before.get(called) ?? make(item) });
  }
  for (const [called, element] of before) if (!after.has(called)) element.remove();
  let next = parent.firstChild;
  for (const { item, element } of after.values()) {
    if (element === next) next = next.nextSibling;
    else parent.insertBefore(element, next);
    change(element, item);
  }
  known.set(parent, new Map([...after].map(([called, { element }]) => [called, element])));
}

/** Parts of an element by the names in their `data-p`. */
function parts(element) {
  return new Proxy({}, { get: (_, name) => element.querySelector(`[data-p="${String(name)}"]`) });
}

/** A line of what was, the last at the right. */
function spark() {
  return svg("svg", { class: "spark", viewBox: "0 0 100 20", preserveAspectRatio: "none", "aria-hidden": "true" }, svg("path", { class: "under" }), svg("path", {}));
}

function drawSpark(element, rates) {
  const [most, room] = [Math.max(...rates, 1e-9), Math.max(rates.length - 1, 1)];
  const points = rates.map((rate, nth) => `${((100 * nth) / room).toFixed(1)},${(19 - (18 * rate) / most).toFixed(1)}`);
  const line = points.length < 2 ? "" : `M${points.join("L")}`;
  mark(element.lastChild, "d", line);
  mark(element.firstChild, "d", line && `${line}L100,20L0,20Z`);
}

/** Shares of a whole, side by side. */
function drawShares(element, shares) {
  const all = shares.reduce((sum, share) => sum + share.count, 0);
  let at = 0;
  const rects = all === 0 ? [] : shares.map(({ count, kind }) => {
    const width = (100 * count) / all;
    at += width;
    return svg("rect", { class: kind, x: `${at - width}%`, y: 0, width: `${width}%`, height: "100%" });
  });
  element.replaceChildren(...rects);
}

/** A histogram: bars over bounds that two of them share. */
function drawBars(element, buckets) {
  const most = Math.max(...buckets.map((bucket) => bucket.count), 1);
  const width = 100 / Math.max(buckets.length, 1);
  element.replaceChildren(...buckets.map(({ count }, nth) => {
    const height = count === 0 ? 0 : Math.max(3, (100 * count) / most);
    return svg("rect", { class: "b", x: `${nth * width + width * 0.08}%`, y: `${100 - height}%`, width: `${width * 0.84}%`, height: `${height}%` });
  }));
}
