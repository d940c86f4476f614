// Looks at the officials' pages as people do: in a real browser, at two
// widths, in two languages, with and without scripts. What it finds goes to
// standard output as one JSON object; deciding is the caller's.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const { address, name, password, key, declaration, reference, later, everything } = JSON.parse(readFileSync(0, "utf8"));
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const found = { pages: 0, violations: [], faults: [], foreign: [], sideways: [], live: 0, kept: [] };

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

async function visit(width, language, scripts) {
  const context = await browser.newContext({ viewport: { width, height: 800 }, javaScriptEnabled: scripts, bypassCSP: false });
  const page = await context.newPage();
  page.setDefaultTimeout(15000);
  page.on("console", (message) => { if (message.type() === "error") found.faults.push(message.text()); });
  page.on("pageerror", (error) => found.faults.push(String(error)));
  page.on("request", (request) => { if (!request.url().startsWith(address) && !request.url().startsWith("data:")) found.foreign.push(request.url()); });
  await page.goto(`${address}/board/?lang=${language}`);
  await look(page, "sign-in", scripts);
  await page.fill("#name", name);
  await page.fill("#password", password);
  await page.keyboard.press("Enter");
  await page.waitForSelector("table");
  return page;
}

// look holds the page against axe-core and against the width of the screen.
async function look(page, what, scripts = true) {
  found.pages++;
  if (!scripts) return;
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  if (wide > 0) found.sideways.push(`${what} at ${page.viewportSize().width}: ${wide}px`);
  await page.evaluate(axe); // by the debugger, so that the page's own policy stands
  const result = await page.evaluate(() => window.axe.run(document));
  for (const violation of result.violations) {
    found.violations.push(`${what} at ${page.viewportSize().width} in ${await page.getAttribute("html", "lang")}: ${violation.id} ${violation.nodes.map((node) => node.target.join(" ")).join(", ")}`);
  }
}

// round opens every page there is from the list.
async function round(page, scripts) {
  await look(page, "list", scripts);
  if (scripts) await page.evaluate(() => { window.filtering = true; });
  await page.focus("#number");
  await page.keyboard.type(reference);
  await page.keyboard.press("Enter");
  await page.waitForURL(/number=/);
  if (scripts) {
    await page.waitForFunction(() => document.querySelectorAll("[id^=row-]").length === 1);
    if (!await page.evaluate(() => window.filtering)) found.faults.push("a filter loads the page anew");
  }
  await look(page, "list filtered", scripts);
  await page.click(`a:text-is("${reference}")`);
  await page.waitForSelector("svg");
  for (const details of await page.locator("summary").all()) await details.click();
  await look(page, "declaration", scripts);
  const xml = page.locator('a[href*="/messages/"], a[href*="/notices/"]').first();
  await xml.click();
  await page.waitForSelector("pre");
  await look(page, "message", scripts);
  for (const place of ["tasks", "clearance"]) {
    await page.goto(`${address}/board/${place}`);
    await page.waitForSelector("main h1");
    await look(page, place, scripts);
  }
  const missing = await page.goto(`${address}/board/nothing`);
  if (missing.status() !== 404) found.faults.push(`a page there is not: ${missing.status()}`);
  found.faults = found.faults.filter((text) => !text.includes("404"));
  await look(page, "missing", scripts);
}

// live files a declaration, watches its line and tells how many milliseconds
// after the gateway said so the line did.
async function live(page) {
  await page.goto(`${address}/board/`);
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
  const filed = await fetch(`${address}/v1/declarations`, { method: "POST", headers: { ...headers, "idempotency-key": later }, body: JSON.stringify({ ...declaration, reference: later }) });
  const { id } = await filed.json();
  await page.goto(`${address}/board/?number=${later}`);
  const line = page.locator(`#row-${id}`);
  await line.waitFor();
  await page.waitForSelector(".list.live");
  const kept = `kept-${Date.now()}`;
  await page.evaluate((mark) => { window.mark = mark; }, kept);
  let said, shown;
  const deadline = Date.now() + 30000;
  while (Date.now() < deadline && !(said && shown)) {
    const [status, text] = await Promise.all([
      fetch(`${address}/v1/declarations/${id}`, { headers }).then((answer) => answer.json()),
      line.getAttribute("data-said"),
    ]);
    const now = Date.now();
    if (!said && status.status === "closed") said = now;
    if (!shown && text.includes("closed")) shown = now;
  }
  if (!said || !shown) found.faults.push(`no live change: ${said} ${shown}`);
  found.live = Math.max(0, shown - said);
  if (await page.evaluate(() => window.mark) !== kept) found.faults.push("the page was loaded anew");
}

try {
  const visits = [[1280, "en", true], [360, "zh", true], [1280, "en", false]];
  if (everything) visits.push([360, "en", true], [1280, "zh", true], [360, "zh", false]);
  for (const [width, language, scripts] of visits) {
    const page = await visit(width, language, scripts);
    await round(page, scripts);
    if (width === 1280 && language === "en" && scripts) await live(page);
    await page.context().close();
  }
} catch (error) {
  found.faults.push(String(error.stack ?? error));
}
await browser.close();
console.log(JSON.stringify(found));
