
// The parts of the page that are made of numbers.

const CAUSES = ["deadline", "client_gone", "shutdown", "superseded", "cancelled"];
const STAGES = ["arrival", "queue", "request_body", "handler", "pool", "connect", "upstream", "response_body", "database", "backoff", "unsent"];

/** From here on an upstream is asked too often, and from here on far too often. */
const AMPLIFIED = [1.3, 2.8];

/** All words of the filter stand somewhere in these texts. */
function passes(filter, ...texts) {
  const text = texts.filter((text) => text !== undefined && text !== null).join(" ").toLowerCase();
  return filter.every((word) => text.includes(word));
}

/** How many are shown, and what is said where there are none. */
function counted(id, shown, all, none) {
  say($(`${id}-count`), all === 0 ? "" : shown === all ? whole(all) : `${whole(shown)} of ${whole(all)}`);
  $(`${id}-none`).hidden = shown > 0;
  say($(`${id}-none`), all === 0 ? none : "Nothing here has the words of the filter.");
}

const isOf = (label, value) => (labels) => labels.get(label) === value;

const ROUTE_REQUESTS = "deadline_proxy_route_requests_total";
const ROUTE_SECONDS = "deadline_proxy_route_seconds";
const REQUESTS = "deadline_requests_total";
const EXCEEDED = "deadline_exceeded_total";
const ATTEMPTS = "deadline_attempts_total";

function drawGlance({ looks, upstreams, config }) {
  const metrics = looks.metrics;
  const requests = metrics.has(ROUTE_REQUESTS) ? ROUTE_REQUESTS : REQUESTS;
  const [asked, late] = [looks.growth(REQUESTS), looks.growth(EXCEEDED, isOf("cause", "deadline"))];
  const { buckets } = looks.buckets(ROUTE_SECONDS);
  const amplified = ratio(looks, () => true);
  const endpoints = (upstreams?.upstreams ?? []).flatMap((upstream) => upstream.endpoints);
  const ill = endpoints.filter((endpoint) => endpoint.ejected_for !== null || endpoint.health === "unhealthy");
  const refused = total(metrics, "deadline_proxy_config_refused") > 0;
  const tiles = [
    { name: "Requests", value: pace(looks.rate(requests)), unit: "/s", more: `${whole(total(metrics, requests))} in all`, rates: looks.rates(requests) },
    { name: "Past their deadline", value: asked === 0 ? "–" : percent(Math.min(1, late / asked)), more: `${whole(late)} in the last minute`, tone: late > 0 ? (late / Math.max(asked, 1) > 0.05 ? "is-bad" : "is-warn") : "" },
    { name: "p99", value: time(quantile(buckets, 0.99)), more: `p50 ${time(quantile(buckets, 0.5))}` },
    { name: "Attempts/request", value: amplified === null ? "–" : amplified.toFixed(2), more: amplified === null ? "no attempts counted" : "in the last minute", tone: tone(amplified) },
    { name: "Endpoints", value: whole(endpoints.length - ill.length), unit: ` of ${whole(endpoints.length)}`, more: ill.length > 0 ? `${whole(ill.length)} unhealthy or ejected` : "none is left out", tone: ill.length > 0 ? "is-bad" : "" },
    { name: "Configuration", value: config ? `No. ${whole(total(metrics, "deadline_proxy_config_generation"))}` : "–", more: refused ? "a newer one was refused" : "the newest", tone: refused ? "is-bad" : "" },
  ];
  keep($("glance"), tiles, (tile) => tile.name, makeTile, (element, tile) => {
    const at = parts(element);
    mark(element, "class", tile.tone ?? "");
    say(at.value, tile.value);
    say(at.unit, tile.unit ?? "");
    say(at.more, tile.more);
    if (tile.rates) drawSpark(at.more.nextSibling, tile.rates);
  });
}

function makeTile(tile) {
  const value = el("dd", { class: "value" }, el("span", { "data-p": "value" }), el("small", { "data-p": "unit" }));
  const more = el("dd", { class: "more" }, el("span", { "data-p": "more" }));
  if (tile.rates) more.append(spark());
  return el("div", {}, el("dt", {}, tile.name), value, more);
}

const tone = (amplified) => (amplified === null || amplified < AMPLIFIED[0] ? "" : amplified < AMPLIFIED[1] ? "is-warn" : "is-bad");

/** Attempts for each request, of the last minute where there were any. */
function ratio(looks, match) {
  if (!looks.metrics.has(ATTEMPTS)) return null;
  const [attempts, requests] = [looks.growth(ATTEMPTS, match), looks.growth(REQUESTS, match)];
  if (requests > 0) return attempts / requests;
  const all = total(looks.metrics, REQUESTS, match);
  return all > 0 ? total(looks.metrics, ATTEMPTS, match) / all : null;
}

