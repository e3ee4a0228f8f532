"use strict";
// Renews what is in <main>, every two seconds, as long as somebody looks at it. What it gets is the same page once
// more: so there is one way to draw it, and it is there without this script, too.
(() => {
  const pause = document.getElementById("pause");
  const status = document.getElementById("status");
  let paused = false;
  pause.hidden = false;
  pause.addEventListener("click", () => {
    paused = !paused;
    pause.textContent = paused ? "Go on" : "Pause";
  });
  const renew = async () => {
    const response = await fetch(location.pathname + location.search, {
      cache: "no-store",
      headers: { Accept: "text/html" },
      signal: AbortSignal.timeout(10000),
    });
    if (!response.ok) {
      throw new Error("status " + response.status);
    }
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    // Not while it was being fetched, either: who has marked something wants to copy it.
    if (!paused && getSelection().isCollapsed) {
      document.querySelector("main").replaceWith(page.querySelector("main"));
    }
  };
  const tick = async () => {
    if (!paused && !document.hidden && getSelection().isCollapsed) {
      try {
        await renew();
        status.textContent = "";
      } catch (error) {
        status.textContent = "Not renewed: " + error.message;
      }
    }
    setTimeout(tick, 2000);
  };
  setTimeout(tick, 2000);
})();
