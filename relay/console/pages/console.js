// What is live: the page is fetched again while it is looked at, and its parts take the place of the old ones.
// Keys: "/" goes to the search, "j" and "k" go down and up the rows. Everything works without this file but these.
const PERIOD = 5000;
const main = document.querySelector("main[data-live]");

async function renew() {
  if (document.hidden || main.contains(document.activeElement) && document.activeElement !== main) return;
  const open = [...main.querySelectorAll("details")].map((each) => each.open);
  const response = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (!response.ok) return;
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const fresh = page.querySelector("main[data-live]");
  if (!fresh) return;
  main.replaceChildren(...fresh.childNodes);
  main.querySelectorAll("details").forEach((each, at) => { each.open = open[at] ?? false; });
}

if (main) setInterval(() => renew().catch(() => {}), PERIOD);

let here = -1;
function go(step) {
  const rows = [...document.querySelectorAll("[data-row]")];
  if (!rows.length) return;
  rows.forEach((row) => row.removeAttribute("data-here"));
  here = Math.min(Math.max(here + step, 0), rows.length - 1);
  const row = rows[here];
  row.setAttribute("data-here", "");
  row.scrollIntoView({ block: "nearest" });
  row.querySelector("a")?.focus({ preventScroll: true });
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("input, select, textarea")) return;
  const search = document.querySelector("[data-search]");
  if (event.key === "/" && search) { event.preventDefault(); search.focus(); }
  if (event.key === "j") go(1);
  if (event.key === "k") go(-1);
});
