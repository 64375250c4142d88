// Asks for the status once a second with the token, and shows it. Everything that comes from the
// server is put in as text, never as markup: names of clients are what clients wrote.
"use strict";

const TOKEN = "tidegate-admin-token";
const POLL_MS = 1000;
const ANSWER_WITHIN_MS = 10000;
const SAMPLES = 60;
const MOST_CLIENTS = 20;

const byId = (id) => document.getElementById(id);
const number = new Intl.NumberFormat("en");
const history = { requests: [], rejects: [] };
let last = null;
let timer = 0;
let session = 0; // an answer to an earlier token is not shown

// A browser may forbid to keep anything.
let kept = null;
function keepToken(token) {
  kept = token;
  try {
    if (token === null) sessionStorage.removeItem(TOKEN);
    else sessionStorage.setItem(TOKEN, token);
  } catch { /* kept in memory alone */ }
}
function keptToken() {
  try {
    return kept ?? sessionStorage.getItem(TOKEN);
  } catch {
    return kept;
  }
}

function showError(text) {
  const error = byId("error");
  if (error.textContent !== text) error.textContent = text;
  error.hidden = text === "";
}

function leave(why) {
  session += 1;
  clearTimeout(timer);
  keepToken(null);
  last = null;
  history.requests.length = history.rejects.length = 0;
  byId("figures").hidden = byId("health").hidden = byId("leave").hidden = true;
  byId("enter").hidden = false;
  byId("token").value = "";
  byId("token").focus();
  showError(why);
}

async function poll(mine) {
  let response;
  let status;
  try {
    response = await fetch("status", {
      headers: { Authorization: `Bearer ${keptToken()}` },
      cache: "no-store",
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    });
    if (response.ok) status = await response.json();
  } catch (error) {
    if (mine !== session) return;
    showError(`No answer from the server (${error.message}). The figures are from before; asking again.`);
    timer = setTimeout(poll, POLL_MS, mine);
    return;
  }
  if (mine !== session) return;
  if (response.status === 401) return leave("The server refused this token (401).");
  if (response.status === 404) return leave("The admin endpoints are switched off (404): no token is configured.");
  if (!response.ok) {
    showError(`The server answered ${response.status}. The figures are from before; asking again.`);
  } else {
    showError("");
    show(status);
  }
  timer = setTimeout(poll, POLL_MS, mine);
}

function enter(token) {
  keepToken(token);
  session += 1;
  poll(session);
}

// Figures.

const sum = (object) => Object.values(object).reduce((a, b) => a + b, 0);
const rejected = (totals) => totals.requests.denied + totals.requests.failed_closed;
const keyOf = (totals) => JSON.stringify([totals.endpoint, totals.tier]);

/// Counts a second since the last status; null without one.
function rateOf(now, before, seconds) {
  return seconds > 0 ? Math.max(0, now - before) / seconds : null;
}
function rateText(rate) {
  if (rate === null) return "-";
  return rate >= 100 ? number.format(Math.round(rate)) : rate.toFixed(1);
}

