// @ts-check
/**
 * @file The page at `/`: the lists of one user, the best sellers and the state of the server. It refreshes itself.
 *
 *   GET /v1/stream (or /v1/status every 2 s) ─▶ drawStatus     header, meters, sources, indexes, dead letters
 *   lists and best sellers, once a second    ─▶ refresh        drawShelf, drawBars
 *   click on a product                       ─▶ choose         its similar products, from which one can walk on
 *   the form for a product                   ─▶ addProduct     POST /v1/products, then buyOne: POST /v1/purchases
 *
 * Where the server needs a key, the page is opened with `#key=vt_…` behind its address, and polls the status.
 * Lists of models are shown while their indexes are among those of the status.
 * Values from the server are inserted as text, never as markup.
 */

/** @typedef {{stream: string, partition: number, next: number, end: number, lag: number}} Partition */
/** @typedef {{name: string, state: string, reason: ?string, accepted: number, ignored: Record<string, number>, rejected: Record<string, number>, partitions: Partition[]}} Source */
/** @typedef {{version: string, as_of: string, as_of_ms: number, ready: boolean, reason: ?string, uptime_s: number, workers: number, embedded: string[], sources: Source[],
 *   indexes: Record<string, {rows: number, batches: number}>, categories: string[], events_total: number, dead_letters: Record<string, number>, memory_bytes: number,
 *   has_rows: boolean, ticks_total: number, requests_total: number}} Status */
/** @typedef {{product: string, place: number}} Because */
/** @typedef {{product: string, viewed_at?: string, category?: ?string, buyers?: number, rank?: number, source?: string, weight?: number, viewers?: number, views?: Because[],
 *   orders?: number, orders_ago?: number}} Why */
/** @typedef {"history" | "recommendations" | "for-you" | "buy-again" | "similar"} ShelfName */
/** @typedef {{products: string[], type: string, as_of: string, explain?: Why[]}} ShelfAnswer */
/** @typedef {{product: string, buyers: number}} Seller */
/** @typedef {{products: Seller[], as_of: string}} SellersAnswer */

const REFRESH_MS = 1_000; // between two refreshes of the lists
const POLL_MS = 2_000; // between two polls of the status while the stream sends nothing
const LOST_MS = 4_000; // without a status for this long, the page shows "Not connected"
const REOPEN_MS = 10_000; // a stream that sends nothing for this long is reopened
const ANSWER_MS = 2_500; // timeout of a read
const REMOVE_MS = 10_000; // timeout of a removal or another write, which waits for durable storage
const TYPING_MS = 300; // a pause in typing after which the user id is taken as complete
const POINTS_MAX = 120; // values in a sparkline

// ---- Text

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const short = new Intl.NumberFormat("en", { maximumSignificantDigits: 3, notation: "compact" });

/** @param {number} value a count or a rate */
const count = (value) => (value < 10 ? tenths : value < 1e6 ? whole : short).format(value);

/** @param {number} ms a duration */
function duration(ms) {
  if (ms < 10_000) return `${whole.format(ms)} ms`;
  const [size, unit] = ms < 120_000 ? [1e3, "s"] : ms < 7_200_000 ? [6e4, "min"] : ms < 172_800_000 ? [36e5, "h"] : [864e5, "d"];
  return `${whole.format(Math.floor(ms / Number(size)))} ${unit}`;
}

/** @param {number} ms how long ago */
const ago = (ms) => (ms < 1_000 ? "just now" : `${ms < 10_000 ? `${Math.floor(ms / 1_000)} s` : duration(ms)} ago`);

/** @param {number} bytes */
function size(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const step = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  return `${short.format(bytes / 1024 ** step)} ${units[step]}`;
}

/** @param {string} instant RFC 3339 @returns {string} its time of day in UTC, with milliseconds */
const timeOfDay = (instant) => new Date(instant).toISOString().slice(11, 23);

/** @param {string} verb @param {Record<string, number>} counts @returns {string} for example ` · ignored 31 click, 4 purchase` */
function listed(verb, counts) {
  const each = Object.entries(counts).map(([what, n]) => `${whole.format(n)} ${what}`);
  return each.length > 0 ? ` · ${verb} ${each.join(", ")}` : "";
}

