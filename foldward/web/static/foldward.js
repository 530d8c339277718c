// What the pages gain by script: live parts, ages that move on, choosing rows, signing in by address.
// Without it they are whole all the same.
(() => {
  const byId = (id) => document.getElementById(id);

  // Live parts: the server sends an element's HTML whenever it changed; a morph keeps focus and scroll.
  const holder = document.querySelector("[data-live]");
  const link = byId("link");
  const say = (text, state) => { link.textContent = text; link.className = "link soft " + state; };
  const clock = () => new Date().toISOString().slice(11, 19) + " UTC";
  if (holder && window.EventSource) {
    const parts = holder.dataset.live;
    let source = null;
    const open = () => {
      source = new EventSource("/live?parts=" + parts);
      source.onopen = () => say("live", "live");
      source.onerror = () => say("connection lost, trying again", "lost");
      for (const name of parts.split(",")) {
        source.addEventListener(name, async (event) => {
          const target = byId(name);
          if (!target) return;
          await htmx.swap({ target, text: JSON.parse(event.data), swap: "innerMorph", sourceElement: target });
          ages();
          link.title = "changed " + clock();
        });
      }
    };
    open();
    // A tab that nobody sees asks for nothing.
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) { source.close(); source = null; say("paused", ""); } else if (!source) open();
    });
  }

  // Ages: as the server says them (contracts/durations.py), from the absolute time beside them.
  const age = (s) => s < 120 ? Math.round(s) + " s" : s < 7200 ? Math.round(s / 60) + " min"
    : s < 172800 ? Math.round(s / 3600) + " h" : Math.round(s / 86400) + " d";
  const ages = () => {
    for (const item of document.querySelectorAll("time[datetime]")) {
      if (!/ago$|^in /.test(item.textContent)) continue;
      const passed = Math.round((Date.now() - Date.parse(item.dateTime)) / 1000);
      const text = passed < 0 ? "in " + age(-passed) : age(passed) + " ago";
      if (item.textContent !== text) item.textContent = text;
    }
  };
  setInterval(ages, 5000);

  // Choosing rows: one box for all of them; buttons that need a choice wait for one.
  const chosen = () => {
    for (const form of document.querySelectorAll("form.bulk")) {
      const any = form.querySelector("input[name=id]:checked") !== null;
      for (const button of form.querySelectorAll("[data-needs-choice]")) button.disabled = !any;
    }
  };
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-all]")) {
      for (const box of event.target.form.querySelectorAll("input[name=id]")) box.checked = event.target.checked;
    }
    if (event.target.type === "checkbox") chosen();
  });
  document.addEventListener("htmx:after:swap", chosen);
  document.addEventListener("htmx:error", (event) => {
    const place = byId("outcome");
    if (event.detail?.ctx?.sourceElement?.id === "rows") say("connection lost, trying again", "lost");
    else if (place) place.innerHTML = '<div class="outcome bad"><p><b>The dashboard did not answer.</b></p></div>';
  });

  // Lists: read again every few seconds while they show their first page and nobody is at work in them. A
  // page of an error has no list: what is shown stays.
  setInterval(() => {
    const rows = document.querySelector("#rows[data-refresh]");
    if (!rows || document.hidden || rows.querySelector("input:checked") || rows.contains(document.activeElement)) return;
    document.body.dispatchEvent(new Event("foldward:changed"));
  }, 5000);
  document.addEventListener("htmx:before:swap", (event) => {
    const ctx = event.detail?.ctx;
    if (ctx?.sourceElement?.id === "rows" && ctx.response?.status >= 400) event.preventDefault();
  });
  chosen();

  // On a narrow screen the pages' names scroll: the present one is in sight.
  document.querySelector("header nav [aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" });

  // Signing in by address: the token stands behind #, which no server sees.
  const login = byId("login");
  if (login && location.hash.length > 1) {
    login.token.value = decodeURIComponent(location.hash.slice(1));
    history.replaceState(null, "", location.pathname + location.search);
    login.submit();
  }
})();
