// The page of weirhttp.Debug in a real browser: what no test of the Go code can see. It looks right in both colour
// schemes, renews itself, works without scripts, lets nothing in and asks nobody else for anything.
//
//   npm ci && node run.mjs              # needs Go and Chromium; some 30 seconds
//   node run.mjs --pictures             # also renews docs/debug-*.png, after five minutes of traffic
//
// CHROMIUM names the browser, /usr/bin/chromium without it.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const pictures = process.argv.includes("--pictures");
const partitions = ["ip", "user", "business", "business-intake"];
const largestPicture = 150_000; // bytes: it is fetched by everybody who clones the repository

const scratch = mkdtempSync(join(tmpdir(), "weir-browser-"));
let demo, browser;
try {
  const url = await startDemo();
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium" });
  await sleep(pictures ? Number(process.env.SECONDS ?? 300) * 1000 : 12_000); // so that there is something to see, and somebody has been refused
  for (const [name, test] of Object.entries({ looks, renews, withoutScript, wards, json })) {
    await test(url);
    console.log("ok", name);
  }
} finally {
  await browser?.close();
  demo?.kill();
  rmSync(scratch, { recursive: true, force: true });
}

// startDemo builds the demo rather than to `go run` it: its process is then the child, and ends when told.
async function startDemo() {
  const binary = join(scratch, "demo");
  execFileSync("go", ["build", "-o", binary, "./browser-tests/demo"], { cwd: root, stdio: "inherit" });
  demo = spawn(binary, ["-addr", "127.0.0.1:0"], { stdio: ["ignore", "pipe", "inherit"] });
  for await (const line of createInterface({ input: demo.stdout })) {
    return line;
  }
  throw new Error("the demo has ended without a word");
}

// open opens the page, and returns it with what must stay empty: errors, violations of the policy, and requests to
// anybody else.
async function open(url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1100, height: 900 }, ...options });
  const page = await context.newPage();
  const troubles = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) {
      troubles.push("console: " + message.text());
    }
  });
  page.on("pageerror", (error) => troubles.push("error: " + error));
  page.on("dialog", (dialog) => troubles.push("dialog: " + dialog.message()));
  page.on("requestfailed", (request) => troubles.push("failed: " + request.url()));
  const requests = [];
  page.on("request", (request) => {
    requests.push(request.url());
    if (request.url() !== "data:," && new URL(request.url()).origin !== new URL(url).origin) {
      troubles.push("request: " + request.url());
    }
  });
  if (options.javaScriptEnabled !== false) {
    await page.exposeFunction("noteViolation", (directive) => troubles.push("policy: " + directive));
    await page.addInitScript(() => {
      addEventListener("securitypolicyviolation", (event) => window.noteViolation(event.violatedDirective));
    });
  }
  const response = await page.goto(url);
  assert.equal(response.status(), 200);
  assert.equal(await page.title(), "weir: rate limits");
  return { context, page, troubles, requests };
}

async function looks(url) {
  const backgrounds = [];
  for (const colorScheme of ["light", "dark"]) {
    const { context, page, troubles } = await open(url, { colorScheme });
    assert.deepEqual(await page.getByRole("heading", { level: 2 }).allTextContents(), partitions);
    for (const partition of partitions) {
      await hasAll(page.getByRole("region", { name: partition, exact: true }), partition);
    }
    // What callers have put into their ids is text.
    const users = await page.getByRole("region", { name: "user", exact: true }).innerText();
    assert.ok(users.includes("<script>document.title='owned'</script>"), users);
    assert.equal(await page.locator("main script, main img").count(), 0);

    assert.deepEqual(await faint(page), [], colorScheme + ": text or bars that are hard to see");
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "wider than the window");
    backgrounds.push(await page.evaluate(() => getComputedStyle(document.body).backgroundColor));
    await picture(page, colorScheme);

    await page.setViewportSize({ width: 360, height: 700 });
    assert.ok(await page.evaluate(() => document.querySelector("svg").getBoundingClientRect().width > 200));
    assert.deepEqual(troubles, []);
    await context.close();
  }
  assert.notEqual(backgrounds[0], backgrounds[1], "both schemes look the same");
}

// hasAll looks at the section of a partition as a screen reader does: by roles and names.
async function hasAll(section, partition) {
  const quotas = section.getByRole("table", { name: "Quotas" });
  assert.equal(await quotas.getByRole("columnheader").count(), 9);
  assert.match(await quotas.getByRole("row").nth(1).innerText(), new RegExp("^" + partition + "\\s+300/1m burst 30\\s"));
  const reasons = section.getByRole("table", { name: "Requests observed, by reason" });
  assert.ok((await reasons.getByRole("rowheader").count()) >= 1);
  for (const table of await section.locator("table").all()) {
    assert.equal(await table.locator("th:not([scope])").count(), 0, "a header cell that does not say of what");
    assert.equal(await table.locator("tbody tr:not(:has(th))").count(), 0, "a row without a header");
  }
  for (const what of ["Admitted", "Refused"]) {
    const chart = section.getByRole("img", { name: new RegExp("^" + what + " per second in the last \\d+ seconds: [\\d,]+ in all") });
    assert.equal(await chart.count(), 1);
    const inAll = Number((await chart.getAttribute("aria-label")).match(/([\d,]+) in all/)[1].replaceAll(",", ""));
    const bars = ((await chart.locator("path").getAttribute("d")).match(/M/g) ?? []).length;
    assert.equal(bars > 0, inAll > 0);
    if (what === "Admitted") {
      assert.ok(bars >= 5, "only " + bars + " bars");
      const box = await chart.locator("path").evaluate((path) => path.getBoundingClientRect().toJSON());
      assert.ok(box.height > 20 && box.width > 4, "bars that cannot be seen");
    }
  }
}