// ---- Elements

/** @param {string} testid @returns {HTMLElement} the one element of that name */
function at(testid) {
  const found = document.querySelector(`[data-testid="${testid}"]`);
  if (!(found instanceof HTMLElement)) throw new Error(`the page has no ${testid}`);
  return found;
}

/** @param {Element} item a copy of a template @param {string} name @returns {HTMLElement} */
const part = (item, name) => /** @type {HTMLElement} */ (item.querySelector(`[data-part="${name}"]`));

/** Writes only a text that has changed, so that selections and screen readers are not disturbed. @param {HTMLElement} element @param {string} text */
function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Makes the children of `list` match `rows`, with one element per key, so that focus and hover stay with their row. Rows that move are animated.
 * @template Row
 * @param {HTMLElement} list
 * @param {string} template id of the template; its parts get `data-testid="{prefix}-{part}"`
 * @param {string} prefix
 * @param {Row[]} rows
 * @param {(row: Row) => string} keyOf
 * @param {(item: HTMLElement, row: Row, isNew: boolean) => void} fill
 */
function keyed(list, template, prefix, rows, keyOf, fill) {
  const focused = document.activeElement;
  const glide = !matchMedia("(prefers-reduced-motion: reduce)").matches;
  const known = new Map([...list.children].map((child) => [/** @type {HTMLElement} */ (child).dataset.key, /** @type {HTMLElement} */ (child)]));
  const places = new Map(glide ? [...known.values()].map((item) => [item, item.getBoundingClientRect()]) : []);
  const wanted = new Set(rows.map(keyOf));
  for (const [key, item] of known) {
    if (wanted.has(key ?? "")) continue;
    if (item.contains(focused)) list.focus(); // not the next row: its button would act on a different product
    item.remove();
  }
  rows.forEach((row, index) => {
    const item = known.get(keyOf(row)) ?? copy(template, prefix, keyOf(row));
    fill(item, row, !known.has(keyOf(row)));
    if (list.children[index] !== item) list.insertBefore(item, list.children[index] ?? null);
  });
  if (focused instanceof HTMLElement && focused !== document.activeElement && list.contains(focused)) focused.focus();
  for (const item of glide ? list.children : []) {
    const [from, to] = [places.get(/** @type {HTMLElement} */ (item)), item.getBoundingClientRect()];
    const body = item.querySelector(":scope > .cell") ?? item; // without the tooltip, which is positioned by the whole list on a narrow screen
    if (!from && places.size > 0) body.animate({ opacity: [0, 1] }, 400);
    else if (from && (from.x !== to.x || from.y !== to.y)) body.animate({ transform: [`translate(${from.x - to.x}px, ${from.y - to.y}px)`, "none"] }, { duration: 250, easing: "ease-out" });
  }
}

/** @param {string} template @param {string} prefix @param {string} key @returns {HTMLElement} */
function copy(template, prefix, key) {
  const source = /** @type {HTMLTemplateElement} */ (document.getElementById(template));
  const item = /** @type {HTMLElement} */ (source.content.firstElementChild?.cloneNode(true));
  for (const named of [item, .../** @type {NodeListOf<HTMLElement>} */ (item.querySelectorAll("[data-part]"))]) named.dataset.testid = `${prefix}-${named.dataset.part}`;
  item.dataset.key = key;
  return item;
}

/** @param {string} testid of a list; its message is hidden when the list has rows @param {number} rows */
const hideMessageIf = (testid, rows) => (at(`${testid}-message`).hidden = rows > 0);

// ---- Asking the server

