// Parts of a page that name a topic in hx-trigger, as in "live-orders from:body", refresh when the server
// tells of a change. A hidden page listens to nothing: a browser keeps six connections to a server.
const TOPICS = ["orders", "positions", "balances", "alerts"];
const GATHER_MS = 250;
let source = null;
let told = new Set();

function tell() {
  for (const topic of told) document.body.dispatchEvent(new CustomEvent(`live-${topic}`));
  told = new Set();
}

function gather(...topics) {
  if (!told.size) setTimeout(tell, GATHER_MS);
  for (const topic of topics) told.add(topic);
}

function listen() {
  if (document.hidden) {
    source?.close();
    source = null;
  } else if (source === null) {
    source = new EventSource("/live/events/");
    source.addEventListener("open", () => gather(...TOPICS)); // whatever was missed until now
    for (const topic of TOPICS) source.addEventListener(topic, () => gather(topic));
  }
}

document.addEventListener("visibilitychange", listen);
addEventListener("pagehide", () => source?.close());
addEventListener("DOMContentLoaded", () => {
  if (document.getElementById("main")) listen(); // the login page has none, and nothing to listen to
});
