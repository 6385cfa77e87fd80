
// Asks, again and again, and shows what it is told.

const EVERY = 2_000;
const PATIENCE = 5_000;
const THEMES = ["auto", "light", "dark"];

const told = { looks: new Looks(), upstreams: null, expired: null, config: null, generation: null, filter: [] };
let [timer, isPaused, isAsking, lastAnswer] = [null, false, false, null];

async function ask(path) {
  const answer = await fetch(path, { cache: "no-store", credentials: "omit", signal: AbortSignal.timeout(PATIENCE) });
  if (!answer.ok) throw new Error(`${answer.status} ${(await answer.text()).trim().slice(0, 200)}`);
  return answer;
}

async function look() {
  if (isAsking) return;
  isAsking = true;
  clearTimeout(timer);
  const wanted = [
    ["/metrics", async (answer) => told.looks.add(Date.now(), parseMetrics(await answer.text()))],
    ["/upstreams", async (answer) => { told.upstreams = await answer.json(); }],
    ["/expired", async (answer) => { told.expired = await answer.json(); }],
  ];
  const troubles = (await Promise.all(wanted.map(take))).filter((trouble) => trouble !== null);
  const generation = total(told.looks.metrics, "deadline_proxy_config_generation");
  // It changes only with its number.
  if (told.config === null || generation !== told.generation) {
    const trouble = await take(["/config", async (answer) => { told.config = await answer.json(); }]);
    if (trouble === null) told.generation = generation;
    else troubles.push(trouble);
  }
  isAsking = false;
  if (troubles.length < wanted.length) lastAnswer = Date.now();
  draw();
  tellTroubles(troubles);
  if (!isPaused && !document.hidden) timer = setTimeout(look, EVERY);
}

/** Why it could not be had, or `null`. */
async function take([path, use]) {
  try {
    await use(await ask(path));
    return null;
  } catch (error) {
    return `${path}: ${error.name === "TimeoutError" ? `no answer in ${PATIENCE / 1000} s` : error.message}`;
  }
}

function draw() {
  for (const part of [drawGlance, drawRequests, drawRoutes, drawMatrix, drawPolicies, drawUpstreams, drawConfiguration]) part(told);
  tellNews();
}

function tellTroubles(troubles) {
  const since = lastAnswer === null ? "It has not answered yet" : `Its last answer came at ${new Date(lastAnswer).toLocaleTimeString("en-GB")}`;
  const isLost = troubles.length >= 3;
  const text = isLost ? `The admin listener does not answer. ${since}, and what stands here is as old.\n${troubles.join("\n")}` : troubles.join("\n");
  $("trouble").hidden = troubles.length === 0;
  say($("trouble"), text);
  $("main").classList.toggle("stale", isLost);
  tellState(isLost);
}

function tellState(isLost) {
  const [state, text] = isPaused ? ["paused", "paused"] : isLost ? ["lost", "no answer"] : ["live", `live, every ${EVERY / 1000} s`];
  mark($("state"), "data-state", state);
  say($("state-text"), text);
  document.title = `${isLost ? "✕ " : ""}${told.config?.hop ?? "deadline-proxy"} · deadline-proxy`;
}

const news = { last: 0, newest: undefined, generation: null };

/** For who does not see it: what is new, and not too often. */
function tellNews() {
  const requests = told.expired?.requests ?? [];
  const newest = requests[0] && `${requests[0].time} ${requests[0].id}`;
  const at = requests.findIndex((one) => `${one.time} ${one.id}` === news.newest);
  const isFirst = news.newest === undefined;
  if (isFirst) news.newest = newest ?? null;
  else if (newest && newest !== news.newest && Date.now() - news.last > 10_000) {
    const count = at < 0 ? requests.length : at;
    say($("news"), `${whole(count)} more ${count === 1 ? "request was" : "requests were"} stopped; the last in ${requests[0].stage}, cause ${requests[0].cause}.`);
    [news.newest, news.last] = [newest, Date.now()];
  }
  if (news.generation !== null && told.generation !== news.generation) say($("news"), `Configuration ${told.generation} is in use.`);
  news.generation = told.generation;
}

function setTheme(theme) {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  say($("theme"), `Theme: ${theme}`);
}

/** A browser may refuse to remember. */
function remembered(theme) {
  try {
    if (theme !== undefined) localStorage.setItem("deadline-theme", theme);
    const known = localStorage.getItem("deadline-theme");
    return THEMES.includes(known) ? known : "auto";
  } catch {
    return theme ?? "auto";
  }
}

let theme = remembered();
setTheme(theme);
$("theme").addEventListener("click", () => {
  theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
  remembered(theme);
  setTheme(theme);
});

$("pause").addEventListener("click", () => {
  isPaused = !isPaused;
  mark($("pause"), "aria-pressed", String(isPaused));
  say($("pause"), isPaused ? "Resume" : "Pause");
  tellState(false);
  if (isPaused) clearTimeout(timer);
  else look();
});

$("filter").addEventListener("input", () => {
  told.filter = $("filter").value.toLowerCase().split(/\s+/).filter((word) => word !== "");
  draw();
});

document.addEventListener("keydown", (event) => {
  const isWriting = event.target instanceof HTMLInputElement;
  if (event.key === "/" && !isWriting && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    $("filter").focus();
    $("filter").select();
  }
  if (event.key === "Escape" && isWriting) {
    event.target.value = "";
    event.target.dispatchEvent(new Event("input"));
    event.target.blur();
  }
});

document.addEventListener("visibilitychange", () => {
  if (document.hidden) clearTimeout(timer);
  else if (!isPaused) look();
});

makeLegend();
look();