/** An error answer, with the server's text. */
class Refused extends Error {
  /** @param {number} status @param {string} detail */
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

/** @param {unknown} error @param {string} name */
const isNamed = (error, name) => error instanceof DOMException && error.name === name;

/** Bounds of (browser clock − server clock) in ms, narrowed by the `Date` header of every answer. */
const skew = { least: -Infinity, most: Infinity };

/** @returns {number} the server's time in ms: the browser's time, corrected only if it is certainly wrong */
const now = () => Date.now() - Math.min(Math.max(0, skew.least), skew.most);

/** @param {number} sent @param {?string} date */
function narrowSkew(sent, date) {
  const stamped = Date.parse(date ?? "");
  if (Number.isNaN(stamped)) return;
  const [least, most] = [sent - stamped - 2_000, Date.now() - stamped]; // `Date` has whole seconds, and servers cache it for up to one more
  const agrees = least <= skew.most && most >= skew.least; // otherwise a clock was changed: start over
  skew.least = agrees ? Math.max(skew.least, least) : least;
  skew.most = agrees ? Math.min(skew.most, most) : most;
}

/** @returns {string} the key of the API, which the address handed over once, or "" */
function key() {
  const given = /^#key=(.+)$/.exec(location.hash);
  if (given) {
    sessionStorage.setItem("vitrine-key", decodeURIComponent(given[1]));
    history.replaceState(null, "", location.pathname + location.search);
  }
  return sessionStorage.getItem("vitrine-key") ?? "";
}
key(); // before the page keeps its own state behind its address

/** @param {string} path @param {RequestInit & {wait_ms?: number}} [options] @returns {Promise<any>} the JSON of the answer; throws `Refused` for an error status */
const ask = async (path, options) => (await send(path, options)).body;

/** @param {string} path @param {RequestInit & {wait_ms?: number}} [options] @returns {Promise<{body: any, token: ?string}>} the JSON of the answer, and the token of a write of rows */
async function send(path, { signal, wait_ms = ANSWER_MS, ...options } = {}) {
  const sent = Date.now();
  const limit = AbortSignal.timeout(wait_ms);
  const headers = { ...(key() && { "x-api-key": key() }), ...(options.body && { "content-type": "application/json" }) };
  const response = await fetch(path, { ...options, headers, cache: "no-store", signal: signal ? AbortSignal.any([signal, limit]) : limit });
  narrowSkew(sent, response.headers.get("date"));
  const body = response.status === 204 ? null : await response.json().catch(() => null);
  if (!response.ok || (body === null && response.status !== 204)) throw new Refused(response.status, body?.detail ?? body?.title ?? `${response.status} ${response.statusText}`);
  return { body, token: response.headers.get("vitrine-token") };
}

// ---- Status

let statusAt = 0; // when the last status arrived, by performance.now()
let streamAt = 0; // when the stream last sent a status or was opened
let polledAt = 0;
let visibleAt = 0; // when the tab was last brought to the front
let refusal = ""; // why the last poll was refused for its key
/** @type {?EventSource} */
let stream = null;
/** @type {?{at: number, status: Status}} */
let earlier = null;
/** @type {Map<string, number[]>} */
const series = new Map();

/** @param {string} name @param {number} value @param {(value: number) => string} format */
function meter(name, value, format) {
  const points = [...(series.get(name) ?? []), value].slice(-POINTS_MAX);
  series.set(name, points);
  const peak = Math.max(...points);
  put(at(name), format(value));
  at(name).dataset.value = String(value);
  put(at(`${name}-peak`), `peak ${format(peak)}`);
  const svg = document.querySelector(`svg[data-series="${name}"]`);
  if (!svg || points.length < 2) return;
  const width = Math.max(points.length, POINTS_MAX / 4) - 1; // a line with few points is drawn wide and is compressed later
  const x = (/** @type {number} */ index) => width + 1 - points.length + index;
  const line = points.map((point, index) => `${x(index)} ${(26 - 23 * (point / (peak || 1))).toFixed(1)}`).join("L");
  svg.setAttribute("viewBox", `0 0 ${width} 27`);
  svg.setAttribute("preserveAspectRatio", "none");
  while (svg.childElementCount < 2) svg.append(document.createElementNS("http://www.w3.org/2000/svg", "path"));
  svg.children[0].setAttribute("d", `M${x(0)} 27L${line}V27Z`);
  svg.children[1].setAttribute("d", `M${line}`);
}

/** @param {Status} status */
function drawStatus(status) {
  statusAt = performance.now();
  document.body.dataset.connected = "true";
  at("banner").hidden = true;
  put(at("version"), status.version);
  put(at("ready"), status.ready ? "Ready" : "Not ready");
  at("ready").dataset.state = status.ready ? "ready" : "not-ready";
  at("reason").hidden = status.ready;
  put(at("reason"), status.ready ? "" : `Not ready: ${status.reason ?? "no reason given"}`);
  put(at("embedded"), status.embedded.join(", ") || "none");
  put(at("workers"), count(status.workers));
  put(at("uptime"), status.uptime_s < 10 ? `${whole.format(status.uptime_s)} s` : duration(status.uptime_s * 1_000));
  put(at("as-of"), `${timeOfDay(status.as_of)} UTC`);
  drawMeters(status);
  drawSources(status.sources);
  drawLines("index", "indexes", Object.entries(status.indexes).map(([name, index]) => [name.replaceAll("_", " "), index.rows, `${count(index.batches)} batches`]));
  const letters = Object.entries(status.dead_letters);
  drawLines("dead-letter", "dead-letters", letters.map(([reason, n]) => [reason, n, ""]));
  put(at("dead-letters-total"), count(letters.reduce((sum, [, n]) => sum + n, 0)));
  drawCategories(status.categories);
  drawModels(status.indexes);
  showForm(status.has_rows);
}

/** The key with which the right to write was asked for. @type {?string} */
let asked = null;

/** Shows the form for a product if there is a store and the key may write: reading users takes the same right. @param {boolean} has_rows */
function showForm(has_rows) {
  if (!has_rows) at("add").hidden = true;
  if (!has_rows || asked === key()) return;
  asked = key();
  ask("/v1/users?limit=1").then(() => {
    at("add").hidden = false;
  }, (error) => {
    at("add").hidden = true;
    if (!(error instanceof Refused) || error.status >= 500) asked = null; // the next status asks again
  });
}

/** Notes which models are on: those whose indexes exist. @param {Status["indexes"]} indexes */
function drawModels(indexes) {
  const now_on = { co_views: "similar" in indexes, buy_again: "purchases" in indexes };
  if (now_on.co_views === models.co_views && now_on.buy_again === models.buy_again) return;
  Object.assign(models, now_on);
  showModels();
  refresh();
}

/** @param {Status} status */
function drawMeters(status) {
  if (status.as_of_ms > 0) meter("freshness", Math.max(0, now() - status.as_of_ms), duration);
  meter("lag", status.sources.flatMap((source) => source.partitions).reduce((sum, partition) => sum + partition.lag, 0), count);
  meter("memory", status.memory_bytes, size);
  const seconds = earlier ? (statusAt - earlier.at) / 1_000 : 0;
  if (earlier && seconds < 0.5) return; // a poll directly after a stream event: too short for a rate
  const before = earlier?.status;
  earlier = { at: statusAt, status };
  if (!before || status.uptime_s < before.uptime_s) return; // the first status, or the server restarted: no earlier value
  meter("events-per-second", Math.max(0, status.events_total - before.events_total) / seconds, count);
  meter("requests-per-second", Math.max(0, status.requests_total - before.requests_total) / seconds, count);
  meter("ticks-per-second", Math.max(0, status.ticks_total - before.ticks_total) / seconds, count);
}

/** @param {Source[]} sources */
function drawSources(sources) {
  hideMessageIf("sources", sources.length);
  keyed(at("sources"), "source", "source", sources, (source) => source.name, (item, source) => {
    put(part(item, "name"), source.name);
    put(part(item, "state"), source.state.replaceAll("_", " "));
    part(item, "state").dataset.state = source.state;
    put(part(item, "reason"), source.reason ?? "");
    put(part(item, "accepted"), whole.format(source.accepted));
    put(part(item, "ignored"), listed("ignored", source.ignored));
    put(part(item, "rejected"), listed("rejected", source.rejected));
    const named = (/** @type {Partition} */ partition) => `${partition.stream}/${partition.partition}`;
    const table = part(item, "partitions");
    if (table.parentElement) table.parentElement.hidden = source.partitions.length === 0;
    keyed(table, "partition", "partition", source.partitions, named, (row, partition) => {
      put(part(row, "name"), named(partition));
      put(part(row, "next"), whole.format(partition.next));
      put(part(row, "end"), whole.format(partition.end));
      put(part(row, "lag"), whole.format(partition.lag));
    });
  });
}

/** @param {string} prefix @param {string} list @param {[name: string, count: number, detail: string][]} rows */
function drawLines(prefix, list, rows) {
  hideMessageIf(list, rows.length);
  keyed(at(list), "line", prefix, rows, ([name]) => name, (item, [name, n, detail]) => {
    put(part(item, "name"), name);
    put(part(item, "count"), whole.format(n));
    put(part(item, "detail"), detail);
  });
}

/** Opens the stream and closes the previous one. A browser sends no key with a stream: then the status is polled. */
function openStream() {
  stream?.close();
  streamAt = performance.now();
  if (key()) return;
  stream = new EventSource("/v1/stream");
  stream.addEventListener("status", (event) => {
    streamAt = performance.now();
    connection("stream", "live stream");
    drawStatus(JSON.parse(event.data));
  });
}

/** @param {string} state @param {string} text */
function connection(state, text) {
  put(at("connection"), text);
  at("connection").dataset.state = state;
}

/** Every second: falls back to polling, reopens a stream that sends nothing, shows when the server cannot be reached. */
function watch() {
  if (document.hidden) return;
  const at_ms = performance.now();
  const silent_ms = at_ms - Math.max(statusAt, visibleAt);
  if (at_ms - streamAt > REOPEN_MS) openStream();
  if (silent_ms > POLL_MS - 100 && at_ms - polledAt > POLL_MS - 100) {
    polledAt = at_ms;
    ask("/v1/status", { wait_ms: POLL_MS - 200 }).then((status) => {
      if (performance.now() - streamAt > POLL_MS || at("connection").dataset.state !== "stream") connection("polling", "polling");
      refusal = "";
      drawStatus(status);
    }, (error) => { // the banner below shows it if it lasts
      refusal = error instanceof Refused && (error.status === 401 || error.status === 403) ? error.message : "";
    });
  }
  if (silent_ms < LOST_MS) return;
  document.body.dataset.connected = "false";
  connection("lost", "lost");
  at("ready").dataset.state = "gone";
  put(at("ready"), "Not connected");
  at("banner").hidden = false;
  if (refusal) return put(at("banner"), `${refusal}. Open this page with #key=vt_… behind its address.`);
  put(at("banner"), earlier ? `Not connected. The last data is ${whole.format((at_ms - statusAt) / 1_000)} s old. Trying again.` : "Not connected. No data has arrived yet. Trying again.");
}

// ---- Lists of a user

/** The user, category and product shown, which the address bar keeps. */
const shown = { user: "", category: "", product: "" };
/** The models that are on. */
const models = { co_views: false, buy_again: false };
/** @type {AbortController} */
let round = new AbortController();
/** @type {number | undefined} */
let nextRound;

/** @param {string} product @returns {number} a small hash that chooses the drawing of a product */
const looks = (product) => [...product].reduce((hash, letter) => (Math.imul(hash, 31) + (letter.codePointAt(0) ?? 0)) >>> 0, 7);

/** @param {string} product @returns {string} the first letters of its first and last word, or the last digits of its number */
function monogram(product) {
  /** @type {string[]} */
  const words = product.match(/\p{L}+/gu) ?? [];
  if (words.length > 1) return (words[0].slice(0, 1) + words[words.length - 1].slice(0, 1)).toUpperCase();
  return product.match(/\d{1,3}$/)?.[0] ?? product.slice(0, 2).toUpperCase();
}

/** @param {Why | undefined} why @returns {{note: string, long: string}} why a product is in its list, short and in full */
function reasons(why) {
  if (why?.viewed_at) return { note: ago(now() - Date.parse(why.viewed_at)), long: `Last viewed ${why.viewed_at}` };
  if (why?.views) return { note: why.views.length ? `like ${why.views[0].product}` : "", long: `Similar to ${why.views.map((view) => `${view.product} (view ${view.place})`).join(", ")}` };
  if (why?.orders) return { note: `${whole.format(why.orders)} orders`, long: `Bought in ${whole.format(why.orders)} orders, last ${whole.format(why.orders_ago ?? 0)} orders ago` };
  if (why?.weight !== undefined) return { note: `weight ${whole.format(why.weight)}`, long: `Viewed together: weight ${whole.format(why.weight)}\n${whole.format(why.viewers ?? 0)} viewers` };
  if (why?.buyers === undefined) return { note: "", long: "" };
  const place = why.rank === undefined ? "" : `\nRank ${why.rank}${why.category ? ` in ${why.category}` : " of all products"}`;
  return { note: `${whole.format(why.buyers)} buyers`, long: `${why.category ? `Category ${why.category}` : "No category"}\n${whole.format(why.buyers)} buyers in the window${place}` };
}

/** @param {ShelfName} name @param {ShelfAnswer} answer */
function drawShelf(name, answer) {
  const whys = new Map(answer.explain?.map((why) => [why.product, why]));
  put(at(`${name}-as-of`), `as of ${timeOfDay(answer.as_of)}`);
  keyed(at(name), "product", name, answer.products, (product) => product, (item, product, isNew) => {
    const { note, long } = reasons(whys.get(product));
    if (isNew) dress(name, item, product);
    put(part(item, "note"), note);
    put(part(item, "why"), `${product}\n${long}`);
  });
}

/** @param {"recommendations" | "for-you"} name @param {ShelfAnswer} answer */
function drawTyped(name, answer) {
  drawShelf(name, answer);
  at(`${name}-type`).hidden = false;
  at(`${name}-type`).dataset.state = answer.type;
  put(at(`${name}-type`), answer.type);
}

/** Sets what never changes for a product in a list. @param {ShelfName} name @param {HTMLElement} item @param {string} product */
function dress(name, item, product) {
  const [mark, open, remove, why] = ["mark", "open", "remove", "why"].map((which) => part(item, which));
  put(part(item, "product"), product);
  mark.dataset.mark = monogram(product);
  mark.dataset.form = String(looks(product) % 5);
  item.style.setProperty("--hue", String((looks(product) * 47) % 360));
  why.id = `${name}-why-${product}`;
  open.setAttribute("aria-describedby", why.id);
  open.addEventListener("click", () => {
    open.setAttribute("aria-expanded", String(open.getAttribute("aria-expanded") !== "true"));
    if (models.co_views) choose("product", product);
  });
  open.addEventListener("blur", () => open.setAttribute("aria-expanded", "false"));
  remove.hidden = name !== "history";
  remove.title = `Remove ${product} from the history`;
  remove.setAttribute("aria-label", remove.title);
  remove.addEventListener("click", () => removeFromHistory(item, product));
}

/** @param {HTMLElement} item @param {string} product */
async function removeFromHistory(item, product) {
  const user = shown.user;
  if (item.getAttribute("aria-busy") === "true") return;
  item.setAttribute("aria-busy", "true");
  const outcome = await ask(`/v1/users/${encodeURIComponent(user)}/history/${encodeURIComponent(product)}`, { method: "DELETE", wait_ms: REMOVE_MS }).then(
    () => `${product} removed from the history of ${user}.`,
    (error) => (error instanceof Refused ? `${product} was not removed: ${error.message}` : `${product} was not removed: the server did not answer.`),
  );
  put(at("notice"), outcome);
  item.removeAttribute("aria-busy");
  if (item.contains(document.activeElement)) focusBeside(item);
  refresh();
}

/** Moves the focus to the next row before its own row is removed. @param {HTMLElement} item */
function focusBeside(item) {
  const beside = item.nextElementSibling ?? item.previousElementSibling;
  (beside ? part(beside, "remove") : at("history")).focus();
}

// ---- A product of one's own

/** The product that was added last. @type {?{product: string, category: string}} */
let added = null;

/** Writes a row and says what became of it. @param {string} path @param {object} row @param {string} done @returns {Promise<?string>} the token of the write; null if it failed */
async function writeRow(path, row, done) {
  put(at("add-notice"), "");
  try {
    const { token } = await send(path, { method: "POST", body: JSON.stringify(row), wait_ms: REMOVE_MS });
    put(at("add-notice"), done);
    return token;
  } catch (error) {
    put(at("add-notice"), error instanceof Refused ? error.message : "The server does not answer.");
    return null;
  }
}

async function addProduct() {
  const [product, category, price] = ["product", "category", "price"].map((name) => /** @type {HTMLInputElement} */ (at(`add-${name}`)).value.trim());
  at("add-buy").hidden = true;
  const row = { product_id: product, ...(category && { category_id: category }), ...(price && { price }) };
  const list = category ? `the list of ${category}` : "the best sellers of the whole shop";
  if ((await writeRow("/v1/products", row, `${product} is in the catalogue. It will be in ${list} as soon as somebody buys it.`)) === null) return;
  added = { product, category };
  at("add-buy").hidden = false;
}

/** A purchase of the added product by the user shown; then the list that has it. */
async function buyOne() {
  if (!added) return;
  const { product, category } = added;
  const user = shown.user || "newcomer";
  const purchase = `page-${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 10)}`;
  const row = { purchase_id: purchase, user_id: user, lines: [{ product_id: product }] };
  const token = await writeRow("/v1/purchases", row, `${user} has bought ${product}.`);
  if (token === null) return;
  if (category) {
    const list = `/v1/categories/${encodeURIComponent(category)}/bestsellers?after=${token}`;
    await ask(list, { wait_ms: REMOVE_MS }).then(() => choose("category", category), (error) => put(at("add-notice"), `${product} is bought: ${error.message}`));
  }
  refresh();
}

// ---- Best sellers

/** @param {string} name @param {SellersAnswer} answer */
function drawBars(name, answer) {
  const most = Math.max(1, ...answer.products.map((seller) => seller.buyers));
  keyed(at(name), "bar", name, answer.products, (seller) => seller.product, (item, seller) => {
    put(part(item, "product"), seller.product);
    put(part(item, "buyers"), whole.format(seller.buyers));
    item.title = `${seller.product}: ${whole.format(seller.buyers)} buyers`;
    item.style.setProperty("--share", (seller.buyers / most).toFixed(4));
  });
}

/** @param {string[]} categories */
function drawCategories(categories) {
  if (shown.category === "" && categories.length > 0) {
    shown.category = categories[0];
    settle("category");
  }
  const all = [...new Set(shown.category ? [...categories, shown.category] : categories)].sort();
  hideMessageIf("categories", all.length);
  keyed(at("categories"), "option", "category-option", all, (category) => category, (item, category, isNew) => {
    const choice = /** @type {HTMLInputElement} */ (part(item, "choice"));
    put(part(item, "name"), category);
    item.title = category;
    choice.checked = category === shown.category;
    if (isNew) choice.addEventListener("change", () => choose("category", category));
  });
}

// ---- Refreshing

/**
 * Reads one list and draws it, or shows the error on its message line.
 * @template Answer
 * @param {string} name @param {string} path @param {AbortSignal} signal @param {(answer: Answer) => string} draw draws, and returns the message for an empty list
 */
async function read(name, path, signal, draw) {
  let message = "";
  try {
    const answer = await ask(path, { signal });
    if (!signal.aborted) message = draw(answer);
  } catch (error) {
    if (error instanceof Refused) message = error.status === 503 ? `Not ready: ${error.message}` : error.message;
    else if (error instanceof TypeError || isNamed(error, "TimeoutError")) message = "The server does not answer.";
    else if (!isNamed(error, "AbortError")) throw error;
    if (error instanceof Refused && error.status === 404) at(name).replaceChildren();
  }
  if (signal.aborted) return;
  put(at(`${name}-message`), message);
}

/** Reads the lists that are shown, and schedules the next refresh. */
async function refresh() {
  clearTimeout(nextRound);
  round.abort();
  if (document.hidden) return;
  const started = performance.now();
  const { signal } = (round = new AbortController());
  const { user, category, product } = shown;
  const reads = [read("bestsellers", "/v1/bestsellers", signal, (/** @type {SellersAnswer} */ answer) => (drawBars("bestsellers", answer), answer.products.length ? "" : "No orders in the window yet"))];
  if (category) reads.push(read("category", `/v1/categories/${encodeURIComponent(category)}/bestsellers`, signal, (/** @type {SellersAnswer} */ answer) => (drawBars("category", answer), answer.products.length ? "" : "No orders in this category yet")));
  if (user) {
    const base = `/v1/users/${encodeURIComponent(user)}`;
    reads.push(read("history", `${base}/history?explain=true`, signal, (/** @type {ShelfAnswer} */ answer) => (drawShelf("history", answer), answer.products.length ? "" : `No views of ${user} yet`)));
    reads.push(read("recommendations", `${base}/recommendations?explain=true`, signal, (/** @type {ShelfAnswer} */ answer) => (drawTyped("recommendations", answer), answer.products.length ? "" : "No orders in the window yet")));
    if (models.co_views) reads.push(read("for-you", `${base}/for-you?explain=true`, signal, (/** @type {ShelfAnswer} */ answer) => (drawTyped("for-you", answer), answer.products.length ? "" : "Nothing to recommend yet")));
    if (models.buy_again) reads.push(read("buy-again", `${base}/buy-again?explain=true`, signal, (/** @type {ShelfAnswer} */ answer) => (drawShelf("buy-again", answer), answer.products.length ? "" : `No orders of ${user} yet`)));
  }
  if (product && models.co_views) {
    reads.push(read("similar", `/v1/products/${encodeURIComponent(product)}/similar?explain=true`, signal, (/** @type {ShelfAnswer} */ answer) => (drawShelf("similar", answer), answer.products.length ? "" : "Nobody viewed another product with it yet")));
  }
  await Promise.all(reads);
  if (!signal.aborted) nextRound = setTimeout(refresh, Math.max(200, REFRESH_MS - (performance.now() - started)));
}

// ---- Input

/** Shows the given user, category or product, and keeps it in the address. @param {"user" | "category" | "product"} what @param {string} value */
function choose(what, value) {
  if (shown[what] === value) return;
  shown[what] = value;
  const kept = new URLSearchParams(location.hash.slice(1));
  if (value) kept.set(what, value);
  else kept.delete(what);
  if (what === "product") history.pushState(null, "", `#${kept}`); // so that "back" leads to the product before
  else history.replaceState(null, "", `#${kept}`);
  settle(what);
}

/** Clears the lists of the previous user, category or product, and reads again. @param {"user" | "category" | "product"} what */
function settle(what) {
  put(at("category-name"), shown.category);
  put(at("similar-to"), shown.product);
  showModels();
  if (what === "category") at("category").replaceChildren();
  else if (what === "product") {
    at("similar").replaceChildren();
    for (const line of ["as-of", "message"]) put(at(`similar-${line}`), "");
  } else {
    for (const name of ["history", "recommendations", "for-you", "buy-again"]) {
      at(name).replaceChildren();
      put(at(`${name}-as-of`), "");
      put(at(`${name}-message`), shown.user ? "" : "Enter a user id to see this list");
    }
    for (const name of ["recommendations", "for-you"]) at(`${name}-type`).hidden = true;
    put(at("notice"), "");
  }
  refresh();
}

/** Shows the lists of the models that are on. */
function showModels() {
  at("for-you-shelf").hidden = !models.co_views;
  at("buy-again-shelf").hidden = !models.buy_again;
  at("similar-shelf").hidden = !models.co_views || !shown.product;
}

/** Reads user, category and product from the address. */
function followAddress() {
  const kept = new URLSearchParams(location.hash.slice(1));
  shown.user = kept.get("user") ?? "";
  shown.category = kept.get("category") ?? shown.category;
  shown.product = kept.get("product") ?? "";
  input.value = shown.user;
  settle("category");
  settle("product");
  settle("user");
}

function followVisibility() {
  if (document.hidden) {
    stream?.close();
    round.abort();
    clearTimeout(nextRound);
    return;
  }
  visibleAt = performance.now();
  openStream();
  refresh();
}

const input = /** @type {HTMLInputElement} */ (at("user-input"));
/** @type {number | undefined} */
let pause;
input.addEventListener("input", () => {
  clearTimeout(pause);
  pause = setTimeout(() => choose("user", input.value.trim()), TYPING_MS);
});
at("user-form").addEventListener("submit", (event) => {
  event.preventDefault();
  clearTimeout(pause);
  choose("user", input.value.trim());
});
at("add-form").addEventListener("submit", (event) => {
  event.preventDefault();
  addProduct();
});
at("add-buy").addEventListener("click", buyOne);
document.addEventListener("visibilitychange", followVisibility);
addEventListener("hashchange", followAddress);
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && document.activeElement?.matches(".thing")) /** @type {HTMLElement} */ (document.activeElement).blur();
});
followAddress();
followVisibility();
setInterval(watch, 1_000);
if (!shown.user) input.focus();