function drawRoutes({ looks, config, filter }) {
  const policies = new Map((config?.routes ?? []).map((route) => [route.name, route.policy?.name]));
  const names = [...new Set([...policies.keys(), ...values(looks.metrics, ROUTE_REQUESTS, "route")])];
  const shown = names.filter((name) => passes(filter, name, policies.get(name)));
  counted("routes", shown.length, names.length, "There are no routes.");
  keep($("routes-rows"), shown, (name) => name, makeRoute, (row, name) => {
    const [at, match] = [parts(row), isOf("route", name)];
    say(at.policy, policies.get(name) ?? "not in use");
    say(at.rate, pace(looks.rate(ROUTE_REQUESTS, match)));
    drawSpark(at.rate.nextSibling, looks.rates(ROUTE_REQUESTS, match));
    drawClasses(at, looks, match);
    const { buckets } = looks.buckets(ROUTE_SECONDS, match);
    say(at.p50, time(quantile(buckets, 0.5)));
    say(at.p99, time(quantile(buckets, 0.99)));
    say(at.all, whole(total(looks.metrics, ROUTE_REQUESTS, match)));
  });
}

function makeRoute(name) {
  const cell = (label, attributes, ...children) => el("td", { role: "cell", "data-label": label, ...attributes }, ...children);
  return el(
    "tr", { role: "row" },
    el("th", { role: "rowheader", scope: "row" }, name),
    cell("Policy", { "data-p": "policy" }),
    cell("Requests/s", { class: "across" }, el("span", { class: "pace" }, el("b", { "data-p": "rate" }), spark())),
    cell("Answers, last minute", { class: "across" }, el("span", { class: "classes" }, svg("svg", { class: "bar", "data-p": "bar", "aria-hidden": "true" }), el("span", { "data-p": "classes" }))),
    cell("p50", { "data-p": "p50" }), cell("p99", { "data-p": "p99" }), cell("In all", { "data-p": "all" }),
  );
}

function drawClasses(at, looks, match) {
  const classes = values(looks.metrics, ROUTE_REQUESTS, "status").sort();
  const counts = classes.map((status) => {
    const count = looks.growth(ROUTE_REQUESTS, (labels) => match(labels) && labels.get("status") === status);
    return { status, count, kind: /^[1-5]xx$/.test(status) ? `c${status[0]}` : "c0" };
  });
  const some = counts.filter((one) => one.count > 0);
  drawShares(at.bar, some);
  const texts = some.flatMap(({ status, count }) => [`${status === "none" ? "unanswered" : status} `, el("b", {}, whole(count)), "  "]);
  at.classes.replaceChildren(...(texts.length > 0 ? texts : ["none"]));
}

function drawMatrix({ looks, filter }) {
  const passing = (labels) => filter.length === 0 || passes(filter, labels.get("policy"));
  const cell = (stage, cause) => {
    const match = (labels) => (!stage || labels.get("stage") === stage) && (!cause || labels.get("cause") === cause) && passing(labels);
    return { count: total(looks.metrics, EXCEEDED, match), recent: looks.growth(EXCEEDED, match) };
  };
  const causes = CAUSES.filter((cause) => cause === "deadline" || cell(null, cause).count > 0);
  const stages = STAGES.filter((stage) => cell(stage, null).count > 0);
  const most = Math.max(...stages.flatMap((stage) => causes.map((cause) => cell(stage, cause).count)), 1);
  const td = ({ count, recent }, isSum) => {
    const told = count === 0 ? [el("span", { class: "zero" }, "·")] : [whole(count), el("small", {}, recent > 0 ? `+${whole(recent)}` : "")];
    const cell = el("td", {}, ...told);
    // Of the square root: what is rare is to be seen beside what is not.
    if (!isSum) cell.style.setProperty("--heat", Math.sqrt(count / most).toFixed(3));
    return cell;
  };
  const th = (scope, text, ...before) => el("th", { scope }, ...before, text);
  const rows = stages.map((stage) => el("tr", {}, el("th", { scope: "row", class: `s-${stage}` }, el("i"), stage), ...causes.map((cause) => td(cell(stage, cause)))));
  const sums = el("tr", {}, th("row", "all stages"), ...causes.map((cause) => td(cell(null, cause), true)));
  $("matrix").replaceChildren(
    el("thead", {}, el("tr", {}, th("col", "stage"), ...causes.map((cause) => th("col", cause)))),
    el("tbody", {}, ...rows), el("tfoot", {}, sums),
  );
  $("matrix").hidden = stages.length === 0;
  $("matrix-none").hidden = stages.length > 0;
}

