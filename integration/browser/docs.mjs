// Looks at the pages of the API's contract as people do: the reference and the
// pages of problems, in a real browser, with and without scripts. What it finds
// goes to standard output as one JSON object; deciding is the caller's.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const { address, folder } = JSON.parse(readFileSync(0, "utf8"));
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const found = { pages: 0, operations: 0, violations: [], faults: [], policy: [], foreign: [], sideways: [] };

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});

async function open(width, scripts, path, what) {
  const context = await browser.newContext({ viewport: { width, height: 900 }, javaScriptEnabled: scripts, bypassCSP: false });
  const page = await context.newPage();
  page.setDefaultTimeout(30000);
  page.on("console", (message) => {
    if (/Content Security Policy|violates the following/.test(message.text())) found.policy.push(`${what}: ${message.text()}`);
    else if (message.type() === "error") found.faults.push(`${what}: ${message.text()}`);
  });
  page.on("pageerror", (error) => found.faults.push(`${what}: ${error}`));
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(address) && !/^(data|blob):/.test(url)) found.foreign.push(`${what}: ${url}`);
  });
  const answer = await page.goto(address + path);
  if (answer.status() !== 200) found.faults.push(`${what}: ${answer.status()}`);
  found.pages++;
  return page;
}

async function look(page, what) {
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  if (wide > 0) found.sideways.push(`${what}: ${wide}px`);
  if (folder) await page.screenshot({ path: `${folder}/${what.replaceAll(" ", "-")}.png` });
}

async function judge(page, what) {
  await page.evaluate(axe);
  const result = await page.evaluate(() => window.axe.run(document));
  for (const violation of result.violations) {
    found.violations.push(`${what}: ${violation.id} ${violation.nodes.map((node) => node.target.join(" ")).join(", ")}`);
  }
}

try {
  for (const [width, language] of [[1280, "en"], [360, "zh"]]) {
    for (const [name, path] of [["problems", "/problems"], ["problem", "/problems/declaration.refused"], ["rule", "/problems/goods.container.checkDigit"]]) {
      const what = `${name} ${width} ${language}`;
      const page = await open(width, true, `${path}?lang=${language}`, what);
      await look(page, what);
      await judge(page, what);
      await page.context().close();
    }
  }
  const plain = await open(1280, false, "/docs", "reference without scripts");
  found.operations = await plain.locator("tbody tr").count();
  if (folder) await plain.screenshot({ path: `${folder}/reference-without-scripts.png` });
  await plain.context().close();
  for (const width of [1280, 360]) {
    const what = `reference ${width}`;
    const page = await open(width, true, "/docs", what);
    await page.getByText("File a declaration").first().waitFor({ state: "attached" });
    await page.evaluate(() => document.fonts.ready);
    await look(page, what);
    if (width === 1280) {
      await page.goto(`${address}/docs#tag/declarations/POST/v1/declarations`);
      await page.getByRole("heading", { name: "File a declaration" }).first().waitFor();
      await look(page, `${what} operation`);
    }
    await page.context().close();
  }
} catch (error) {
  found.faults.push(String(error.stack ?? error));
}
await browser.close();
console.log(JSON.stringify(found));
