
// The requests that were stopped last, and where their time went.

const LEGEND = ["queue", "pool", "connect", "request_body", "upstream", "response_body", "backoff", "handler", "database"];

function makeLegend() {
  const entry = (stage, text) => el("li", { class: `s-${stage}` }, el("i", { "aria-hidden": "true" }), text);
  $("legend").append(...LEGEND.map((stage) => entry(stage, stage)), entry("due", "deadline"));
}

function drawRequests({ expired, config, filter }) {
  const all = expired?.requests ?? [];
  const shown = all.filter((one) => passes(filter, one.method, one.path, one.host, one.route, one.policy, one.stage, one.cause, one.upstream, one.hop, one.id, one.trace, one.origin, one.origin_detail, one.status));
  const none = expired?.most === 0 ? "None are kept: expired = 0." : "No request was stopped since the start.";
  counted("requests", shown.length, all.length, none);
  if (expired?.left_out > 0) $("requests-count").append(`; ${whole(expired.left_out)} more came in seconds that had too many`);
  $("legend").hidden = shown.length === 0;
  keep($("requests-list"), shown, (one) => `${one.time} ${one.id} ${one.client} ${one.path}`, (one) => makeRequest(one, config?.hop), () => {});
}

/** Told once: what is over does not change. */
function makeRequest(one, here) {
  const clock = new Date(one.time);
  const isGone = one.cause !== "deadline";
  const summary = el(
    "summary", {},
    el("time", { class: "time", datetime: one.time, title: one.time }, Number.isNaN(clock.getTime()) ? String(one.time) : clock.toLocaleTimeString("en-GB")),
    el("span", { class: "asked mono", title: `${one.method} ${one.path}` }, `${one.method} ${one.path}`),
    el("span", { class: "way" }, [one.route, one.upstream].filter(Boolean).join(" → ")),
    el("span", { class: "why" }, el("span", { class: isGone ? "tag quiet" : "tag" }, String(isGone ? one.cause : one.stage)), el("span", {}, String(one.status ?? "")), ...(one.hop && one.hop !== here ? [el("span", { class: "by" }, `by ${one.hop}`)] : [])),
    el("span", { class: "fall" }, waterfall(one), took(one)),
  );
  const details = el("details", {}, summary);
  // Only made when somebody looks.
  details.addEventListener("toggle", () => details.open && details.children.length === 1 && details.append(makeDetail(one, here)));
  return el("li", {}, details);
}

function took(one) {
  const budget = typeof one.budget_ms === "number" ? ` of ${millis(one.budget_ms)}` : "";
  return el("span", { class: "took" }, el("b", {}, millis(one.elapsed_ms)), budget);
}

/** The scale of a picture: from the queue before it came to its end, or to its deadline. */
function scale(one) {
  const steps = Array.isArray(one.steps) ? one.steps : [];
  const from = Math.min(0, ...steps.map(([from]) => from));
  const to = Math.max(one.budget_ms ?? 0, one.elapsed_ms ?? 0, one.duration_ms ?? 0, 0.001);
  return { steps, at: (ms) => (100 * (ms - from)) / (to - from) };
}

function waterfall(one) {
  const { steps, at } = scale(one);
  const end = one.duration_ms ?? one.elapsed_ms ?? 0;
  const bars = [bar("own", at(0), at(end)), ...steps.map(([from, to, stage]) => bar(stageClass(stage), at(from), at(to)))];
  const told = steps.map(([from, to, stage]) => `${stage} ${millis(to - from)}`).join(", ");
  return picture(`Where its time went: ${told || "nowhere in particular"}; ${millis(one.elapsed_ms)} in all`, bars, due(one, at));
}

const stageClass = (stage) => (STAGES.includes(stage) || stage === "own" ? `s-${stage}` : "own");

function bar(kind, from, to) {
  return svg("rect", { class: kind, x: `${from}%`, y: "15%", width: `${Math.max(0.25, to - from)}%`, height: "70%" });
}

function due(one, at) {
  if (typeof one.budget_ms !== "number") return [];
  const x = `${at(one.budget_ms)}%`;
  return [svg("line", { class: "due", x1: x, x2: x, y1: 0, y2: "100%" })];
}

function picture(label, bars, marks) {
  return svg("svg", { class: "water", role: "img", "aria-label": label }, svg("rect", { class: "base", x: 0, y: "15%", width: "100%", height: "70%" }), ...bars, ...marks);
}

function makeDetail(one, here) {
  const fact = (name, value) => (value === undefined || value === null || value === "" ? [] : [el("div", {}, el("dt", {}, name), el("dd", {}, String(value)))]);
  const spent = Object.entries(one.spent ?? {}).map(([stage, ms]) => `${stage} ${millis(ms)}`).join(", ");
  const passed = (one.passed ?? []).map(({ upstream, why }) => `${upstream} (${why})`).join(", ");
  const facts = [
    ["Stopped", `in ${one.stage}, cause ${one.cause}${one.hop ? `, by ${one.hop}` : ""}`], ["Deadline set by", [one.origin, one.origin_detail, one.origin_hop].filter(Boolean).join(" ")],
    ["Budget", millis(one.budget_ms)], ["Stopped after", millis(one.elapsed_ms)], ["Answer ended", `${one.ended} after ${millis(one.duration_ms)}`], ["Time by stage", spent],
    ["Route", one.route], ["Policy", one.policy], ["Upstream", one.upstream], ["Attempts", one.attempts], ["Passed by", passed],
    ["Host", one.host], ["Path", one.path], ["Client", one.client], ["Request id", one.id], ["Trace", one.trace], ["Time", one.time],
  ];
  const hops = makeHops(one, here);
  return el("div", { class: "detail" }, ...(hops === null ? [] : [hops]), el("dl", { class: "facts" }, ...facts.flatMap(([name, value]) => fact(name, value))));
}

/** The hops behind this one, nearest first: each begins when the one before it sent. */
function makeHops(one, here) {
  const hops = (one.hops ?? []).map(parseHop).filter((hop) => hop !== null).reverse();
  if (hops.length > 0 && hops[0].name === here) hops.shift();
  if (hops.length === 0) return null;
  const { steps, at } = scale(one);
  let start = steps.find(([, , stage]) => stage === "upstream")?.[0] ?? 0;
  const rows = hops.map((hop) => {
    const row = makeHop(hop, start, at);
    start += number(hop, "sent");
    return row;
  });
  return el("div", { class: "hops", role: "group", "aria-label": "Hops downstream" }, ...rows);
}

function makeHop(hop, start, at) {
  // Which came when is not told: what it did itself is drawn around what it waited for.
  const order = ["queue", "own", "pool", "backoff", "connect", "upstream", "database", "request_body", "response_body"];
  let from = start;
  const bars = [bar("own", at(start), at(start + hop.took))];
  for (const stage of order.filter((stage) => number(hop, stage) > 0)) {
    bars.push(bar(stageClass(stage), at(from), at(from + number(hop, stage))));
    from += number(hop, stage);
  }
  const stop = hop.words.get("stage") ? `, stopped in ${hop.words.get("stage")}` : "";
  const words = order.filter((stage) => number(hop, stage) > 0).map((stage) => `${stage} ${millis(number(hop, stage))}`).join(", ");
  return el("div", {}, el("span", { class: "name" }, el("span", { class: "mono" }, hop.name), stop), picture(`${hop.name}: ${words}${stop}`, bars, []), el("span", { class: "took" }, el("b", {}, millis(hop.took)), hop.words.has("budget") ? ` of ${millis(number(hop, "budget"))}` : ""));
}