function drawPolicies({ looks, config, filter }) {
  const told = new Map((config?.routes ?? []).map((route) => [route.policy.name, route.policy]));
  const names = [...new Set([...told.keys(), ...values(looks.metrics, REQUESTS, "policy")])];
  const shown = names.filter((name) => passes(filter, name, ...(config?.routes ?? []).filter((route) => route.policy.name === name).map((route) => route.name)));
  counted("policies", shown.length, names.length, "There are no policies.");
  keep($("policies-list"), shown, (name) => name, makePolicy, (element, name) => {
    const [at, match, policy] = [parts(element), isOf("policy", name), told.get(name)];
    const limits = policy ? [policy.timeout ? `timeout ${policy.timeout}` : "no timeout", policy.max ? `max ${policy.max}` : "", policy.mode === "observe" ? "observes only" : ""] : ["not in use"];
    say(at.told, limits.filter((limit) => limit !== "").join(", "));
    say(at.rate, `${pace(looks.rate(REQUESTS, match))}/s`);
    const [asked, late] = [looks.growth(REQUESTS, match), looks.growth(EXCEEDED, (labels) => match(labels) && labels.get("cause") === "deadline")];
    say(at.late, asked === 0 ? "–" : percent(Math.min(1, late / asked)));
    mark(at.late, "class", late > 0 ? "is-bad" : "");
    const amplified = ratio(looks, match);
    say(at.amplified, amplified === null ? "–" : amplified.toFixed(2));
    mark(at.amplified, "class", tone(amplified));
    drawPair(at, looks.buckets("deadline_budget_seconds", match), looks.buckets("deadline_headroom_seconds", match));
  });
}

function makePolicy(name) {
  const figure = (kind, title) => el(
    "figure", { class: kind },
    el("figcaption", {}, el("span", {}, title), el("span", { "data-p": `${kind}-told` })),
    svg("svg", { role: "img", "data-p": kind }),
    el("div", { class: "axis", "aria-hidden": "true" }, el("span", { "data-p": `${kind}-from` }), el("span", { "data-p": `${kind}-to` })),
  );
  const pair = (text, part) => el("span", {}, `${text} `, el("b", { "data-p": part }));
  return el(
    "article", { class: "policy", "aria-label": `Policy ${name}` },
    el("header", {}, el("h3", {}, name), el("span", { class: "told", "data-p": "told" })),
    el("p", { class: "pairs" }, pair("requests", "rate"), pair("past their deadline", "late"), pair("attempts per request", "amplified")),
    el("div", { class: "figures" }, figure("budget", "Budget"), figure("headroom", "Headroom")),
  );
}

/** Two histograms over the same bounds, so that they can be compared by eye. */
function drawPair(at, budget, headroom) {
  const both = budget.buckets.map((bucket, nth) => bucket.count + (headroom.buckets[nth]?.count ?? 0));
  let [first, last] = [both.findIndex((count) => count > 0), both.findLastIndex((count) => count > 0)];
  // One bar alone is no picture.
  while (first >= 0 && last - first < 7 && last - first < both.length - 1) [first, last] = [Math.max(0, first - 1), Math.min(both.length - 1, last + 1)];
  for (const [kind, title, { buckets, isRecent }] of [["budget", "Budget", budget], ["headroom", "Headroom", headroom]]) {
    const shown = first < 0 ? [] : buckets.slice(first, last + 1);
    const [half, count] = [bound(buckets, 0.5), buckets.reduce((sum, bucket) => sum + bucket.count, 0)];
    drawBars(at[kind], shown);
    at[`${kind}-told`].replaceChildren(...(half === null ? ["nothing yet"] : ["half ", el("b", {}, upTo(half))]));
    const from = first > 0 ? (buckets[first - 1]?.le ?? 0) : 0;
    const to = shown.at(-1)?.le;
    say(at[`${kind}-from`], shown.length === 0 ? "" : from === 0 ? "0" : time(from));
    say(at[`${kind}-to`], to === undefined ? "" : to === Infinity ? "more" : time(to));
    const told = half === null ? "nothing yet" : `half ${upTo(half)}, nine of ten ${upTo(bound(buckets, 0.9))}, of ${whole(count)} ${isRecent ? "in the last minute" : "since the start"}`;
    mark(at[kind], "aria-label", `${title}: ${told}`);
  }
}