// faint lists what has less contrast than WCAG 2.2 asks for: 4.5 for text (1.4.3), 3 for bars (1.4.11).
function faint(page) {
  return page.evaluate(() => {
    const light = (color) => {
      const [r, g, b] = color.match(/[\d.]+/g).map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const contrast = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
    const behind = (element) => {
      const color = getComputedStyle(element).backgroundColor;
      return color === "rgba(0, 0, 0, 0)" ? behind(element.parentElement) : color;
    };
    const found = [];
    for (const element of document.querySelectorAll("main *, header *")) {
      const style = getComputedStyle(element);
      const written = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
      if (written && element.tagName !== "BUTTON" && contrast(style.color, behind(element)) < 4.5) {
        found.push(element.outerHTML);
      }
      if (element.tagName === "path" && contrast(style.fill, behind(element)) < 3) {
        found.push(style.fill);
      }
    }
    return found;
  });
}

// picture shows the first of the partitions: one is enough to see what there is.
async function picture(page, colorScheme) {
  const path = pictures ? join(root, "docs", `debug-${colorScheme}.png`) : join(scratch, colorScheme + ".png");
  const { bottom } = await page.locator("section").first().evaluate((section) => section.getBoundingClientRect().toJSON());
  await page.screenshot({ path, fullPage: true, clip: { x: 0, y: 0, width: 1100, height: Math.ceil(bottom) } });
  const { size } = statSync(path);
  assert.ok(size < largestPicture, `${path} has ${size} bytes`);
}

async function renews(url) {
  const { context, page, troubles, requests } = await open(url);
  await page.evaluate(() => (window.sameDocument = true));
  const shown = () => page.locator("main").innerText();
  const changes = async (before) => {
    for (let tries = 0; tries < 20; tries++) {
      await sleep(500);
      if ((await shown()) !== before) {
        return true;
      }
    }
    return false;
  };
  const admitted = async () => Number((await page.locator("#business ~ .tables tbody td").nth(3).innerText()).replaceAll(",", ""));
  const before = await admitted();
  assert.ok(await changes(await shown()), "it has not renewed itself");
  assert.ok(await changes(await shown()), "it has renewed itself only once");
  assert.ok((await admitted()) > before, "the counts stand still");
  assert.ok(await page.evaluate(() => window.sameDocument), "it was loaded anew rather than renewed");
  assert.ok(requests.length >= 3);

  await page.getByRole("button", { name: "Pause" }).click();
  await sleep(500); // what was on its way
  const still = await shown();
  await sleep(3000);
  assert.equal(await shown(), still, "it does not pause");
  await page.getByRole("button", { name: "Go on" }).click();
  assert.ok(await changes(still), "it does not go on");

  // Marked text stays.
  await page.evaluate(() => getSelection().selectAllChildren(document.querySelector("h2")));
  await sleep(500);
  const marked = await shown();
  await sleep(3000);
  assert.equal(await shown(), marked, "marked text was taken away");
  assert.deepEqual(troubles, []);
  await context.close();
}

async function withoutScript(url) {
  const { context, page, troubles } = await open(url, { javaScriptEnabled: false });
  assert.equal(await page.locator("table").count() >= 8, true);
  assert.equal(await page.getByRole("button").count(), 0, "a button that does nothing");
  const before = await page.locator("main").innerText();
  await page.waitForEvent("load", { timeout: 15_000 });
  assert.notEqual(await page.locator("main").innerText(), before);
  assert.deepEqual(troubles, []);
  await context.close();
}

// wards sees that the policy holds even if somebody found a way through the escaping; and that this file would notice.
async function wards(url) {
  const { context, page, troubles } = await open(url);
  await page.evaluate(() => {
    const add = (tag, fields) => document.body.append(Object.assign(document.createElement(tag), fields));
    add("script", { textContent: "document.title = 'owned'" });
    add("img", { src: "https://weir.test/pixel.png" });
    add("div", { innerHTML: "<b onclick='document.title = `owned`'>b</b>" });
    add("iframe", { src: "https://weir.test/" });
    document.querySelector("b[onclick]").click();
  }).catch((error) => assert.fail(error));
  await sleep(500);
  assert.equal(await page.title(), "weir: rate limits");
  for (const directive of ["script-src-elem", "script-src-attr", "img-src", "frame-src"]) {
    assert.ok(troubles.includes("policy: " + directive), directive + " was not enforced: " + troubles);
  }
  await context.close();
}

async function json(url) {
  const { context, page, troubles } = await open(url);
  await page.getByRole("link", { name: "JSON" }).click();
  await page.waitForURL("**?format=json");
  const state = JSON.parse(await page.evaluate(() => document.body.innerText));
  assert.deepEqual(state.partitions.map((p) => p.partition), partitions);
  assert.deepEqual(troubles, []);
  await context.close();
}
