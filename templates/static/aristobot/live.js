// Parts of a page that name a topic in hx-trigger, as in "live-orders from:body", refresh when the server
// tells of a change. A hidden page listens to nothing: a browser keeps six connections to a server.
const TOPICS = ["orders", "positions", "balances", "alerts"];
const SOON_MS = 50;
const PAUSE_MS = 1000; // between two refreshes, however much happens
let source = null;
let topics = new Set();
let lastTold = -PAUSE_MS;

function tell() {
  lastTold = performance.now();
  for (const topic of topics) document.body.dispatchEvent(new CustomEvent(`live-${topic}`));
  topics = new Set();
}

function gather(...changed) {
  if (!topics.size) setTimeout(tell, Math.max(SOON_MS, lastTold + PAUSE_MS - performance.now()));
  for (const topic of changed) topics.add(topic);
}

function hush() {
  source?.close();
  source = null;
}

function listen() {
  // The login page has no main part, and nothing to listen to.
  if (document.hidden || !document.getElementById("main")) hush();
  else if (source === null) {
    source = new EventSource("/live/events/");
    source.addEventListener("open", () => gather(...TOPICS)); // whatever was missed until now
    for (const topic of TOPICS) source.addEventListener(topic, () => gather(topic));
  }
}

document.addEventListener("visibilitychange", listen);
addEventListener("pageshow", listen);
addEventListener("pagehide", hush);