function drawUpstreams({ looks, upstreams, filter }) {
  const all = upstreams?.upstreams ?? [];
  const shown = all.filter((upstream) => passes(filter, upstream.name, ...upstream.endpoints.flatMap((endpoint) => [endpoint.address, endpoint.target])));
  counted("upstreams", shown.length, all.length, "There are no upstreams.");
  keep($("upstreams-list"), shown, (upstream) => upstream.name, makeUpstream, (element, upstream) => {
    const [at, match] = [parts(element), isOf("upstream", upstream.name)];
    const amplification = (looks.metrics.get("deadline_proxy_retry_amplification") ?? []).find((series) => match(series.labels));
    const amplified = amplification ? amplification.value : null;
    say(at.amplified, amplified ? amplified.toFixed(2) : "–");
    mark(at.amplified, "class", tone(amplified));
    say(at.attempts, `${pace(looks.rate("deadline_proxy_attempts_total", match))}/s`);
    say(at.ejections, whole(total(looks.metrics, "deadline_proxy_ejections_total", match)));
    const pool = (state) => (looks.metrics.get("deadline_proxy_pool_connections") ?? []).find((series) => match(series.labels) && series.labels.get("state") === state)?.value;
    const [busy, idle] = [pool("busy"), pool("idle")];
    say(at.pool, busy === undefined && idle === undefined ? "–" : `${whole(busy ?? 0)} busy, ${whole(idle ?? 0)} idle`);
    const { buckets } = looks.buckets("deadline_proxy_pool_wait_seconds", match);
    say(at.wait, time(quantile(buckets, 0.99)));
    keep(at.rows, upstream.endpoints, (endpoint) => `${endpoint.address} ${endpoint.target}`, makeEndpoint, drawEndpoint);
    at.bare.hidden = upstream.endpoints.length > 0;
    at.table.hidden = upstream.endpoints.length === 0;
  });
}

function makeUpstream(upstream) {
  const head = (text, kind = "") => el("th", { role: "columnheader", scope: "col", class: kind }, text);
  const pair = (text, part) => el("span", {}, `${text} `, el("b", { "data-p": part }));
  const heads = el("tr", { role: "row" }, head("Endpoint"), head("State"), head("Failures", "n"), head("Ejections", "n"), head("Connections", "n"));
  return el(
    "article", { class: "upstream", "aria-label": `Upstream ${upstream.name}` },
    el("header", {}, el("h3", {}, upstream.name), pair("attempts", "attempts"), pair("per request", "amplified"), pair("pool", "pool"), pair("waited for, p99", "wait"), pair("ejections", "ejections")),
    el("table", { class: "rows ends", role: "table", "data-p": "table", "aria-label": `Endpoints of ${upstream.name}` }, el("thead", { role: "rowgroup" }, heads), el("tbody", { role: "rowgroup", "data-p": "rows" })),
    el("p", { class: "is-bad", "data-p": "bare" }, "Its name has no address."),
  );
}

function makeEndpoint(endpoint) {
  const cell = (label, part, kind) => el("td", { role: "cell", "data-label": label, "data-p": part, class: kind });
  const target = endpoint.target.endsWith(endpoint.address) ? endpoint.target : `${endpoint.address} (${endpoint.target})`;
  return el("tr", { role: "row" }, el("th", { role: "rowheader", scope: "row", class: "mono across" }, target), cell("State", "state", ""), cell("Failures", "failures", "n"), cell("Ejections", "ejected", "n"), cell("Connections", "connections", "n"));
}

function drawEndpoint(row, endpoint) {
  const at = parts(row);
  const isIll = endpoint.ejected_for !== null || endpoint.health === "unhealthy";
  say(at.state, endpoint.ejected_for !== null ? `ejected, ${time(Math.ceil(parseFloat(endpoint.ejected_for) / 1000))} left` : endpoint.health === "unknown" ? "in use" : endpoint.health);
  mark(at.state, "class", isIll ? "is-bad" : "is-good");
  say(at.failures, whole(endpoint.failures));
  say(at.ejected, whole(endpoint.ejections));
  say(at.connections, whole(endpoint.connections));
}

function drawConfiguration({ looks, config }) {
  if (!config) return;
  const metrics = looks.metrics;
  const refused = total(metrics, "deadline_proxy_config_refused") > 0;
  say($("hop"), config.hop ?? "");
  say($("configuration-number"), `generation ${whole(total(metrics, "deadline_proxy_config_generation"))}${refused ? "; a newer one was refused, see the log" : ""}`);
  mark($("configuration-number"), "class", refused ? "count is-bad" : "count");
  const facts = [
    ["Listeners", config.listeners.map((listener) => `${listener.address}${listener.tls ? " TLS" : ""}${listener.side === "edge" ? " edge" : ""}`).join(", ")],
    ["Admin", config.admin], ["Workers", whole(config.workers)], ["Drain timeout", config.drain_timeout],
    ["Connections at most", whole(config.limits.max_connections)], ["Access log", config.access_log.requests],
    ["Retry budget", `${percent(config.retry_budget.ratio)} and ${config.retry_budget.min_per_second}/s`],
    ["Stopped requests kept", whole(config.expired ?? 0)],
  ];
  keep($("facts"), facts, ([name]) => name, ([name]) => el("div", {}, el("dt", {}, name), el("dd")), (element, [, value]) => say(element.lastChild, String(value)));
  say($("config"), JSON.stringify(config, null, 2));
}
