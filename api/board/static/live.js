// Keeps the lines of the list as they are: each change is told by the server,
// and the line of a declaration that is shown is fetched anew. The page of one
// declaration only says that something happened to it.
(() => {
  "use strict";
  if (!window.EventSource) return;
  let source, list;
  const fetching = new Map();

  async function renew(change) {
    const address = "/board/declarations/" + encodeURIComponent(change.tenant) + "/" + encodeURIComponent(change.id) + "/row";
    const answer = await fetch(address, {headers: {"HX-Request": "true"}});
    if (!answer.ok || answer.redirected) return;
    const holder = document.createElement("template");
    holder.innerHTML = await answer.text();
    const fresh = holder.content.querySelector("#row-" + change.id);
    const now = document.getElementById("row-" + change.id);
    if (!fresh || !now) return;
    const focused = now.contains(document.activeElement);
    fresh.classList.add("fresh");
    now.replaceWith(fresh);
    if (focused) fresh.querySelector("a").focus();
    document.getElementById("live-said").textContent = fresh.dataset.said;
  }

  // One fetch of a line at a time: what comes meanwhile is fetched afterwards.
  function changed(change) {
    const under = fetching.get(change.id);
    if (under) { under.again = true; return; }
    const state = {again: false};
    fetching.set(change.id, state);
    renew(change).catch(() => {}).finally(() => {
      fetching.delete(change.id);
      if (state.again) changed(change);
    });
  }

  function told(event) {
    const newer = document.getElementById("live-newer");
    for (const change of JSON.parse(event.data)) {
      if (list.dataset.declaration) newer.hidden = newer.hidden && change.id !== list.dataset.declaration;
      else if (document.getElementById("row-" + change.id)) changed(change);
      else if (change.new) newer.hidden = false;
    }
  }

  // follow listens for what the list that is shown now must know.
  function follow() {
    const shown = document.querySelector("[data-live]");
    if (shown === list) return;
    if (source) source.close();
    list = shown;
    if (!list) return;
    source = new EventSource(list.dataset.live);
    source.addEventListener("declarations", told);
    source.addEventListener("open", () => list.classList.add("live"));
    source.addEventListener("error", () => list.classList.remove("live"));
  }

  follow();
  document.addEventListener("htmx:after:swap", follow);
  window.addEventListener("pagehide", () => source && source.close());
})();
