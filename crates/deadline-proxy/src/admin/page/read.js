"use strict";

// Reads what the admin listener exports, and what has changed between two looks at it.

/** How far back rates and quantiles look, in milliseconds. */
const WINDOW = 60_000;

/** The text format of Prometheus: of each name, its series. Labels are a Map: a name of one is not ours to trust. */
function parseMetrics(text) {
  const metrics = new Map();
  for (const line of text.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const series = parseSeries(line);
    if (series === null) continue;
    const known = metrics.get(series.name);
    if (known) known.push(series);
    else metrics.set(series.name, [series]);
  }
  return metrics;
}

function parseSeries(line) {
  const head = /^[a-zA-Z_:][\w:]*/.exec(line);
  if (head === null) return null;
  const labels = new Map();
  let at = head[0].length;
  if (line[at] === "{") {
    at += 1;
    const label = /\s*([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"\s*,?/y;
    while (line[at] !== "}") {
      label.lastIndex = at;
      const found = label.exec(line);
      if (found === null) return null;
      labels.set(found[1], found[2].replace(/\\(.)/g, (_, char) => (char === "n" ? "\n" : char)));
      at = label.lastIndex;
    }
    at += 1;
  }
  const value = line.slice(at).trim().split(/\s/)[0];
  return { name: head[0], labels, value: value === "+Inf" ? Infinity : Number(value) };
}

/** What was seen lately: one look after the other, the last one last. */
class Looks {
  constructor() {
    this.looks = [];
  }

  add(at, metrics) {
    const last = this.looks.at(-1);
    // A process that was started anew counts from zero: what was before is another's. And of what came while nobody looked,
    // nothing says when in that time it came.
    const isAnother = last && total(metrics, "deadline_requests_total") < total(last.metrics, "deadline_requests_total");
    if (isAnother || (last && at - last.at > WINDOW)) this.looks = [];
    this.looks.push({ at, metrics });
    // One that is older than the window stays, to be compared with.
    while (this.looks.length > 2 && at - this.looks[1].at >= WINDOW) this.looks.shift();
  }

  get metrics() {
    return this.looks.at(-1)?.metrics ?? new Map();
  }

  /** Seconds between the first look and the last. */
  get seconds() {
    return this.looks.length < 2 ? 0 : (this.looks.at(-1).at - this.looks[0].at) / 1000;
  }

  /** How much the sum of these series has grown within the window. */
  growth(name, match) {
    if (this.looks.length < 2) return 0;
    return Math.max(0, total(this.metrics, name, match) - total(this.looks[0].metrics, name, match));
  }

  /** The same for each second, over the last ten. */
  rate(name, match) {
    const last = this.looks.at(-1);
    const first = this.looks.find((look) => last.at - look.at <= 10_500);
    if (!last || first === last) return null;
    const grown = total(last.metrics, name, match) - total(first.metrics, name, match);
    return Math.max(0, grown) / ((last.at - first.at) / 1000);
  }

  /** The same between each two looks. */
  rates(name, match) {
    const rates = [];
    for (let nth = 1; nth < this.looks.length; nth += 1) {
      const [before, after] = [this.looks[nth - 1], this.looks[nth]];
      const grown = total(after.metrics, name, match) - total(before.metrics, name, match);
      rates.push(Math.max(0, grown) / Math.max(0.001, (after.at - before.at) / 1000));
    }
    return rates;
  }

  /** The buckets of a histogram, `{ le, count }`, not cumulative: of the window where anything was in it, else of all. */
  buckets(name, match) {
    const all = cumulative(this.metrics, name, match);
    const before = this.looks.length < 2 ? new Map() : cumulative(this.looks[0].metrics, name, match);
    const recent = apart(all, before);
    const isRecent = recent.some((bucket) => bucket.count > 0);
    return { isRecent, buckets: isRecent ? recent : apart(all, new Map()) };
  }
}

/** The sum of the series of this name that match. */
function total(metrics, name, match) {
  let sum = 0;
  for (const series of metrics.get(name) ?? []) if (!match || match(series.labels)) sum += series.value;
  return sum;
}

/** The values of a label. */
function values(metrics, name, label) {
  return [...new Set((metrics.get(name) ?? []).map((series) => series.labels.get(label)).filter((value) => value !== undefined))];
}

function cumulative(metrics, name, match) {
  const counts = new Map();
  for (const { labels, value } of metrics.get(name + "_bucket") ?? []) {
    if (match && !match(labels)) continue;
    const le = labels.get("le") === "+Inf" ? Infinity : Number(labels.get("le"));
    counts.set(le, (counts.get(le) ?? 0) + value);
  }
  return counts;
}

function apart(after, before) {
  let below = 0;
  return [...after.keys()].sort((a, b) => a - b).map((le) => {
    const within = Math.max(0, after.get(le) - (before.get(le) ?? 0));
    const count = Math.max(0, within - below);
    below = Math.max(below, within);
    return { le, count };
  });
}

/** Within which time so great a share was, in seconds: between two bounds, as Prometheus reckons. `null` of nothing. */
function quantile(buckets, share) {
  const all = buckets.reduce((sum, bucket) => sum + bucket.count, 0);
  if (all === 0) return null;
  let [left, low] = [share * all, 0];
  for (const { le, count } of buckets) {
    if (left <= count && count > 0) return le === Infinity ? low : low + (le - low) * (left / count);
    left -= count;
    low = le;
  }
  return low;
}

/** Within which bound so great a share was, in seconds: no more is known of it. `null` of nothing. */
function bound(buckets, share) {
  let left = share * buckets.reduce((sum, bucket) => sum + bucket.count, 0);
  if (left === 0) return null;
  for (const { le, count } of buckets) {
    if (left <= count && count > 0) return le;
    left -= count;
  }
  return null;
}

const upTo = (seconds) => (seconds === null ? "–" : seconds === Infinity ? "beyond the last bound" : `≤\u00a0${time(seconds)}`);

/** An entry of a ledger: `hop.NAME;dur=1.5;desc="budget=9 own=1"`. `null` of anything else. */
function parseHop(entry) {
  const found = /^hop\.([^;\s]+)(.*)$/.exec(String(entry));
  if (found === null) return null;
  const hop = { name: found[1], took: NaN, words: new Map() };
  const param = /;\s*([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;"\s]*))/g;
  for (const [, name, quoted, bare] of found[2].matchAll(param)) {
    const value = quoted === undefined ? bare : quoted.replace(/\\(.)/g, "$1");
    if (name === "dur") hop.took = Number(value);
    if (name === "desc") for (const word of value.split(" ")) hop.words.set(...halves(word));
  }
  return hop;
}

function halves(word) {
  const at = word.indexOf("=");
  return at < 0 ? [word, ""] : [word.slice(0, at), word.slice(at + 1)];
}

/** A number of the words of a hop; 0 where it is none. */
function number(hop, word) {
  const value = Number(hop.words.get(word));
  return Number.isFinite(value) ? value : 0;
}

/** For people: a time in seconds. */
function time(seconds) {
  if (seconds === null || !Number.isFinite(seconds)) return "–";
  if (seconds < 0.001) return `${digits(seconds * 1e6, 2)}\u00a0µs`;
  if (seconds < 1) return `${digits(seconds * 1000, 3)}\u00a0ms`;
  if (seconds < 60) return `${digits(seconds, 3)}\u00a0s`;
  return `${digits(seconds / 60, 2)}\u00a0min`;
}

const millis = (ms) => (typeof ms === "number" ? time(ms / 1000) : "–");

/** As many digits that mean something, and no zeros behind them. */
function digits(number, most) {
  return number >= 10 ** (most - 1) ? Math.round(number).toLocaleString("en") : String(Number(number.toPrecision(most)));
}

const whole = (number) => Math.round(number).toLocaleString("en");
const pace = (rate) => (rate === null ? "–" : rate === 0 ? "0" : rate < 0.1 ? "< 0.1" : rate < 10 ? rate.toFixed(1) : whole(rate));
const percent = (share) => (share === 0 ? "0\u00a0%" : share < 0.001 ? "<\u00a00.1\u00a0%" : share < 0.1 ? `${(share * 100).toFixed(1)}\u00a0%` : `${Math.round(share * 100)}\u00a0%`);
