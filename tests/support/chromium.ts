import puppeteer, { type Browser, type Page } from "puppeteer-core";
import { tempFolder } from "./temp_folder.ts";

/** A real browser without a window, with cookies of its own. */
export interface Chromium extends AsyncDisposable {
  newPage(): Promise<Page>;
}

/** Its own sandbox needs rights that a container does not have; it only sees our pages. */
const ARGUMENTS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run", "--no-proxy-server"];

/** Starts Chromium. */
export async function startChromium(program: string): Promise<Chromium> {
  const folder = await tempFolder();
  const browser: Browser = await puppeteer.launch({
    executablePath: program,
    args: ARGUMENTS,
    userDataDir: folder.path,
    handleSIGINT: false,
    handleSIGTERM: false,
    handleSIGHUP: false,
  });
  return {
    newPage: () => browser.newPage(),
    async [Symbol.asyncDispose]() {
      await browser.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** Presses a button that leads to another page. */
export async function press(page: Page, selector: string): Promise<void> {
  await Promise.all([page.waitForNavigation(), page.click(selector)]);
}
