// Live parts: the server sends the HTML of an element whenever it changed. Without script the pages are whole.
(() => {
  const targets = ["status", "tree"].filter((name) => document.getElementById(name));
  if (!targets.length || !window.EventSource) return;
  const link = document.getElementById("link");
  const source = new EventSource("/live");
  for (const name of targets) {
    source.addEventListener(name, (event) => {
      document.getElementById(name).innerHTML = JSON.parse(event.data);
      link.textContent = "live, " + new Date().toISOString().slice(11, 19) + " UTC";
    });
  }
  source.onerror = () => { link.textContent = "connection lost, trying again"; };
})();