function ageText(seconds) {
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} days`;
}

function drawChart(svg, samples, what) {
  const top = Math.max(1, ...samples);
  const points = samples.map((sample, i) =>
    `${(240 * (SAMPLES - samples.length + i)) / (SAMPLES - 1)},${46 - (44 * sample) / top}`);
  let line = svg.querySelector("polyline");
  if (!line) {
    line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
    for (const [name, value] of Object.entries({
      fill: "none", stroke: "currentColor", "stroke-width": 2, "vector-effect": "non-scaling-stroke",
    })) line.setAttribute(name, value);
    svg.append(line);
  }
  line.setAttribute("points", points.join(" "));
  svg.setAttribute("aria-label", `${what} over the last ${samples.length} seconds, at most ${rateText(top)}`);
}

function cell(content, type = "td", className = "") {
  const element = document.createElement(type);
  element.className = className;
  if (content instanceof Node) element.append(content);
  else element.textContent = content;
  return element;
}

function fillTable(id, emptyId, rows) {
  byId(id).tBodies[0].replaceChildren(...rows.map((cells) => {
    const row = document.createElement("tr");
    row.append(...cells);
    return row;
  }));
  byId(id).hidden = rows.length === 0;
  byId(emptyId).hidden = rows.length !== 0;
}

function usageMeter(usage) {
  const meter = document.createElement("meter");
  meter.max = Math.max(1, usage.limit);
  meter.high = 0.8 * meter.max;
  meter.optimum = 0;
  meter.value = usage.used;
  meter.textContent = `${usage.used} of ${usage.limit}`;
  meter.setAttribute("aria-label", meter.textContent);
  return meter;
}

function showState(status) {
  const reload = status.reload;
  const store = status.store;
  const state = [
    ["Backend", status.backend],
    ["Breaker", status.breaker, status.breaker !== "closed"],
    ["When the store fails", status.failure_mode],
    ["Configuration", `generation ${reload.generation}`],
    ["Reloads", `${number.format(reload.ok)} taken, ${number.format(reload.failed)} refused`],
    ["Overflow", number.format(store.overflow), store.overflow > 0],
    ["Conflicts, repairs", `${number.format(store.conflicts)}, ${number.format(store.repairs)}`, store.repairs > 0],
    ["Wrong admin tokens", number.format(status.admin_denied)],
  ];
  if (reload.last_error !== null) {
    const age = ageText((status.time_us - reload.last_error_us) / 1e6);
    state.push([`Last reload, ${age} ago`, reload.last_error, true]);
  }
  for (const [verdict, count] of Object.entries(status.tokens)) {
    state.push([`Tokens: ${verdict}`, number.format(count)]);
  }
  for (const [reason, count] of Object.entries(status.identity_warnings)) {
    state.push([`Doubts: ${reason}`, number.format(count), true]);
  }
  byId("state").replaceChildren(...state.map(([name, value, bad]) => {
    const pair = document.createElement("div");
    pair.append(cell(name, "dt"), cell(value, "dd", bad ? "bad" : ""));
    return pair;
  }));
  byId("warnings").replaceChildren(...status.warnings.map((warning) => cell(warning, "li")));
}

function show(status) {
  const seconds = last ? (status.time_us - last.time_us) / 1e6 : 0;
  const before = new Map((last?.totals ?? []).map((totals) => [keyOf(totals), totals]));
  let requests = 0;
  let rejects = 0;
  const rules = status.totals.map((totals) => {
    const was = before.get(keyOf(totals));
    const requestRate = rateOf(sum(totals.requests), was ? sum(was.requests) : 0, seconds);
    const rejectRate = rateOf(rejected(totals), was ? rejected(was) : 0, seconds);
    requests += requestRate ?? 0;
    rejects += rejectRate ?? 0;
    return [
      cell(totals.endpoint), cell(totals.tier),
      ...[rateText(requestRate), rateText(rejectRate), number.format(sum(totals.requests)),
        number.format(rejected(totals))].map((text) => cell(text, "td", "number")),
    ];
  });
  fillTable("rules", "nothing", rules);
  fillTable("busiest", "nobody", status.busiest.slice(0, MOST_CLIENTS).map((usage) => [
    cell(usage.client), cell(usage.endpoint), cell(usage.tier),
    cell(number.format(usage.used), "td", "number"), cell(usageMeter(usage)),
  ]));
  const more = status.busiest.length - MOST_CLIENTS;
  byId("more").textContent = `and ${more} more, which the status names`;
  byId("more").hidden = more <= 0;

  if (last && seconds > 0) {
    for (const [name, rate] of Object.entries({ requests, rejects })) {
      history[name].push(rate);
      if (history[name].length > SAMPLES) history[name].shift();
    }
    drawChart(byId("requests-chart"), history.requests, "Requests a second");
    drawChart(byId("rejects-chart"), history.rejects, "Rejected a second");
  }
  byId("requests-rate").textContent = rateText(last ? requests : null);
  byId("rejects-rate").textContent = rateText(last ? rejects : null);

  const fill = status.store.entries / status.store.capacity;
  byId("fill").textContent = `${(100 * fill).toFixed(fill < 0.1 ? 2 : 1)} %`;
  byId("fill-meter").value = fill;
  byId("fill-text").textContent =
    `${number.format(status.store.entries)} of ${number.format(status.store.capacity)} entries`;

  const health = byId("health");
  health.textContent = status.health;
  health.className = `badge ${status.health}`;
  showState(status);
  byId("about").textContent = `tidegate ${status.version}, running for ${ageText((status.time_us - status.started_us) / 1e6)}. `
    + "Counts are those of all processes that share the segment.";
  byId("enter").hidden = true;
  health.hidden = byId("figures").hidden = byId("leave").hidden = false;
  last = status;
}

byId("enter").addEventListener("submit", (event) => {
  event.preventDefault();
  enter(byId("token").value);
});
byId("leave").addEventListener("click", () => leave(""));
if (keptToken() !== null) enter(keptToken());
